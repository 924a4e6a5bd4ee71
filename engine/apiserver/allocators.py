"""Pools of service addresses and node ports, each value held once.

What a Service in the store holds is learnt from the store, where other engines may write too; what is being given to a
Service on its way there is only reserved. Two engines that reserve the same value at once meet in the store, which
takes it for the first of them (`claims_of`).
"""

from __future__ import annotations

import ipaddress
import secrets

import msgspec

from engine.store.protocol import Change, Record, Store


class Pool:
    """Implements registry.kind.Allocator over numbers from `first` to `last`, shown to others as text."""

    def __init__(self, first: int, last: int, *, reserved: int = 0) -> None:
        """Free values are taken above the lowest `reserved` ones, which stay for those who ask by value."""
        self._first = first
        self._last = last
        self._dynamic = first + reserved
        self._reserved: set[int] = set()
        self._held: dict[int, str] = {}

    def parse(self, value: str) -> int | None:
        return int(value) if value.isdigit() else None

    def show(self, number: int) -> str:
        return str(number)

    def contains(self, value: str) -> bool:
        number = self.parse(value)
        return number is not None and self._first <= number <= self._last

    def allocate(self, value: str) -> bool:
        number = self.parse(value)
        if number is None or not self._first <= number <= self._last or self._is_taken(number):
            return False
        self._reserved.add(number)
        return True

    def allocate_next(self) -> str | None:
        # From a random place, as upstream: a value just given back is not given out again at once.
        size = self._last - self._dynamic + 1
        start = secrets.randbelow(size)
        for step in range(size):
            number = self._dynamic + (start + step) % size
            if not self._is_taken(number):
                self._reserved.add(number)
                return self.show(number)
        for number in range(self._first, self._dynamic):
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

    def _is_taken(self, number: int) -> bool:
        return number in self._reserved or number in self._held


class AddressPool(Pool):
    """Addresses of a network, without its first (the network's name) and last (broadcast)."""

    def __init__(self, cidr: str) -> None:
        network = ipaddress.ip_network(cidr)
        # Upstream's static band: a sixteenth of the range, at least 16, at most 256 addresses.
        band = min(max(16, network.num_addresses // 16), 256)
        super().__init__(int(network.network_address) + 1, int(network.broadcast_address) - 1, reserved=band)

    def parse(self, value: str) -> int | None:
        try:
            return int(ipaddress.IPv4Address(value))
        except ValueError:
            return None

    def show(self, number: int) -> str:
        return str(ipaddress.IPv4Address(number))


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
