"""VolumeAttributesClass: qualities of a volume that its driver can change while it is in use."""

from __future__ import annotations

import msgspec

from apimachinery.objects.field import FieldError, forbidden, required
from engine.apiserver.registry import columns, names
from engine.apiserver.registry.kind import Json, Kind
from engine.apiserver.registry.views import AGE, NAME, Metadata


class VolumeAttributesClassRow(msgspec.Struct, frozen=True, rename="camel"):
    """What the table cells read."""

    metadata: Metadata
    driver_name: str = ""


def _validate(obj: Json) -> list[FieldError]:
    errors: list[FieldError] = []
    if not obj.get("driverName"):
        errors.append(required("driverName"))
    if not obj.get("parameters"):
        errors.append(required("parameters", "must contain at least one key/value pair"))
    return errors


def _validate_update(new: Json, old: Json) -> list[FieldError]:
    return [
        forbidden(field, f"updates to {field} are forbidden.")
        for field in ("driverName", "parameters")
        if new.get(field) != old.get(field)
    ]


VOLUME_ATTRIBUTES_CLASS = Kind(
    group="storage.k8s.io",
    version="v1",
    kind="VolumeAttributesClass",
    plural="volumeattributesclasses",
    singular="volumeattributesclass",
    namespaced=False,
    short_names=("vac",),
    name_errors=names.dns_subdomain,
    validate=_validate,
    validate_update=_validate_update,
    returns_deleted=True,
    table_view=VolumeAttributesClassRow,
    columns=(NAME, columns.text("DriverName", lambda view: view.driver_name, "Name of the CSI driver"), AGE),
)
