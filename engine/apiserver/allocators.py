"""Pools of service addresses and node ports, each value held once. Rebuilt from the Services on start."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Iterable

import msgspec

from engine.store.protocol import Record


class Pool:
    """Implements registry.kind.Allocator over numbers from `first` to `last`, shown to others as text."""

    def __init__(self, first: int, last: int, *, reserved: int = 0) -> None:
        """Free values are taken above the lowest `reserved` ones, which stay for those who ask by value."""
        self._first = first
        self._last = last
        self._dynamic = first + reserved
        self._taken: set[int] = set()

    def parse(self, value: str) -> int | None:
        return int(value) if value.isdigit() else None

    def show(self, number: int) -> str:
        return str(number)

    def contains(self, value: str) -> bool:
        number = self.parse(value)
        return number is not None and self._first <= number <= self._last

    def allocate(self, value: str) -> bool:
        number = self.parse(value)
        if number is None or not self._first <= number <= self._last or number in self._taken:
            return False
        self._taken.add(number)
        return True

    def allocate_next(self) -> str | None:
        # From a random place, as upstream: a value just given back is not given out again at once.
        size = self._last - self._dynamic + 1
        start = secrets.randbelow(size)
        for step in range(size):
            number = self._dynamic + (start + step) % size
            if number not in self._taken:
                self._taken.add(number)
                return self.show(number)
        for number in range(self._first, self._dynamic):
            if number not in self._taken:
                self._taken.add(number)
                return self.show(number)
        return None

    def release(self, value: str) -> None:
        number = self.parse(value)
        if number is not None:
            self._taken.discard(number)


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


def take_held(services: Iterable[Record], addresses: Pool, ports: Pool) -> None:
    """Take what the Services in the store hold."""
    for record in services:
        spec = msgspec.json.decode(record.value, type=_Service).spec
        addresses.allocate(spec.cluster_ip)
        for port in {entry.node_port for entry in spec.ports} | {spec.health_check_node_port}:
            ports.allocate(str(port))
