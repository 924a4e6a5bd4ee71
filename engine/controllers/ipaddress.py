"""IPAddresses: an object for each cluster address of a Service, there as long as the Service has it.

Upstream's API server makes them before the Service, and a repair loop mends what went wrong. Here the Service holds its
address by itself, and these objects follow: making one and repairing it are the same.

Source: pkg/registry/core/service/ipallocator/controller/repairip.go.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

from apimachinery.objects.meta import Object, parse_time
from apimachinery.objects.resources import IPADDRESSES, SERVICECIDRS, SERVICES
from engine.controllers.actions import About, Action, Create, Delete, Emit, Note
from engine.controllers.controller import Moment, Reader, Source, Watch
from engine.controllers.endpointslice import SERVICE_SOURCE, Service, addresses_of
from engine.controllers.views import Condition

FAMILY = "ipaddress.kubernetes.io/ip-family"
MANAGED_BY = "ipaddress.kubernetes.io/managed-by"
ALLOCATOR = "ipallocator.k8s.io"
_NEW_FOR = 60.0
"""Seconds for which a Service without its object is one that was just made, and nothing to report."""


class Parent(msgspec.Struct, frozen=True):
    group: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""


class IPAddressSpec(msgspec.Struct, frozen=True, rename="camel"):
    parent_ref: Parent = Parent()


class IPAddress(Object, frozen=True):
    spec: IPAddressSpec = IPAddressSpec()


class ServiceCIDRSpec(msgspec.Struct, frozen=True):
    cidrs: tuple[str, ...] = ()


class ServiceCIDRStatus(msgspec.Struct, frozen=True):
    conditions: tuple[Condition, ...] = ()


class ServiceCIDR(Object, frozen=True):
    spec: ServiceCIDRSpec = ServiceCIDRSpec()
    status: ServiceCIDRStatus = ServiceCIDRStatus()

    def contains(self, address: str) -> bool:
        """Whether one of its networks has this address."""
        found = ipaddress.ip_address(address)
        return any(found in ipaddress.ip_network(cidr, strict=False) for cidr in self.spec.cidrs)


ADDRESS_SOURCE = Source(IPADDRESSES, IPAddress)
CIDR_SOURCE = Source(SERVICECIDRS, ServiceCIDR)


def is_managed(entry: IPAddress) -> bool:
    """Whether it stands for a Service's address."""
    return entry.metadata.labels.get(MANAGED_BY) == ALLOCATOR


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    address: str
    entry: IPAddress | None
    services: tuple[Service, ...]
    """Those that have this address: one, unless something went wrong."""
    in_range: bool
    """Whether a ServiceCIDR has the address."""
    now: datetime


def plan(observed: Observed) -> list[Action]:
    if not observed.services:
        return _without_service(observed.entry)
    holder = observed.services[0]
    entry = observed.entry
    if not observed.in_range:
        text = f"{_named(observed)} is not within any configured Service CIDR; please recreate service"
        return [_warning(holder, "ClusterIPOutOfRange", f"Cluster IP {text}")]
    if entry is None:
        return _made(observed, holder)
    parent = _parent(entry)
    if parent is None or parent not in map(_key, observed.services):
        text = f"the ClusterIP {_named(observed)} for Service {'/'.join(_key(holder))} has a wrong reference; repairing"
        return [_warning(holder, "ClusterIPNotAllocated", text), _remove(entry)]
    twice = f"Cluster IP [{_family(observed.address)}]:{observed.address} was assigned to multiple services"
    told: list[Action] = [
        _warning(service, "ClusterIPAlreadyAllocated", f"{twice}; please recreate service")
        for service in observed.services
        if _key(service) != parent
    ]
    if not is_managed(entry) or entry.metadata.labels.get(FAMILY) != _family(observed.address):
        told.append(_remove(entry))
    return told


