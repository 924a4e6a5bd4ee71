"""Endpoints: where a Service's pods answer, in the form that EndpointSlices replaced."""

from __future__ import annotations

import msgspec

from apimachinery.objects.field import FieldError, invalid, not_supported, required
from engine.apiserver.registry import columns, names
from engine.apiserver.registry.kind import Cell, Json, Kind
from engine.apiserver.registry.views import AGE, NAME, NONE, Metadata

_PROTOCOLS = ("SCTP", "TCP", "UDP")
_SHOWN = 3


class _Address(msgspec.Struct, frozen=True):
    ip: str = ""


class _Port(msgspec.Struct, frozen=True):
    port: int = 0


class _Subset(msgspec.Struct, frozen=True):
    addresses: list[_Address] = []
    ports: list[_Port] = []


class EndpointsRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata
    subsets: list[_Subset] = []


def _endpoints(view: EndpointsRow) -> Cell:
    if not view.subsets:
        return NONE
    listed = [
        where
        for subset in view.subsets
        for where in (
            [_host_port(address.ip, port.port) for port in subset.ports for address in subset.addresses]
            if subset.ports
            else [address.ip for address in subset.addresses]
        )
    ]
    shown = ",".join(listed[:_SHOWN])
    return f"{shown} + {len(listed) - _SHOWN} more..." if len(listed) > _SHOWN else shown


def _host_port(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _set_defaults(obj: Json) -> None:
    for subset in obj.get("subsets", ()):
        for port in subset.get("ports", ()):
            port["protocol"] = port.get("protocol") or "TCP"


def _validate(obj: Json) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, subset in enumerate(obj.get("subsets", ())):
        path = f"subsets[{index}]"
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            errors.append(required(path, "must specify `addresses` or `notReadyAddresses`"))
        for field in ("addresses", "notReadyAddresses"):
            for position, address in enumerate(subset.get(field, ())):
                _append_address_errors(errors, address, f"{path}.{field}[{position}]")
        ports: list[Json] = subset.get("ports", [])
        for position, port in enumerate(ports):
            _append_port_errors(errors, port, f"{path}.ports[{position}]", named=len(ports) > 1)
    return errors


def _append_address_errors(errors: list[FieldError], address: Json, path: str) -> None:
    ip = address.get("ip", "")
    errors += (invalid(f"{path}.ip", ip, message) for message in names.ip_address(ip))
    hostname = address.get("hostname", "")
    if hostname:
        errors += (invalid(f"{path}.hostname", hostname, message) for message in names.dns_label(hostname))


def _append_port_errors(errors: list[FieldError], port: Json, path: str, *, named: bool) -> None:
    name, number = port.get("name", ""), port.get("port", 0)
    if name:
        errors += (invalid(f"{path}.name", name, message) for message in names.dns_label(name))
    elif named:
        errors.append(required(f"{path}.name"))
    errors += (invalid(f"{path}.port", number, message) for message in names.port_number(number))
    if port["protocol"] not in _PROTOCOLS:
        errors.append(not_supported(f"{path}.protocol", port["protocol"], _PROTOCOLS))


ENDPOINTS = Kind(
    group="",
    version="v1",
    kind="Endpoints",
    plural="endpoints",
    singular="endpoints",
    namespaced=True,
    short_names=("ep",),
    storage="services/endpoints",
    name_errors=names.dns_subdomain,
    set_defaults=_set_defaults,
    validate=_validate,
    allow_create_on_update=True,
    table_view=EndpointsRow,
    columns=(
        NAME,
        columns.text(
            "Endpoints",
            _endpoints,
            "The set of all endpoints is the union of all subsets.",
        ),
        AGE,
    ),
)
