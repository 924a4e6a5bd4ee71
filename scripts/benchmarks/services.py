"""The service rules and DNS of one machine with 1,000 Services of 10 endpoints, in a network namespace of its own."""

import asyncio
import os
import sys
import time
from collections.abc import Callable

import msgspec
from dnslib import DNSRecord

from apimachinery.aio.clock import SystemClock
from apimachinery.objects.meta import ObjectMeta
from nodeagent.network.dns.directory import Directory
from nodeagent.network.dns.resolver import Resolver
from nodeagent.network.dns.upstream import Upstream
from nodeagent.network.dns.zone import Zone
from nodeagent.network.layout import Layout
from nodeagent.network.nft.keeper import TableKeeper
from nodeagent.network.nft.kernel import Nft
from nodeagent.network.services.part import ServicePart
from nodeagent.network.services.rules import FAMILY_TABLE, base
from nodeagent.network.state import ClusterState, Snapshot
from nodeagent.network.views import (
    SERVICE_NAME_LABEL,
    Endpoint,
    EndpointPort,
    EndpointSliceView,
    ServicePort,
    ServiceSpec,
    ServiceView,
)
from scripts.benchmarks.process import memory_mb
from scripts.benchmarks.report import Figure

SERVICES, ENDPOINTS = 1000, 10
LAYOUT = Layout(
    node_name="m1",
    pod_cidr="10.42.1.0/24",
    gateway="10.42.1.1",
    cluster_cidr="10.42.0.0/16",
    service_cidr="10.43.0.0/16",
    cluster_domain="cluster.local",
    cluster_dns="10.43.0.10",
    api_host="127.0.0.1",
    api_port=6443,
)


async def measure() -> list[Figure]:
    inside = (sys.executable, "-m", "scripts.benchmarks.services")
    process = await asyncio.create_subprocess_exec("unshare", "--net", *inside, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    if process.returncode:
        raise SystemExit("scripts/bench services needs root and nft")
    return [Figure(*row) for row in msgspec.json.decode(output, type=list[tuple[str, str, str]])]


def service(number: int) -> ServiceView:
    spec = ServiceSpec(
        cluster_ip=f"10.43.{1 + number // 250}.{1 + number % 250}",
        type="NodePort",
        ports=(ServicePort(port=80, name="http", node_port=30000 + number),),
    )
    return ServiceView(metadata=ObjectMeta(name=f"web-{number}", namespace="default"), spec=spec)


def slice_of(number: int, endpoints: int = ENDPOINTS) -> EndpointSliceView:
    name = f"web-{number}"
    found = tuple(
        Endpoint(addresses=(f"10.42.{1 + index}.{2 + number % 250}",), node_name=f"m{1 + index}")
        for index in range(endpoints)
    )
    return EndpointSliceView(
        metadata=ObjectMeta(name=f"{name}-x", namespace="default", labels={SERVICE_NAME_LABEL: name}),
        endpoints=found,
        ports=(EndpointPort(name="http", port=8080, protocol="TCP"),),
    )


async def inside() -> list[Figure]:
    before = memory_mb(os.getpid())
    everything = Snapshot(
        services=tuple(service(n) for n in range(SERVICES)), slices=tuple(slice_of(n) for n in range(SERVICES))
    )
    state = ClusterState(everything)
    part = ServicePart(state, LAYOUT)
    rules = TableKeeper(FAMILY_TABLE, base(LAYOUT), [part], SystemClock(), Nft(), learned=state.learned)
    state.on_service(part.changed)
    for name in state.services:
        part.changed(name)
    started = time.perf_counter()
    await rules.sync()
    first = time.perf_counter() - started

    started = time.perf_counter()
    await rules.resync()
    compared = time.perf_counter() - started

    changes: list[float] = []
    for number in range(20):
        state.slice_changed(slice_of(number), slice_of(number, ENDPOINTS - 1))
        started = time.perf_counter()
        await rules.sync()
        changes.append(time.perf_counter() - started)

    directory = Directory(state)
    zone = Zone(directory, "cluster.local", LAYOUT.cluster_dns, (LAYOUT.cluster_cidr, LAYOUT.service_cidr), {})
    resolver = Resolver(zone, Upstream(list, SystemClock()))
    queries = [bytes(DNSRecord.question(f"web-{n}.default.svc.cluster.local").pack()) for n in range(SERVICES)]
    resolver.now(queries[0], tcp=False)
    cold = _each(queries, lambda query: resolver.now(query, tcp=False))
    again = _each(queries, lambda query: resolver.now(query, tcp=False))
    return [
        Figure("1,000 Services x 10 endpoints from nothing to the kernel", f"{first:.2f} s"),
        Figure("compared with the kernel, nothing to do (as at start)", f"{compared:.2f} s"),
        Figure("one Service's endpoints changed", f"{sorted(changes)[len(changes) // 2] * 1000:.0f} ms"),
        Figure("memory for it all, DNS included", f"{memory_mb(os.getpid()) - before:.0f} MB"),
        Figure("DNS: a name asked the first time, again", f"{cold * 1e6:.0f} us, {again * 1e6:.1f} us"),
    ]


def _each(queries: list[bytes], answer: Callable[[bytes], object]) -> float:
    started = time.perf_counter()
    for query in queries:
        answer(query)
    return (time.perf_counter() - started) / len(queries)


if __name__ == "__main__":
    rows = [(figure.what, figure.value, figure.goal) for figure in asyncio.run(inside())]
    sys.stdout.buffer.write(msgspec.json.encode(rows))
