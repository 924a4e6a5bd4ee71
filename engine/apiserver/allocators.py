"""Pools of service addresses and node ports, each value held once.

Which networks the addresses are from, and which of them somebody besides Services has: see addresses.py.

What a Service in the store holds is learnt from the store, where other engines may write too; what is being given to a
Service on its way there is only reserved. Two engines that reserve the same value at once meet in the store, which
takes it for the first of them (`claims_of`).
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from engine.store.protocol import Change, Record, Store


@dataclass(frozen=True, slots=True)
class _Range:
    """Numbers from `first` to `last`, of which those below `dynamic` stay for those who ask by value."""

    first: int
    last: int
    dynamic: int

    def __contains__(self, number: int) -> bool:
        return self.first <= number <= self.last

    def from_a_random_place(self) -> Iterator[int]:
        """As upstream: a value just given back is not given out again at once. The lowest come last."""
        size = self.last - self.dynamic + 1
        start = secrets.randbelow(size) if size > 0 else 0
        for step in range(size):
            yield self.dynamic + (start + step) % size
        yield from range(self.first, min(self.dynamic, self.last + 1))


class Pool:
    """Implements registry.kind.Allocator over numbers from `first` to `last`, shown to others as text."""

    def __init__(self, first: int, last: int, *, reserved: int = 0) -> None:
        """Free values are taken above the lowest `reserved` ones, which stay for those who ask by value."""
        self._ranges: tuple[_Range, ...] = (_Range(first, last, first + reserved),)
        self._reserved: set[int] = set()
        self._held: dict[int, str] = {}

    def parse(self, value: str) -> int | None:
        return int(value) if value.isdigit() else None

    def show(self, number: int) -> str:
        return str(number)

    def contains(self, value: str) -> bool:
        number = self.parse(value)
        return number is not None and self._is_ours(number)

    def allocate(self, value: str) -> bool:
        number = self.parse(value)
        if number is None or not self._is_ours(number) or self._is_taken(number):
            return False
        self._reserved.add(number)
        return True

    def allocate_next(self) -> str | None:
        for each in self._ranges:
            for number in each.from_a_random_place():
                if not self._is_taken(number):
                    self._reserved.add(number)
                    return self.show(number)
        return None

    def release(self, value: str) -> None:
        """The reservation is over: the value is in the store by now, or never will be."""
        number = self.parse(value)
        if number is not None:
            self._reserved.discard(number)

    def hold(self, value: str, holder: str) -> None:
        """The store says that `holder` has this value."""
        number = self.parse(value)
        if number is not None:
            self._held[number] = holder

    def let_go(self, value: str, holder: str) -> None:
        number = self.parse(value)
        if number is not None and self._held.get(number) == holder:
            del self._held[number]

    def _is_ours(self, number: int) -> bool:
        return any(number in each for each in self._ranges)

    def _is_taken(self, number: int) -> bool:
        return number in self._reserved or number in self._held


class AddressPool(Pool):
    """IPv4 addresses of the cluster's own network, and of the networks that users add by ServiceCIDRs."""

    def __init__(self, cidr: str) -> None:
        own = _addresses_of(cidr)
        super().__init__(own.first, own.last, reserved=own.dynamic - own.first)
        self._own = own
        self._networks: dict[str, tuple[str, ...]] = {}
        self._withheld: set[int] = set()

    def parse(self, value: str) -> int | None:
        try:
            return int(ipaddress.IPv4Address(value))
        except ValueError:
            return None

    def show(self, number: int) -> str:
        return str(ipaddress.IPv4Address(number))

    def lend(self, name: str, cidrs: Sequence[str]) -> None:
        """The networks that the ServiceCIDR of this name gives at present; those of IPv6 are nobody's here."""
        self._networks.pop(name, None)
        mine = tuple(cidr for cidr in cidrs if ":" not in cidr)
        if mine:
            self._networks[name] = mine
        added = (_addresses_of(cidr) for cidrs in self._networks.values() for cidr in cidrs)
        self._ranges = tuple(dict.fromkeys((self._own, *added)))

    def withhold(self, address: str) -> None:
        """Somebody who is no Service has this address."""
        number = self.parse(address)
        if number is not None:
            self._withheld.add(number)

    def give_back(self, address: str) -> None:
        self._withheld.discard(self.parse(address) or 0)

    def _is_taken(self, number: int) -> bool:
        return number in self._withheld or super()._is_taken(number)


def _addresses_of(cidr: str) -> _Range:
    """A network without its first address (its name) and its last (broadcast)."""
    network = ipaddress.IPv4Network(cidr, strict=False)
    # Upstream's static band: a sixteenth of the range, at least 16, at most 256 addresses; none in a small network.
    band = min(max(16, network.num_addresses // 16), 256) if network.num_addresses > 16 else 0
    first = int(network.network_address) + 1
    return _Range(first, int(network.broadcast_address) - 1, first + band)


class _Port(msgspec.Struct, frozen=True, rename="camel"):
    node_port: int = 0


class _ServiceSpec(msgspec.Struct, frozen=True, rename="camel"):
    cluster_ip: str = msgspec.field(default="", name="clusterIP")
    ports: tuple[_Port, ...] = ()
    health_check_node_port: int = 0


class _Service(msgspec.Struct, frozen=True):
    spec: _ServiceSpec = _ServiceSpec()


_SERVICES = "/registry/services/specs/"


def claims_of(key: str, value: bytes) -> frozenset[str]:
    """What a Service holds that no other may: see `engine.store.protocol.Claims`."""
    if not key.startswith(_SERVICES):
        return frozenset()
    address, ports = _held(value)
    held = {f"nodeports/{port}" for port in ports}
    if address:
        held.add(f"serviceips/{address}")
    return frozenset(held)


def follow_services(store: Store, addresses: Pool, ports: Pool) -> None:
    """Let the pools show what the Services in the store hold, now and from now on, whoever writes them."""

    def value(record: Record | None) -> bytes | None:
        return None if record is None else record.value

    def changed(change: Change) -> None:
        note_service(addresses, ports, change.key, value(change.before), value(change.after))

    for record in store.list(_SERVICES).records:
        note_service(addresses, ports, record.key, None, record.value)
    store.watch(_SERVICES, 0, changed)


def note_service(addresses: Pool, ports: Pool, key: str, before: bytes | None, after: bytes | None) -> None:
    """One step of one Service."""
    for state, note in ((before, Pool.let_go), (after, Pool.hold)):
        if state is not None:
            address, numbers = _held(state)
            note(addresses, address, key)
            for number in numbers:
                note(ports, str(number), key)


def _held(value: bytes) -> tuple[str, set[int]]:
    """(cluster IP, node ports)."""
    spec = msgspec.json.decode(value, type=_Service).spec
    ports = {entry.node_port for entry in spec.ports} | {spec.health_check_node_port}
    return "" if spec.cluster_ip == "None" else spec.cluster_ip, ports - {0}
