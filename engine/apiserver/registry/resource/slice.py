"""ResourceSlice: the devices that a driver offers on a machine. Source: pkg/apis/resource/validation/validation.go."""

from __future__ import annotations

import msgspec

from apimachinery.objects.field import FieldError, immutable, invalid, required
from engine.apiserver.registry import columns, metadata, names
from engine.apiserver.registry.kind import Context, Json, Kind
from engine.apiserver.registry.resource.deviceclass import prepare_create
from engine.apiserver.registry.views import AGE, NAME, Metadata

_WHERE = ("allNodes", "nodeName", "nodeSelector", "perDeviceNodeSelection")


class _Pool(msgspec.Struct, frozen=True):
    name: str = ""


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    node_name: str = ""
    driver: str = ""
    pool: _Pool = _Pool()


class SliceRow(msgspec.Struct, frozen=True):
    """What the table cells and field selectors read."""

    metadata: Metadata
    spec: _Spec = _Spec()


def _validate(obj: Json) -> list[FieldError]:
    spec: Json = obj.get("spec") or {}
    errors: list[FieldError] = []
    driver: str = spec.get("driver", "")
    if not driver:
        errors.append(required("spec.driver"))
    errors += (invalid("spec.driver", driver, message) for message in (names.dns_subdomain(driver) if driver else ()))
    pool: Json = spec.get("pool") or {}
    if not pool.get("name"):
        errors.append(required("spec.pool.name"))
    if pool.get("resourceSliceCount", 0) <= 0:
        errors.append(
            invalid("spec.pool.resourceSliceCount", pool.get("resourceSliceCount", 0), "must be greater than zero")
        )
    if pool.get("generation", 0) < 0:
        errors.append(invalid("spec.pool.generation", pool["generation"], "must be greater than or equal to zero"))
    told = [f"`{field}`" for field in _WHERE if spec.get(field)]
    rule = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"
    if not told:
        errors.append(required("spec", rule))
    elif len(told) > 1:
        errors.append(invalid("spec", f"{{{', '.join(told)}}}", f"{rule}, but multiple fields are set"))
    return errors


def _validate_update(new: Json, old: Json) -> list[FieldError]:
    after, before = new.get("spec") or {}, old.get("spec") or {}
    kept = [field for field in ("driver", "nodeName") if after.get(field) != before.get(field)]
    errors = [immutable(f"spec.{field}", after.get(field, "")) for field in kept]
    name = (after.get("pool") or {}).get("name")
    if name != (before.get("pool") or {}).get("name"):
        errors.append(immutable("spec.pool.name", name))
    return errors


def _prepare_update(new: Json, old: Json, _context: Context) -> None:
    metadata.bump_generation_if_changed(new, old)


RESOURCE_SLICE = Kind(
    group="resource.k8s.io",
    version="v1",
    kind="ResourceSlice",
    plural="resourceslices",
    singular="resourceslice",
    namespaced=False,
    name_errors=names.dns_subdomain,
    validate=_validate,
    validate_update=_validate_update,
    prepare_create=prepare_create,
    prepare_update=_prepare_update,
    field_view=SliceRow,
    field_labels=lambda view: {"spec.nodeName": view.spec.node_name, "spec.driver": view.spec.driver},
    table_view=SliceRow,
    columns=(
        NAME,
        columns.text("Node", lambda view: view.spec.node_name or "<unset>", "The node which has the devices."),
        columns.text("Driver", lambda view: view.spec.driver, "The driver which offers the devices."),
        columns.text("Pool", lambda view: view.spec.pool.name, "The pool which the devices belong to."),
        AGE,
    ),
)
