"""PersistentVolumeClaimResize: a claim may only grow where its class lets it.

Source: plugin/pkg/admission/storage/persistentvolume/resize/admission.go.
"""

from __future__ import annotations

from decimal import Decimal

from apimachinery.objects.quantity import parse
from engine.apiserver.guard import Write
from engine.apiserver.registry.core.persistentvolumeclaim import BETA_CLASS
from engine.apiserver.registry.kind import Json


class ClaimResize:
    """Judges updates of claims."""

    def check(self, write: Write) -> None:
        """Raises Forbidden."""
        if write.kind.plural != "persistentvolumeclaims" or write.kind.group or write.subresource:
            return
        if write.new is None or write.old is None or _size(write.new) <= _size(write.old):
            return
        if write.old.get("status", {}).get("phase") != "Bound":
            raise write.forbidden("Only bound persistent volume claims can be expanded")
        name = _class(write.new)
        found = write.context.lookup("storage.k8s.io", "storageclasses", "", name) if name else None
        if name != _class(write.old) or found is None or not found.get("allowVolumeExpansion"):
            raise write.forbidden(
                "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must"
                " support resize"
            )


def _size(claim: Json) -> Decimal:
    return parse((claim["spec"].get("resources", {}).get("requests") or {}).get("storage", "0"))


def _class(claim: Json) -> str:
    annotations: dict[str, str] = claim["metadata"].get("annotations") or {}
    return annotations.get(BETA_CLASS) or claim["spec"].get("storageClassName") or ""
