"""ServiceCIDRs: ready to give addresses to Services, and kept from going while Services have some.

Source: pkg/controller/servicecidrs/servicecidrs_controller.go.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from apimachinery.objects.meta import format_time, parse_time
from apimachinery.objects.resources import SERVICECIDRS
from engine.controllers.actions import Action, Json, Patch, RequeueAfter, SetStatus
from engine.controllers.controller import Moment, Reader, Watch
from engine.controllers.ipaddress import ADDRESS_SOURCE, CIDR_SOURCE, IPAddress, ServiceCIDR, is_managed
from engine.controllers.views import condition_of

FINALIZER = "networking.k8s.io/service-cidr-finalizer"
READY = "Kubernetes Service CIDR is ready"
IN_USE = "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    network: ServiceCIDR
    others: tuple[ServiceCIDR, ...]
    """Those that stay."""
    addresses: tuple[str, ...]
    """Those of Services; looked at for a network that is to go."""
    now: datetime
    grace: float = 10.0
    """Seconds after which every API server knows that the network is going and gives out no more of its addresses."""


def plan(observed: Observed) -> list[Action]:
    """The next write only: its change brings the network back."""
    network, meta = observed.network, observed.network.metadata
    if meta.deletion_timestamp is None:
        if FINALIZER not in meta.finalizers:
            return [_finalizers(network, [*meta.finalizers, FINALIZER])]
        return _told(observed, "True", "", READY)
    if FINALIZER not in meta.finalizers:
        return []
    if not _may_go(observed):
        return _told(observed, "False", "Terminating", IN_USE)
    left = observed.grace - (observed.now - parse_time(meta.deletion_timestamp)).total_seconds()
    if left > 0:
        return [RequeueAfter(seconds=left)]
    return [_finalizers(network, [other for other in meta.finalizers if other != FINALIZER])]


def _may_go(observed: Observed) -> bool:
    """Whether no Service's address would be left without a network."""
    return all(
        any(other.contains(address) for other in observed.others)
        for address in observed.addresses
        if observed.network.contains(address)
    )


def _told(observed: Observed, status: str, reason: str, message: str) -> list[Action]:
    network = observed.network
    found = condition_of(network.status.conditions, "Ready")
    if found is not None and (found.status, found.reason, found.message) == (status, reason, message):
        return []
    since = format_time(observed.now)
    if found is not None and found.status == status:
        since = found.last_transition_time or since
    ready: Json = {"type": "Ready", "status": status, "reason": reason, "message": message, "lastTransitionTime": since}
    return [
        SetStatus(
            resource=SERVICECIDRS,
            name=network.metadata.name,
            resource_version=network.metadata.resource_version,
            status={"conditions": [ready]},
            kind="strategic",
        )
    ]


def _finalizers(network: ServiceCIDR, finalizers: list[str]) -> Patch:
    meta = network.metadata
    return Patch(
        resource=SERVICECIDRS,
        name=meta.name,
        uid=meta.uid,
        resource_version=meta.resource_version,
        body={"metadata": {"finalizers": finalizers}},
    )


class ServiceCIDRController:
    name = "service-cidr"
    component = "service-cidr-controller"

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self.watches = (Watch(CIDR_SOURCE, _with_overlapping), Watch(ADDRESS_SOURCE, _going_networks))

    async def observe(self, key: str, reader: Reader, moment: Moment) -> Observed | None:
        network = reader.get(CIDR_SOURCE, key)
        if network is None:
            return None
        going = network.metadata.deletion_timestamp is not None
        entries = reader.list(ADDRESS_SOURCE) if going else ()
        return Observed(
            network=network,
            others=tuple(
                other
                for other in reader.list(CIDR_SOURCE)
                if other.metadata.name != key and other.metadata.deletion_timestamp is None
            ),
            addresses=tuple(entry.metadata.name for entry in entries if is_managed(entry)),
            now=moment.now,
            grace=self._grace,
        )

    def plan(self, observed: Observed) -> list[Action]:
        return plan(observed)


def _with_overlapping(network: ServiceCIDR, reader: Reader) -> Iterable[str]:
    """Itself, and those that it may set free, or hold back by its going."""
    yield network.metadata.name
    for other in reader.list(CIDR_SOURCE):
        if other.metadata.deletion_timestamp is not None and _overlap(network, other):
            yield other.metadata.name


def _overlap(one: ServiceCIDR, two: ServiceCIDR) -> bool:
    networks = [[ipaddress.ip_network(cidr, strict=False) for cidr in each.spec.cidrs] for each in (one, two)]
    return any(a.version == b.version and a.overlaps(b) for a in networks[0] for b in networks[1])


def _going_networks(entry: IPAddress, reader: Reader) -> Iterable[str]:
    """An address that comes or goes changes whether a network may go."""
    if not is_managed(entry):
        return
    for network in reader.list(CIDR_SOURCE):
        if network.metadata.deletion_timestamp is not None and network.contains(entry.metadata.name):
            yield network.metadata.name
