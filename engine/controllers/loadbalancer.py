"""Addresses for Services of type LoadBalancer, out of a pool."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from apimachinery.objects.resources import SERVICES
from engine.controllers.actions import About, Action, Emit, Note, SetStatus
from engine.controllers.controller import Moment, Reader, Watch
from engine.controllers.endpointslice import SERVICE_SOURCE, Service

KEY = "pool"
"""All Services are looked at together: they share the addresses."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Ranges, first and last address included."""

    ranges: tuple[tuple[IPv4Address, IPv4Address], ...] = ()

    @staticmethod
    def parse(texts: Iterable[str]) -> "Pool":
        """Networks and ranges. Raises ValueError."""
        ranges: list[tuple[IPv4Address, IPv4Address]] = []
        for text in texts:
            first, dash, last = text.partition("-")
            if dash:
                ends = IPv4Address(first.strip()), IPv4Address(last.strip())
            else:
                network = IPv4Network(text.strip())
                ends = network[0], network[-1]
            if ends[0] > ends[1]:
                raise ValueError(f"{text!r}: the first address is behind the last")
            ranges.append(ends)
        return Pool(tuple(ranges))

    def meets(self, cidr: str) -> bool:
        """Whether an address of the pool is one of this network."""
        network = IPv4Network(cidr)
        return any(first <= network[-1] and network[0] <= last for first, last in self.ranges)

    def __contains__(self, address: str) -> bool:
        try:
            wanted = IPv4Address(address)
        except ValueError:
            return False
        return any(first <= wanted <= last for first, last in self.ranges)

    def __iter__(self) -> Iterator[str]:
        for first, last in self.ranges:
            for number in range(int(first), int(last) + 1):
                yield str(IPv4Address(number))


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    services: tuple[Service, ...]
    pool: Pool


def plan(observed: Observed) -> list[Action]:
    ours = sorted(
        (service for service in observed.services if service.spec.load_balancer_class is None),
        key=lambda service: (
            service.metadata.creation_timestamp or "",
            service.metadata.namespace,
            service.metadata.name,
        ),
    )
    taken: set[str] = set()
    waiting: list[Service] = []
    actions: list[Action] = []
    for service in ours:
        addresses = _addresses(service)
        if service.spec.type != "LoadBalancer" or service.metadata.deletion_timestamp is not None:
            # An address outside the pool was given by somebody else.
            if addresses and any(address in observed.pool for address in addresses):
                actions.append(_give(service, None))
        elif addresses and not taken.intersection(addresses):
            taken.update(addresses)
        else:
            waiting.append(service)
    free = (address for address in observed.pool if address not in taken)
    for service in waiting:
        address = _choose(service, observed.pool, taken, free)
        if address is None:
            actions.append(_refused(service))
            continue
        taken.add(address)
        actions.append(_give(service, address))
    return actions


def _choose(service: Service, pool: Pool, taken: set[str], free: Iterator[str]) -> str | None:
    """The address that the Service asks for, else the first free one."""
    wanted = service.spec.load_balancer_ip
    if wanted:
        return wanted if wanted in pool and wanted not in taken else None
    return next((address for address in free if address not in taken), None)


def _addresses(service: Service) -> Sequence[str]:
    return [ingress.ip for ingress in service.status.load_balancer.ingress if ingress.ip]


def _give(service: Service, address: str | None) -> SetStatus:
    meta = service.metadata
    about = About.of(SERVICES, service)
    note = Note(about=about, reason="EnsuredLoadBalancer", message="Ensured load balancer")
    ingress = [{"ip": address, "ipMode": "VIP"}] if address is not None else None
    return SetStatus(
        resource=SERVICES,
        namespace=meta.namespace,
        name=meta.name,
        resource_version=meta.resource_version,
        status={"loadBalancer": {"ingress": ingress}},
        succeeded=note if address is not None else None,
    )


def _refused(service: Service) -> Emit:
    wanted = service.spec.load_balancer_ip
    cause = f"address {wanted} is not free in the pool" if wanted else "the pool has no free address"
    return Emit(
        note=Note(
            about=About.of(SERVICES, service),
            reason="SyncLoadBalancerFailed",
            message=f"Error syncing load balancer: failed to ensure load balancer: {cause}",
            type="Warning",
        )
    )


class LoadBalancerController:
    """`pool`: networks and ranges; none leaves Services to somebody else's controller."""

    name = "service-lb"
    component = "service-controller"

    def __init__(self, pool: Iterable[str]) -> None:
        self._pool = Pool.parse(pool)
        self.watches = (Watch(SERVICE_SOURCE, _when_balanced),)

    async def observe(self, key: str, reader: Reader, moment: Moment) -> Observed | None:  # noqa: ARG002
        if not self._pool.ranges:
            return None
        return Observed(services=tuple(reader.list(SERVICE_SOURCE)), pool=self._pool)

    def plan(self, observed: Observed) -> list[Action]:
        return plan(observed)


def _when_balanced(service: Service, _reader: Reader) -> Iterable[str]:
    return [KEY] if service.spec.type == "LoadBalancer" or service.status.load_balancer.ingress else []
