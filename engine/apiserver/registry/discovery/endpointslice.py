"""EndpointSlice: some of the addresses behind a Service."""

from __future__ import annotations

import ipaddress

import msgspec

from apimachinery.objects.field import FieldError, duplicate, immutable, invalid, not_supported, required, too_many
from engine.apiserver.registry import names
from engine.apiserver.registry.kind import Cell, Column, Context, Json, Kind
from engine.apiserver.registry.views import AGE, NAME, UNSET, Metadata

_ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_SHOWN = 3
_MOST_ENDPOINTS = 1000
_MOST_ADDRESSES = 100
_MOST_PORTS = 20_000
_GENERATED_FROM = ("endpoints", "ports", "addressType")


class _Port(msgspec.Struct, frozen=True):
    port: int | None = None
    name: str = ""


class _Endpoint(msgspec.Struct, frozen=True):
    addresses: list[str] = []


class EndpointSliceRow(msgspec.Struct, frozen=True, rename="camel"):
    """What the table cells read."""

    metadata: Metadata
    address_type: str = ""
    ports: list[_Port] = []
    endpoints: list[_Endpoint] = []


class EndpointSliceFields(msgspec.Struct, frozen=True, rename="camel"):
    """What field selectors read."""

    address_type: str = ""


def _first_few(texts: list[str]) -> Cell:
    if not texts:
        return UNSET
    more = len(texts) - _SHOWN
    listed = ",".join(texts[:_SHOWN])
    return f"{listed} + {more} more..." if more > 0 else listed


def _ports(view: EndpointSliceRow) -> Cell:
    return _first_few([str(port.port) if port.port is not None else port.name or "*" for port in view.ports])


def _endpoints(view: EndpointSliceRow) -> Cell:
    return _first_few([address for endpoint in view.endpoints for address in endpoint.addresses])


def _set_defaults(obj: Json) -> None:
    for port in obj.get("ports", ()):
        port.setdefault("name", "")
        port["protocol"] = port.get("protocol") or "TCP"


def _validate(obj: Json) -> list[FieldError]:
    errors: list[FieldError] = []
    address_type: str = obj.get("addressType", "")
    if not address_type:
        errors.append(required("addressType"))
    elif address_type not in _ADDRESS_TYPES:
        errors.append(not_supported("addressType", address_type, _ADDRESS_TYPES))
    endpoints: list[Json] = obj.get("endpoints", [])
    if len(endpoints) > _MOST_ENDPOINTS:
        return [*errors, too_many("endpoints", len(endpoints), _MOST_ENDPOINTS)]
    for index, endpoint in enumerate(endpoints):
        addresses: list[str] = endpoint.get("addresses", [])
        here = f"endpoints[{index}].addresses"
        if not addresses:
            errors.append(required(here, "must contain at least 1 address"))
        elif len(addresses) > _MOST_ADDRESSES:
            errors.append(too_many(here, len(addresses), _MOST_ADDRESSES))
        for position, address in enumerate(addresses):
            errors += (
                invalid(f"{here}[{position}]", address, message) for message in _address_messages(address, address_type)
            )
    _append_port_errors(errors, obj.get("ports", []))
    return errors


def _address_messages(address: str, address_type: str) -> list[str]:
    match address_type:
        case "IPv4":
            return [] if _is_address(address, 4) else ["must be an IPv4 address"]
        case "IPv6":
            return [] if _is_address(address, 6) else ["must be an IPv6 address"]
        case _:
            return names.dns_subdomain(address)


def _is_address(text: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(text).version == version
    except ValueError:
        return False


def _append_port_errors(errors: list[FieldError], ports: list[Json]) -> None:
    if len(ports) > _MOST_PORTS:
        errors.append(too_many("ports", len(ports), _MOST_PORTS))
        return
    seen: set[str] = set()
    for index, port in enumerate(ports):
        name: str = port.get("name", "")
        if name in seen:
            errors.append(duplicate(f"ports[{index}].name", name))
        seen.add(name)
        if name:
            errors += (invalid(f"ports[{index}].name", name, message) for message in names.dns_label(name))
        protocol = port.get("protocol", "")
        if protocol not in _PROTOCOLS:
            errors.append(not_supported(f"ports[{index}].protocol", protocol, _PROTOCOLS))


def _prepare_create(obj: Json, _context: Context) -> None:
    obj["metadata"]["generation"] = 1


def _prepare_update(new: Json, old: Json, _context: Context) -> None:
    changed = any(new.get(part) != old.get(part) for part in _GENERATED_FROM)
    if changed or new["metadata"].get("labels") != old["metadata"].get("labels"):
        new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1


def _validate_update(new: Json, old: Json) -> list[FieldError]:
    if new.get("addressType") == old.get("addressType"):
        return []
    return [immutable("addressType", new.get("addressType"))]


ENDPOINT_SLICE = Kind(
    group="discovery.k8s.io",
    version="v1",
    kind="EndpointSlice",
    plural="endpointslices",
    singular="endpointslice",
    namespaced=True,
    name_errors=names.dns_subdomain,
    set_defaults=_set_defaults,
    validate=_validate,
    validate_update=_validate_update,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    table_view=EndpointSliceRow,
    columns=(
        NAME,
        Column(
            name="AddressType",
            cell=lambda view: view.address_type,
            description="addressType specifies the type of address carried by this EndpointSlice.",
        ),
        Column(
            name="Ports", cell=_ports, description="ports specifies the list of network ports exposed by each endpoint."
        ),
        Column(name="Endpoints", cell=_endpoints, description="endpoints is a list of unique endpoints in this slice."),
        AGE,
    ),
    field_view=EndpointSliceFields,
    field_labels=lambda view: {"addressType": view.address_type},
)
