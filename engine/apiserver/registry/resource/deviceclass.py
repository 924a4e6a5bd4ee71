"""DeviceClass: which devices may be meant by one name. Source: pkg/apis/resource/validation/validation.go."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from apimachinery.objects.field import FieldError, required, too_many
from engine.apiserver.registry import metadata, names
from engine.apiserver.registry.kind import Context, Json, Kind
from engine.apiserver.registry.views import AGE, NAME, Metadata

_MOST_SELECTORS = 32


class DeviceClassRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata


def selector_errors(selectors: list[Json], path: str) -> Iterator[FieldError]:
    """Selectors of devices, which are CEL expressions."""
    if len(selectors) > _MOST_SELECTORS:
        yield too_many(path, len(selectors), _MOST_SELECTORS)
    for index, selector in enumerate(selectors):
        cel: Json | None = selector.get("cel")
        if cel is None:
            yield required(f"{path}[{index}].cel")
        elif not cel.get("expression"):
            yield required(f"{path}[{index}].cel.expression")


def _validate(obj: Json) -> list[FieldError]:
    return list(selector_errors(obj.get("spec", {}).get("selectors") or [], "spec.selectors"))


def prepare_create(obj: Json, _context: Context) -> None:
    """A class begins its first generation."""
    obj["metadata"]["generation"] = 1


def _prepare_update(new: Json, old: Json, _context: Context) -> None:
    metadata.bump_generation_if_changed(new, old)


DEVICE_CLASS = Kind(
    group="resource.k8s.io",
    version="v1",
    kind="DeviceClass",
    plural="deviceclasses",
    singular="deviceclass",
    namespaced=False,
    name_errors=names.dns_subdomain,
    validate=_validate,
    prepare_create=prepare_create,
    prepare_update=_prepare_update,
    table_view=DeviceClassRow,
    columns=(NAME, AGE),
)
