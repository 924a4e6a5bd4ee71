"""Which machine answers for a Service's address: pure decisions over a Lease for each Service.

A Lease counts by when it was seen to change here, never by its own times: clocks of machines differ.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from nodeagent.network.views import EndpointSliceView, ServiceView

LEASE_SECONDS = 12
TICK_SECONDS = 3.0
Step = Literal["renew", "acquire", "release", "wait"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A Lease as last seen, and since when it has been so. `holder` is empty where it is nobody's, or there is none."""

    holder: str = ""
    version: str = ""
    since: float = 0.0


def lease_name(service_key: str) -> str:
    return f"loadbalancer-{hashlib.sha256(service_key.encode()).hexdigest()[:32]}"


def decide(me: str, lease: Seen, now: float, *, eligible: bool, patience: float) -> Step:
    """`patience`: seconds to leave to those who are to be asked first."""
    if lease.holder == me:
        return "renew" if eligible else "release"
    if not eligible:
        return "wait"
    vacant_since = lease.since + (LEASE_SECONDS if lease.holder else 0)
    return "acquire" if now - vacant_since >= patience else "wait"


def patience(me: str, nodes: Iterable[str], service_key: str) -> float:
    """Services spread over the machines: each has its own order of them."""

    def order(node: str) -> bytes:
        return hashlib.sha256(f"{node}#{service_key}".encode()).digest()

    return sorted({*nodes, me}, key=order).index(me) * TICK_SECONDS


def addresses(service: ServiceView) -> list[str]:
    """IPv4 addresses that somebody has to answer for."""
    if service.spec.type != "LoadBalancer":
        return []
    found = service.status.load_balancer.ingress or ()
    return [one.ip for one in found if one.ip and ":" not in one.ip and one.ip_mode != "Proxy"]


def may_serve(service: ServiceView, slices: Iterable[EndpointSliceView], node: str) -> bool:
    """Whether what comes to this machine finds an endpoint: one of its own, where traffic is to stay on it."""
    local = service.spec.external_traffic_policy == "Local"
    return any(
        endpoint.ready and (not local or endpoint.node_name == node)
        for piece in slices
        for endpoint in piece.endpoints or ()
    )
