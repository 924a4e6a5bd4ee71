"""ConfigMap: plain configuration data, frozen when `immutable` is set."""

from __future__ import annotations

import msgspec

from apimachinery.objects.field import FieldError, forbidden, invalid, too_long
from engine.apiserver.registry import names
from engine.apiserver.registry.kind import Column, Json, Kind
from engine.apiserver.registry.views import AGE, NAME, Metadata

LARGEST = 1024 * 1024
_FROZEN = "field is immutable when `immutable` is set"


class ConfigMapRow(msgspec.Struct, frozen=True, rename="camel"):
    """What the table cells read."""

    metadata: Metadata
    data: dict[str, msgspec.Raw] = {}
    binary_data: dict[str, msgspec.Raw] = {}


def _entries(view: ConfigMapRow) -> int:
    return len(view.data) + len(view.binary_data)


def _validate(obj: Json) -> list[FieldError]:
    data: dict[str, str] = obj.get("data", {})
    binary: dict[str, str] = obj.get("binaryData", {})
    errors = [invalid(f"data[{key}]", key, message) for key in data for message in names.config_key(key)]
    errors += (invalid(f"data[{key}]", key, "duplicate of key present in binaryData") for key in data if key in binary)
    errors += (invalid(f"binaryData[{key}]", key, message) for key in binary for message in names.config_key(key))
    size = sum(len(value.encode()) for value in data.values()) + sum(len(value) * 3 // 4 for value in binary.values())
    if size > LARGEST:
        errors.append(too_long("[]", LARGEST))
    return errors


def frozen_errors(new: Json, old: Json, *parts: str) -> list[FieldError]:
    """Judge a change of something that may be marked as immutable."""
    if not old.get("immutable"):
        return []
    errors = [] if new.get("immutable") else [forbidden("immutable", _FROZEN)]
    errors += (forbidden(part, _FROZEN) for part in parts if (new.get(part) or {}) != (old.get(part) or {}))
    return errors


CONFIG_MAP = Kind(
    group="",
    version="v1",
    kind="ConfigMap",
    plural="configmaps",
    singular="configmap",
    namespaced=True,
    short_names=("cm",),
    name_errors=names.dns_subdomain,
    validate=_validate,
    validate_update=lambda new, old: frozen_errors(new, old, "data", "binaryData"),
    table_view=ConfigMapRow,
    columns=(NAME, Column(name="Data", cell=_entries, description="Number of entries"), AGE),
)
