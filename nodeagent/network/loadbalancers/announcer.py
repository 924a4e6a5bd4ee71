"""Answers for addresses of balanced Services on the network at hand, as long as this machine is the one to do so.

While the engine is away nobody can be elected: who answers goes on. Should another machine announce an address that
this one holds, the one whose Lease was confirmed last stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from typing import Any

import msgspec
import structlog

from apimachinery.aio.clock import Clock
from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import AlreadyExists, Conflict, NotFound, StatusError
from apimachinery.objects.meta import Object, format_micro_time
from apimachinery.objects.resources import LEASES
from nodeagent.network.command import CommandFailed
from nodeagent.network.iproute import Ip
from nodeagent.network.layout import BRIDGE, TUNNEL
from nodeagent.network.loadbalancers import arp, election
from nodeagent.network.loadbalancers.arp import ArpSocket
from nodeagent.network.loadbalancers.election import LEASE_SECONDS, TICK_SECONDS, Seen
from nodeagent.network.state import ClusterState

log = structlog.get_logger(__name__)
NAMESPACE = "kube-node-lease"
LABEL = "pilothouse.io/loadbalancer"


class LeaseSpec(msgspec.Struct, frozen=True, rename="camel"):
    holder_identity: str | None = None


class LeaseView(Object, frozen=True):
    spec: LeaseSpec = LeaseSpec()


@dataclass(slots=True)
class Held:
    """An address that this machine answers for."""

    interface: str
    confirmed_at: float
    service: str


class Announcer:
    """`run` does it for ever. Everything it knows may be lost: the Leases tell the next one."""

    def __init__(self, client: Client, state: ClusterState, node_name: str, clock: Clock) -> None:
        self._client = client
        self._state = state
        self._me = node_name
        self._clock = clock
        self._ip = Ip()
        self._seen: dict[str, Seen] = {}
        self._held: dict[str, Held] = {}
        self._sockets: dict[str, ArpSocket] = {}

    @property
    def held(self) -> Mapping[str, Held]:
        """By address."""
        return self._held

    async def run(self) -> None:
        try:
            while True:
                await self._turn()
                await self._clock.sleep(TICK_SECONDS)
        finally:
            for interface in list(self._sockets):
                self._close(interface)
            self._held.clear()

    async def _turn(self) -> None:
        wanted = {
            name: found for name, service in self._state.services.items() if (found := election.addresses(service))
        }
        if not wanted and not self._held:
            return
        try:
            await self._look()
            interfaces = await self._interfaces()
            for name, found in wanted.items():
                await self._elect(name, {address: _interface_of(address, interfaces) for address in found})
            await self._let_go({name: set(found) for name, found in wanted.items()})
        except (ConnectionFailed, StatusError, CommandFailed) as error:
            log.debug("addresses of Services stay where they are", error=str(error))
        self._listen()

    async def _look(self) -> None:
        """What has changed of the leases, and when that was noticed."""
        page = await self._client.list(LEASES, NAMESPACE, view=LeaseView, label_selector=LABEL)
        now, before = self._clock.monotonic(), self._seen
        # One that is gone is nobody's since now; one that never was stays nobody's.
        self._seen = {name: Seen(since=now) if old.version else old for name, old in before.items()}
        for lease in page.items:
            name, version = lease.metadata.name, lease.metadata.resource_version
            old = before.get(name)
            fresh = Seen(holder=lease.spec.holder_identity or "", version=version, since=now)
            self._seen[name] = old if old is not None and old.version == version else fresh

    async def _elect(self, service_key: str, places: Mapping[str, str]) -> None:
        service = self._state.services[service_key]
        name, now = election.lease_name(service_key), self._clock.monotonic()
        lease = self._seen.setdefault(name, Seen(since=now))
        serves = election.may_serve(service, self._state.slices_of(service_key), self._me)
        step = election.decide(
            self._me,
            lease,
            now,
            eligible=serves and any(places.values()),
            patience=election.patience(self._me, self._state.nodes, service_key),
        )
        if step == "wait":
            self._drop(service_key)
            return
        holder = "" if step == "release" else self._me
        if not await self._write(name, lease, holder) or step == "release":
            self._drop(service_key)
        else:
            self._hold(service_key, places, now)

    async def _write(self, name: str, lease: Seen, holder: str) -> bool:
        """Whether the lease is as we want it; False when somebody else was quicker."""
        spec: dict[str, Any] = {
            "holderIdentity": holder,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": format_micro_time(self._clock.now()),
        }
        try:
            if lease.version:
                patch = {"metadata": {"resourceVersion": lease.version}, "spec": spec}
                written = await self._client.patch(LEASES, name, patch, NAMESPACE, view=LeaseView)
            else:
                meta = {"name": name, "namespace": NAMESPACE, "labels": {LABEL: "true"}}
                made = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": spec}
                written = await self._client.create(LEASES, made, NAMESPACE, view=LeaseView)
        except (AlreadyExists, Conflict, NotFound):
            return False
        now = self._clock.monotonic()
        self._seen[name] = Seen(holder=holder, version=written.metadata.resource_version, since=now)
        return True

    def _hold(self, service_key: str, places: Mapping[str, str], now: float) -> None:
        for address, interface in places.items():
            if not interface:
                continue
            held = self._held.get(address)
            if held is not None and held.interface == interface:
                held.confirmed_at = now
                continue
            self._held[address] = Held(interface, now, service_key)
            self._listen()
            log.info("answering for an address", address=address, service=service_key, interface=interface)
            self._announce(address)

    def _drop(self, service_key: str) -> None:
        for address in [address for address, held in self._held.items() if held.service == service_key]:
            log.info("no longer answering for an address", address=address, service=service_key)
            del self._held[address]

    async def _let_go(self, wanted: Mapping[str, set[str]]) -> None:
        """Addresses that are no Service's any more, and the leases of Services that went."""
        for address, held in list(self._held.items()):
            if address not in wanted.get(held.service, set()):
                log.info("no longer answering for an address", address=address, service=held.service)
                del self._held[address]
                name = election.lease_name(held.service)
                if held.service not in wanted:
                    try:
                        await self._client.delete(LEASES, name, NAMESPACE)
                    except NotFound:
                        log.debug("lease was gone", lease=name)

    # The wire

    def _listen(self) -> None:
        """One socket for each interface with an address of ours."""
        needed = {held.interface for held in self._held.values()}
        for interface in self._sockets.keys() - needed:
            self._close(interface)
        for interface in needed - self._sockets.keys():
            try:
                opened = ArpSocket(interface)
            except OSError as error:
                log.warning("cannot answer for addresses", interface=interface, error=str(error))
                continue
            self._sockets[interface] = opened
            asyncio.get_running_loop().add_reader(opened.fileno(), self._heard, interface)

    def _close(self, interface: str) -> None:
        closed = self._sockets.pop(interface)
        asyncio.get_running_loop().remove_reader(closed.fileno())
        closed.close()

    def _heard(self, interface: str) -> None:
        wire = self._sockets[interface]
        try:
            packet = arp.parse(wire.receive())
        except BlockingIOError:
            return
        except OSError as error:  # the interface went
            log.debug("interface lost", interface=interface, error=str(error))
            self._close(interface)
            return
        if packet is None or packet.sender_mac == wire.mac:
            return
        if packet.operation == arp.REQUEST and self._is_ours(packet.target, interface):
            _send(wire, arp.answer(packet, wire.mac))
        elif packet.claims and self._is_ours(packet.claims, interface):
            self._contested(packet.claims)

    def _is_ours(self, address: str, interface: str) -> bool:
        held = self._held.get(address)
        return held is not None and held.interface == interface

    def _contested(self, address: str) -> None:
        held = self._held[address]
        if self._clock.monotonic() - held.confirmed_at < LEASE_SECONDS:
            self._announce(address)
        else:
            log.info("another machine answers for an address now", address=address, service=held.service)
            del self._held[address]

    def _announce(self, address: str) -> None:
        wire = self._sockets.get(self._held[address].interface)
        for data in arp.announcements(address, wire.mac) if wire is not None else ():
            if wire is not None:
                _send(wire, data)

    async def _interfaces(self) -> list[tuple[str, IPv4Interface]]:
        """Where this machine has addresses, besides what is there for pods."""
        found: list[tuple[str, IPv4Interface]] = []
        for link in await self._ip.show("-4", "address", "show", "up"):
            if link["ifname"] in ("lo", BRIDGE, TUNNEL) or "LOOPBACK" in link.get("flags", ()):
                continue
            name = link["ifname"].partition("@")[0]
            own = [IPv4Interface(f"{one['local']}/{one['prefixlen']}") for one in link.get("addr_info", ())]
            found.extend((name, address) for address in own)
        return found


def _interface_of(address: str, interfaces: list[tuple[str, IPv4Interface]]) -> str:
    """Where the address belongs by its network; empty: nowhere here."""
    wanted = IPv4Address(address)
    return next((name for name, own in interfaces if wanted in own.network and own.network.prefixlen < 32), "")


def _send(wire: ArpSocket, data: bytes) -> None:
    try:
        wire.send(data)
    except OSError as error:
        log.debug("not sent", error=str(error))
