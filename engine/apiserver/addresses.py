"""What ServiceCIDRs and IPAddresses mean for the addresses that Services get.

Source: pkg/registry/core/service/ipallocator/cidrallocator.go. An IPAddress that stands for a Service's own address is
written after the Service, by a controller, and says nothing that the Service does not: others withhold an address.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from engine.apiserver.allocators import AddressPool, Pool, follow_services
from engine.apiserver.registry.networking.ipaddress import IP_ADDRESS
from engine.apiserver.registry.networking.servicecidr import SERVICE_CIDR
from engine.store.protocol import Change, Store

Note = Callable[[str, bytes | None], None]
"""Told a key and its value, None when it went."""

_MANAGED_BY = "ipaddress.kubernetes.io/managed-by"
_ALLOCATOR = "ipallocator.k8s.io"


class _Metadata(msgspec.Struct, frozen=True, rename="camel"):
    deletion_timestamp: str | None = None
    labels: dict[str, str] = {}


class _Condition(msgspec.Struct, frozen=True):
    type: str = ""
    status: str = ""


class _Networks(msgspec.Struct, frozen=True):
    cidrs: tuple[str, ...] = ()


class _Status(msgspec.Struct, frozen=True):
    conditions: tuple[_Condition, ...] = ()


class _ServiceCIDR(msgspec.Struct, frozen=True):
    metadata: _Metadata = _Metadata()
    spec: _Networks = _Networks()
    status: _Status = _Status()


class _IPAddress(msgspec.Struct, frozen=True):
    metadata: _Metadata = _Metadata()


def followed_pools(store: Store, service_cidr: str, node_ports: tuple[int, int]) -> tuple[AddressPool, Pool]:
    """The addresses and node ports that Services may get, as the store leaves them now and from now on."""
    addresses, ports = AddressPool(service_cidr), Pool(*node_ports, reserved=86)
    follow_services(store, addresses, ports)
    _follow_networks(store, addresses)
    return addresses, ports


def _follow_networks(store: Store, addresses: AddressPool) -> None:
    """Let the pool be what the ServiceCIDRs and IPAddresses in the store make it, now and from now on."""

    def network(key: str, value: bytes | None) -> None:
        addresses.lend(key, _lent(value) if value is not None else ())

    def address(key: str, value: bytes | None) -> None:
        name = key.removeprefix(IP_ADDRESS.storage_prefix)
        if value is not None and _is_anothers(value):
            addresses.withhold(name)
        else:
            addresses.give_back(name)

    for kind, note in ((SERVICE_CIDR, network), (IP_ADDRESS, address)):

        def changed(change: Change, note: Note = note) -> None:
            note(change.key, change.after.value if change.after is not None else None)

        for record in store.list(kind.storage_prefix).records:
            note(record.key, record.value)
        store.watch(kind.storage_prefix, 0, changed)


def _lent(value: bytes) -> tuple[str, ...]:
    """The networks of a ServiceCIDR that is ready, or of which nobody has said yet whether it is."""
    found = msgspec.json.decode(value, type=_ServiceCIDR)
    ready = next((each.status for each in found.status.conditions if each.type == "Ready"), "True")
    return found.spec.cidrs if ready == "True" and found.metadata.deletion_timestamp is None else ()


def _is_anothers(value: bytes) -> bool:
    return msgspec.json.decode(value, type=_IPAddress).metadata.labels.get(_MANAGED_BY) != _ALLOCATOR
