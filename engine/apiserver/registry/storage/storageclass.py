"""StorageClass: a way in which volumes are made for claims."""

from __future__ import annotations

import msgspec

from apimachinery.objects.field import FieldError, forbidden, immutable, invalid, not_supported, required
from engine.apiserver.registry import columns, names
from engine.apiserver.registry.core.persistentvolumeclaim import DEFAULT_CLASS_MARKS
from engine.apiserver.registry.kind import Cell, Column, Json, Kind
from engine.apiserver.registry.views import AGE, UNSET, Metadata

_RECLAIM = ("Delete", "Retain")
_BINDING = ("Immediate", "WaitForFirstConsumer")


class _Metadata(Metadata, frozen=True, rename="camel"):
    annotations: dict[str, str] = {}


class StorageClassRow(msgspec.Struct, frozen=True, rename="camel"):
    """What the table cells read."""

    metadata: _Metadata
    provisioner: str = ""
    reclaim_policy: str = "Delete"
    volume_binding_mode: str = UNSET
    allow_volume_expansion: bool = False


def _name(view: StorageClassRow) -> Cell:
    marks = view.metadata.annotations
    is_default = any(marks.get(mark) == "true" for mark in DEFAULT_CLASS_MARKS)
    return f"{view.metadata.name} (default)" if is_default else view.metadata.name


def _set_defaults(obj: Json) -> None:
    obj.setdefault("reclaimPolicy", "Delete")
    obj.setdefault("volumeBindingMode", "Immediate")


def _validate(obj: Json) -> list[FieldError]:
    errors: list[FieldError] = []
    provisioner: str = obj.get("provisioner", "")
    if not provisioner:
        errors.append(required("provisioner", ""))
    else:
        errors += (invalid("provisioner", provisioner, text) for text in names.qualified_name(provisioner.lower()))
    for key in obj.get("parameters", {}):
        if not key:
            errors.append(invalid("parameters", key, "field can not be empty."))
    for field, supported in (("reclaimPolicy", _RECLAIM), ("volumeBindingMode", _BINDING)):
        if obj[field] not in supported:
            errors.append(not_supported(field, obj[field], supported))
    return errors


def _validate_update(new: Json, old: Json) -> list[FieldError]:
    errors = [
        forbidden(field, f"updates to {field} are forbidden.")
        for field in ("parameters", "provisioner", "reclaimPolicy")
        if new.get(field) != old.get(field)
    ]
    mode = new.get("volumeBindingMode")
    if mode != old.get("volumeBindingMode"):
        errors.append(immutable("volumeBindingMode", mode))
    return errors


STORAGE_CLASS = Kind(
    group="storage.k8s.io",
    version="v1",
    kind="StorageClass",
    plural="storageclasses",
    singular="storageclass",
    namespaced=False,
    short_names=("sc",),
    name_errors=names.dns_subdomain,
    set_defaults=_set_defaults,
    validate=_validate,
    validate_update=_validate_update,
    returns_deleted=True,
    table_view=StorageClassRow,
    columns=(
        Column(name="Name", format="name", cell=_name),
        columns.text(
            "Provisioner", lambda view: view.provisioner, "provisioner indicates the type of the provisioner."
        ),
        columns.text(
            "ReclaimPolicy",
            lambda view: view.reclaim_policy,
            "reclaimPolicy controls the reclaimPolicy for dynamically provisioned PersistentVolumes of this class.",
        ),
        columns.text(
            "VolumeBindingMode",
            lambda view: view.volume_binding_mode,
            "volumeBindingMode indicates how PersistentVolumeClaims should be provisioned and bound.",
        ),
        columns.text(
            "AllowVolumeExpansion",
            lambda view: view.allow_volume_expansion,
            "allowVolumeExpansion shows whether the storage class allow volume expand.",
        ),
        AGE,
    ),
)
