"""CustomResourceDefinition: the kind of kinds.

Whether its names are free and its API served is written to its status after it is stored (engine.apiserver.custom).
Source: apiextensions-apiserver/pkg/registry/customresourcedefinition and pkg/apis/apiextensions/v1/defaults.go.
"""

from __future__ import annotations

import msgspec

from apimachinery.objects.meta import format_time
from engine.apiserver.registry import names
from engine.apiserver.registry.apiextensions.definition_rules import create_errors, errors_of, update_errors
from engine.apiserver.registry.kind import Cell, Column, Context, DeleteOptions, Json, Kind, Subresource
from engine.apiserver.registry.metadata import bump_generation_if_changed, put_back_part
from engine.apiserver.registry.views import NAME, Metadata

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
"""The finalizer that stands until all objects of a deleted kind are gone."""


class DefinitionRow(msgspec.Struct, frozen=True, rename="camel"):
    """What the table cells read."""

    metadata: Metadata


def _created(view: DefinitionRow) -> Cell:
    created = view.metadata.creation_timestamp
    return format_time(created) if created else ""


def _set_defaults(obj: Json) -> None:
    spec: Json = obj.setdefault("spec", {})
    names_: Json = spec.setdefault("names", {})
    if names_.get("kind"):
        if not names_.get("singular"):
            names_["singular"] = names_["kind"].lower()
        if not names_.get("listKind"):
            names_["listKind"] = f"{names_['kind']}List"
    conversion: Json = spec.setdefault("conversion", {})
    conversion.setdefault("strategy", "None")
    for config in _client_configs(conversion):
        if "service" in config:
            config["service"].setdefault("port", 443)


def _client_configs(conversion: Json) -> list[Json]:
    config = (conversion.get("webhook") or {}).get("clientConfig")
    return [config] if config else []


def _prepare_create(obj: Json, _context: Context) -> None:
    obj["metadata"]["generation"] = 1
    obj["status"] = {"conditions": [], "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": []}
    _note_storage_version(obj)


def _prepare_update(new: Json, old: Json, _context: Context) -> None:
    put_back_part(new, old, "status")
    _note_storage_version(new)
    bump_generation_if_changed(new, old)


def _note_storage_version(obj: Json) -> None:
    """Every version that objects may ever have been stored in is remembered until a person says otherwise."""
    stored: list[str] = obj.setdefault("status", {}).setdefault("storedVersions", [])
    for version in obj.get("spec", {}).get("versions", ()):
        if version.get("storage") and version.get("name") not in stored:
            stored.append(version["name"])


def _status_update(new: Json, old: Json, _context: Context) -> None:
    new["spec"] = old["spec"]
    new["metadata"] = {**old["metadata"], "resourceVersion": new["metadata"].get("resourceVersion", "")}


def _hold(obj: Json, _options: DeleteOptions) -> int:
    metadata = obj["metadata"]
    if "deletionTimestamp" not in metadata and CLEANUP not in metadata.get("finalizers", ()):
        metadata["finalizers"] = [*metadata.get("finalizers", ()), CLEANUP]
    return 0


def _begin_delete(obj: Json, context: Context) -> None:
    set_condition(
        obj,
        "Terminating",
        "True",
        "InstanceDeletionPending",
        "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
        now=format_time(context.now),
    )


def set_condition(obj: Json, kind: str, status: str, reason: str, message: str, *, now: str) -> None:
    """Write one condition of the status; its time moves only when the status does."""
    conditions: list[Json] = obj.setdefault("status", {}).setdefault("conditions", [])
    wanted: Json = {
        "type": kind,
        "status": status,
        "lastTransitionTime": now,
        "reason": reason,
        "message": message,
    }
    for position, condition in enumerate(conditions):
        if condition.get("type") == kind:
            if condition.get("status") == status:
                wanted["lastTransitionTime"] = condition.get("lastTransitionTime", now)
            conditions[position] = wanted
            return
    conditions.append(wanted)


CUSTOM_RESOURCE_DEFINITION = Kind(
    group="apiextensions.k8s.io",
    version="v1",
    kind="CustomResourceDefinition",
    plural="customresourcedefinitions",
    singular="customresourcedefinition",
    namespaced=False,
    short_names=("crd", "crds"),
    categories=("api-extensions",),
    storage="apiextensions.k8s.io/customresourcedefinitions",
    subresources={
        "status": Subresource(name="status", verbs=("get", "patch", "update"), prepare=_status_update),
    },
    name_errors=names.dns_subdomain,
    set_defaults=_set_defaults,
    validate=errors_of,
    validate_create=create_errors,
    validate_update=update_errors,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    graceful_delete=_hold,
    begin_delete=_begin_delete,
    allow_unconditional_update=False,
    table_view=DefinitionRow,
    columns=(NAME, Column(name="Created At", type="date", cell=_created)),
)
