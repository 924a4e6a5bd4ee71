"""CSINode: which storage drivers a machine has."""

from __future__ import annotations

import msgspec

from apimachinery.objects.field import FieldError, duplicate, required
from engine.apiserver.registry import columns, names
from engine.apiserver.registry.kind import Json, Kind
from engine.apiserver.registry.views import AGE, NAME, Metadata


class _Spec(msgspec.Struct, frozen=True):
    drivers: list[msgspec.Raw] = []


class CSINodeRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata
    spec: _Spec = _Spec()


def _validate(obj: Json) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, driver in enumerate(obj.get("spec", {}).get("drivers", ())):
        path = f"spec.drivers[{index}]"
        errors += (required(f"{path}.{field}") for field in ("name", "nodeID") if not driver.get(field))
        if driver.get("name") in seen:
            errors.append(duplicate(f"{path}.name", driver["name"]))
        seen.add(driver.get("name", ""))
    return errors


CSI_NODE = Kind(
    group="storage.k8s.io",
    version="v1",
    kind="CSINode",
    plural="csinodes",
    singular="csinode",
    namespaced=False,
    name_errors=names.dns_subdomain,
    validate=_validate,
    allow_unconditional_update=False,
    returns_deleted=True,
    table_view=CSINodeRow,
    columns=(
        NAME,
        columns.number(
            "Drivers",
            lambda view: len(view.spec.drivers),
            "Drivers indicates the number of CSI drivers registered on the node",
        ),
        AGE,
    ),
)
