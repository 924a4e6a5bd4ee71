"""RuntimeClass: by which of a machine's container runtimes pods are run."""

from __future__ import annotations

import msgspec

from apimachinery.objects.field import FieldError, immutable, invalid
from engine.apiserver.registry import columns, metadata, names
from engine.apiserver.registry.kind import Json, Kind
from engine.apiserver.registry.podspec.placement import append_toleration_errors
from engine.apiserver.registry.views import AGE, NAME, Metadata


class RuntimeClassRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata
    handler: str = ""


def _validate(obj: Json) -> list[FieldError]:
    handler = obj.get("handler", "")
    errors = [invalid("handler", handler, message) for message in names.dns_label(handler)]
    scheduling: Json = obj.get("scheduling", {})
    if "nodeSelector" in scheduling:
        metadata.append_label_errors(errors, scheduling["nodeSelector"], "scheduling.nodeSelector")
    append_toleration_errors(errors, scheduling.get("tolerations", []), "scheduling.tolerations")
    return errors


def _validate_update(new: Json, old: Json) -> list[FieldError]:
    handler = new.get("handler")
    return [] if handler == old.get("handler") else [immutable("handler", handler)]


RUNTIME_CLASS = Kind(
    group="node.k8s.io",
    version="v1",
    kind="RuntimeClass",
    plural="runtimeclasses",
    singular="runtimeclass",
    namespaced=False,
    name_errors=names.dns_subdomain,
    validate=_validate,
    validate_update=_validate_update,
    table_view=RuntimeClassRow,
    columns=(
        NAME,
        columns.text(
            "Handler",
            lambda view: view.handler,
            "handler specifies the underlying runtime and configuration that the CRI implementation will use.",
        ),
        AGE,
    ),
)
