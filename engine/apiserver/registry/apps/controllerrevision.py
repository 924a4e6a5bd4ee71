"""ControllerRevision: what a DaemonSet's or StatefulSet's template once was. Its data never changes."""

from __future__ import annotations

import msgspec

from apimachinery.objects.field import FieldError, immutable, invalid, required
from engine.apiserver.registry import columns, names
from engine.apiserver.registry.kind import Cell, Json, Kind
from engine.apiserver.registry.views import AGE, NAME, NONE, Metadata


class _Owner(msgspec.Struct, frozen=True, rename="camel"):
    api_version: str = ""
    kind: str = ""
    name: str = ""
    controller: bool | None = None


class _Metadata(Metadata, frozen=True, rename="camel"):
    owner_references: list[_Owner] = []


class ControllerRevisionRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: _Metadata
    revision: int = 0


def _controller(view: ControllerRevisionRow) -> Cell:
    for owner in view.metadata.owner_references:
        if owner.controller:
            group = owner.api_version.rpartition("/")[0]
            kind = owner.kind.lower()
            return f"{kind}.{group}/{owner.name}" if group else f"{kind}/{owner.name}"
    return NONE


def _validate(obj: Json) -> list[FieldError]:
    errors: list[FieldError] = []
    if obj.get("data") is None:
        errors.append(required("data", "data is mandatory"))
    revision = obj.setdefault("revision", 0)
    if revision < 0:
        errors.append(invalid("revision", revision, "must be greater than or equal to 0"))
    return errors


def _validate_update(new: Json, old: Json) -> list[FieldError]:
    return [] if new.get("data") == old.get("data") else [immutable("data", new.get("data"))]


CONTROLLER_REVISION = Kind(
    group="apps",
    version="v1",
    kind="ControllerRevision",
    plural="controllerrevisions",
    singular="controllerrevision",
    namespaced=True,
    name_errors=names.dns_subdomain,
    validate=_validate,
    validate_update=_validate_update,
    table_view=ControllerRevisionRow,
    columns=(
        NAME,
        columns.text("Controller", _controller, "Controller of the object"),
        columns.text(
            "Revision", lambda view: view.revision, "revision indicates the revision of the state represented by data."
        ),
        AGE,
    ),
)
