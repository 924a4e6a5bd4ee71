"""OwnerReferencesPermissionEnforcement: nobody makes another's object wait for, or go with, what is not his to touch.

Not among the plugins that upstream turns on by itself. Source: plugin/pkg/admission/gc/gc_admission.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from engine.apiserver.authz.attributes import Attributes, Authorizer
from engine.apiserver.guard import Write
from engine.apiserver.registry.kind import Json, Kind


class OwnerReferences:
    """Judges changes of metadata.ownerReferences. `kinds`: all that the API serves now."""

    def __init__(self, authorizer: Authorizer, kinds: Callable[[], Iterable[Kind]]) -> None:
        self._authorizer = authorizer
        self._kinds = kinds

    def check(self, write: Write) -> None:
        """Raises Forbidden."""
        kind = write.kind
        if write.new is None or (not kind.group and kind.plural == "pods" and write.subresource == "status"):
            return
        after, before = _owners(write.new), _owners(write.old)
        if after == before:
            return
        asked = Attributes(
            write.user, "delete", kind.group, kind.version, kind.plural, write.subresource, write.namespace, write.name
        )
        decision = self._authorizer.decide(asked)
        if not decision.allowed:
            raise write.forbidden(f"cannot set an ownerRef on a resource you can't delete: {decision.reason}, <nil>")
        blocked = {one.get("uid") for one in before if one.get("blockOwnerDeletion")}
        for owner in after:
            if owner.get("blockOwnerDeletion") and owner.get("uid") not in blocked:
                self._check_blocked(write, owner)

    def _check_blocked(self, write: Write, owner: Json) -> None:
        version, named = owner.get("apiVersion", ""), owner.get("kind", "")
        kinds = [one for one in self._kinds() if one.api_version == version and one.kind == named]
        if not kinds:
            raise write.forbidden(
                f"cannot set blockOwnerDeletion in this case because cannot find RESTMapping for APIVersion {version}"
                f' Kind {named}: no matches for kind "{named}" in version "{version}"'
            )
        for kind in kinds:
            namespace = write.namespace if kind.namespaced else ""
            name = owner.get("name", "")
            asked = Attributes(
                write.user, "update", kind.group, kind.version, kind.plural, "finalizers", namespace, name
            )
            decision = self._authorizer.decide(asked)
            if not decision.allowed:
                raise write.forbidden(
                    "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers"
                    f" on: {decision.reason}, <nil>"
                )


def _owners(obj: Json | None) -> list[Json]:
    return (obj or {}).get("metadata", {}).get("ownerReferences") or []
