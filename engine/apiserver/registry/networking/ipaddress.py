"""IPAddress: an address of a Service range that somebody holds; its name is the address.

Source: pkg/apis/networking/validation/validation.go and pkg/registry/networking/ipaddress.
"""

from __future__ import annotations

import ipaddress

import msgspec

from apimachinery.objects.field import FieldError, immutable, invalid, required
from engine.apiserver.registry import columns, names
from engine.apiserver.registry.kind import Cell, Json, Kind
from engine.apiserver.registry.views import AGE, NAME, NONE, Metadata

_PARENT = "spec.parentRef"


class _Parent(msgspec.Struct, frozen=True):
    group: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    parent_ref: _Parent | None = None


class IPAddressRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata
    spec: _Spec = _Spec()


def _parent(view: IPAddressRow) -> Cell:
    parent = view.spec.parent_ref
    if parent is None:
        return NONE
    resource = f"{parent.resource}.{parent.group}" if parent.group else parent.resource
    return "/".join(part for part in (resource, parent.namespace, parent.name) if part)


def _name_errors(name: str) -> list[str]:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return [f'ParseAddr("{name}"): unable to parse IP']
    return [] if str(address) == name else ["must be a canonical format IP address"]


def _validate(obj: Json) -> list[FieldError]:
    parent: Json | None = obj.get("spec", {}).get("parentRef")
    if parent is None:
        return [required(_PARENT)]
    errors: list[FieldError] = []
    if parent.get("group"):
        errors += (invalid(f"{_PARENT}.group", parent["group"], text) for text in names.dns_subdomain(parent["group"]))
    for field in ("resource", "name", "namespace"):
        value: str = parent.get(field, "")
        if value:
            errors += (invalid(f"{_PARENT}.{field}", value, text) for text in names.path_segment(value))
        elif field != "namespace":
            errors.append(required(f"{_PARENT}.{field}"))
    return errors


def _validate_update(new: Json, old: Json) -> list[FieldError]:
    parent = new.get("spec", {}).get("parentRef")
    return [] if parent == old.get("spec", {}).get("parentRef") else [immutable(_PARENT, parent)]


IP_ADDRESS = Kind(
    group="networking.k8s.io",
    version="v1",
    kind="IPAddress",
    plural="ipaddresses",
    singular="ipaddress",
    namespaced=False,
    short_names=("ip",),
    name_errors=_name_errors,
    validate=_validate,
    validate_update=_validate_update,
    table_view=IPAddressRow,
    columns=(
        NAME,
        columns.text(
            "ParentRef",
            _parent,
            "ParentRef references the resource that an IPAddress is attached to. An IPAddress must reference a parent"
            " object.",
        ),
        AGE,
    ),
)