def _without_service(entry: IPAddress | None) -> list[Action]:
    if entry is None or not is_managed(entry):
        return []
    if _parent(entry) is not None:
        return [_remove(entry)]
    parent = entry.spec.parent_ref
    text = (
        f"IPAddress {entry.metadata.name} appears to have been modified, not referencing a Service"
        f" &ParentReference{{Group:{parent.group},Resource:{parent.resource},Namespace:{parent.namespace},"
        f"Name:{parent.name},}}: cleaning up"
    )
    about = About.of(IPADDRESSES, entry)
    note = Note(about=about, reason="IPAddressNotAllocated", message=text, type="Warning")
    return [Emit(note=note), _remove(entry)]


def _made(observed: Observed, holder: Service) -> list[Action]:
    meta, family = holder.metadata, _family(observed.address)
    create = Create(
        resource=IPADDRESSES,
        body={
            "apiVersion": IPADDRESSES.api_version,
            "kind": IPADDRESSES.kind,
            "metadata": {"name": observed.address, "labels": {FAMILY: family, MANAGED_BY: ALLOCATOR}},
            "spec": {"parentRef": {"resource": "services", "namespace": meta.namespace, "name": meta.name}},
        },
    )
    made = meta.creation_timestamp
    if made is None or (observed.now - parse_time(made)).total_seconds() < _NEW_FOR:
        return [create]
    text = f"Cluster IP {_named(observed)} is not allocated; repairing"
    return [_warning(holder, "ClusterIPNotAllocated", text), create]


def _remove(entry: IPAddress) -> Delete:
    # Where a Service has the address, the deletion brings its key back, and then it is made anew.
    return Delete(resource=IPADDRESSES, name=entry.metadata.name, uid=entry.metadata.uid)


def _warning(service: Service, reason: str, message: str) -> Emit:
    return Emit(note=Note(about=About.of(SERVICES, service), reason=reason, message=message, type="Warning"))


def _parent(entry: IPAddress) -> tuple[str, str] | None:
    """The Service that it names."""
    parent = entry.spec.parent_ref
    if parent.group or parent.resource != "services":
        return None
    return parent.namespace, parent.name


def _key(service: Service) -> tuple[str, str]:
    return service.metadata.namespace, service.metadata.name


def _named(observed: Observed) -> str:
    return f"[{_family(observed.address)}]: {observed.address}"


def _family(address: str) -> Literal["IPv4", "IPv6"]:
    return "IPv6" if ":" in address else "IPv4"


class IPAddressController:
    """A key is an address."""

    name = "ipallocator"
    component = "ipallocator-repair-controller"

    def __init__(self) -> None:
        self.watches = (
            Watch(SERVICE_SOURCE, lambda service, _: addresses_of(service)),
            Watch(ADDRESS_SOURCE, lambda entry, _: [entry.metadata.name]),
            Watch(CIDR_SOURCE, _services_within),
        )

    async def observe(self, key: str, reader: Reader, moment: Moment) -> Observed | None:
        entry = reader.get(ADDRESS_SOURCE, key)
        services = sorted(
            reader.by_index(SERVICE_SOURCE, "address", key),
            key=lambda service: (service.metadata.creation_timestamp or "", *_key(service)),
        )
        if not services and entry is not None and (parent := _parent(entry)) is not None:
            # A Service that the cache has not seen yet may have it.
            found = await reader.live_view(SERVICE_SOURCE, *parent)
            services = [found] if found is not None and key in addresses_of(found) else []
        return Observed(
            address=key,
            entry=entry,
            services=tuple(services),
            in_range=any(network.contains(key) for network in reader.list(CIDR_SOURCE)),
            now=moment.now,
        )

    def plan(self, observed: Observed) -> list[Action]:
        return plan(observed)


def _services_within(network: ServiceCIDR, reader: Reader) -> Iterable[str]:
    """Whether an address is in range changes when networks come and go, not with what is said of them."""
    if any(condition.type == "Ready" for condition in network.status.conditions):
        return
    for service in reader.list(SERVICE_SOURCE):
        yield from (address for address in addresses_of(service) if network.contains(address))
