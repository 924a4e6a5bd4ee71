"""CSIStorageCapacity: how much a storage driver has left, and where."""

from __future__ import annotations

import msgspec

from apimachinery.objects import quantity
from apimachinery.objects.field import FieldError, immutable, invalid
from engine.apiserver.registry import columns, names
from engine.apiserver.registry.kind import Json, Kind
from engine.apiserver.registry.labelselector import append_selector_errors
from engine.apiserver.registry.views import NAME, UNSET, Metadata


class CSIStorageCapacityRow(msgspec.Struct, frozen=True, rename="camel"):
    """What the table cells read."""

    metadata: Metadata
    storage_class_name: str = ""
    capacity: str | None = None


def _validate(obj: Json) -> list[FieldError]:
    errors: list[FieldError] = []
    append_selector_errors(errors, obj.get("nodeTopology"), "nodeTopology")
    name = obj.get("storageClassName", "")
    errors += (invalid("storageClassName", name, message) for message in names.dns_subdomain(name))
    for field in ("capacity", "maximumVolumeSize"):
        amount: str | None = obj.get(field)
        if amount is not None and quantity.parse(amount) < 0:
            errors.append(invalid(field, amount, "must be greater than or equal to 0"))
    return errors


def _validate_update(new: Json, old: Json) -> list[FieldError]:
    fixed = ("nodeTopology", "storageClassName")
    return [immutable(field, new.get(field)) for field in fixed if new.get(field) != old.get(field)]


CSI_STORAGE_CAPACITY = Kind(
    group="storage.k8s.io",
    version="v1",
    kind="CSIStorageCapacity",
    plural="csistoragecapacities",
    singular="csistoragecapacity",
    namespaced=True,
    name_errors=names.dns_subdomain,
    validate=_validate,
    validate_update=_validate_update,
    allow_unconditional_update=False,
    returns_deleted=True,
    table_view=CSIStorageCapacityRow,
    columns=(
        NAME,
        columns.text(
            "StorageClassName",
            lambda view: view.storage_class_name,
            "storageClassName represents the name of the StorageClass that the reported capacity applies to.",
        ),
        columns.text(
            "Capacity",
            lambda view: UNSET if view.capacity is None else view.capacity,
            "capacity is the value reported by the CSI driver in its GetCapacityResponse.",
        ),
    ),
)
