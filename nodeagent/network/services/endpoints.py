"""Which endpoints serve a port of a Service, as kube-proxy's CategorizeEndpoints chooses them."""

from collections.abc import Iterable
from dataclasses import dataclass

from nodeagent.network.layout import is_ipv4
from nodeagent.network.views import EndpointSliceView, ServicePort, ServiceView

Backend = tuple[str, int]
"""(IPv4 address, port)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One endpoint of one port. `ready` also speaks for unknown; `terminating` means it still serves meanwhile."""

    backend: Backend
    local: bool = False
    ready: bool = True
    terminating: bool = False

    @property
    def worth(self) -> tuple[bool, bool, bool]:
        return self.ready, self.terminating, self.local


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """`cluster` serves traffic that may go anywhere, `local` traffic that must stay on this machine.

    `anywhere` is whether any machine could serve at all: without it traffic is refused, otherwise dropped here.
    """

    cluster: tuple[Backend, ...] = ()
    local: tuple[Backend, ...] = ()
    anywhere: bool = False


def externally_reachable(service: ServiceView) -> bool:
    spec = service.spec
    return spec.type in {"NodePort", "LoadBalancer"} or bool(spec.external_ips)


def uses_local(service: ServiceView) -> bool:
    spec = service.spec
    if spec.internal_traffic_policy == "Local":
        return True
    return externally_reachable(service) and spec.external_traffic_policy == "Local"


def uses_cluster(service: ServiceView) -> bool:
    """External traffic needs them even where the policy is Local: this machine's own is not subject to it."""
    return service.spec.internal_traffic_policy != "Local" or externally_reachable(service)


def candidates(port: ServicePort, slices: Iterable[EndpointSliceView], node_name: str) -> list[Candidate]:
    """The IPv4 endpoints of one port over all slices, each once, in a settled order."""
    found: dict[Backend, Candidate] = {}
    for piece in slices:
        if piece.address_type != "IPv4":
            continue
        numbers = [
            p.port for p in piece.ports or () if (p.name or "") == port.name and (p.protocol or "TCP") == port.protocol
        ]
        for number in numbers:
            if number is None:
                continue
            for endpoint in piece.endpoints or ():
                for address in filter(is_ipv4, endpoint.addresses[:1]):
                    # An endpoint may stand in two slices for a moment while it moves: the better word counts.
                    candidate = Candidate(
                        backend=(address, number),
                        local=endpoint.node_name == node_name,
                        ready=endpoint.ready,
                        terminating=endpoint.serving_while_terminating,
                    )
                    known = found.get(candidate.backend)
                    if known is None or candidate.worth > known.worth:
                        found[candidate.backend] = candidate
    return [found[backend] for backend in sorted(found)]


def choose(service: ServiceView, found: list[Candidate]) -> Choice:
    """Ready endpoints; where there are none, those that still serve while they terminate."""
    cluster: tuple[Backend, ...] = ()
    local: tuple[Backend, ...] = ()
    if uses_cluster(service):
        cluster = _best(found)
    if uses_local(service):
        local = _best([c for c in found if c.local])
    anywhere = any(c.ready or c.terminating for c in found)
    return Choice(cluster=cluster, local=local, anywhere=anywhere)


def _best(found: list[Candidate]) -> tuple[Backend, ...]:
    ready = tuple(c.backend for c in found if c.ready)
    return ready or tuple(c.backend for c in found if c.terminating)
