"""The API server alone: start, memory, reads, writes, watches. Pods of about 3.9 KB, TLS and client certificate."""

import asyncio
import ssl
import time
from typing import Any

import msgspec

from apimachinery.client.client import Client
from apimachinery.objects.errors import NotFound
from apimachinery.objects.resources import CONFIGMAPS, SERVICEACCOUNTS
from scripts.benchmarks import fanout, load, scale
from scripts.benchmarks.pods import pod
from scripts.benchmarks.process import EngineProcess, engine
from scripts.benchmarks.report import Figure

PODS_COUNT = 5000
CONFIGMAPS_COUNT = 2000


async def measure() -> list[Figure]:
    figures: list[Figure] = []
    async with engine():
        pass  # so that the next one finds its bytecode
    async with engine() as server:
        figures.append(Figure("start to /readyz", f"{server.seconds_to_ready:.2f} s", "< 0.8 s"))
        client = Client(server.access.transport())
        try:
            figures += await _idle(server, client)
            figures += await _writes(server)
            figures += await _reads(server)
            figures += await _patches(server, client)
            figures.append(await fanout.measure(server, client, 300, "p99 < 20 ms, < 15 us"))
            figures.append(Figure("memory after all of this", f"{server.memory_mb():.0f} MB", "< 180 MB"))
            figures.append(await fanout.measure(server, client, 1000, ""))
            figures.append(await _deletions(server))
        finally:
            await client.close()
    return figures + await scale.measure()


async def _idle(server: EngineProcess, client: Client) -> list[Figure]:
    started = time.perf_counter()
    async with asyncio.timeout(20):
        while not await _exists(client):
            await asyncio.sleep(0.01)
    usable = server.seconds_to_ready + time.perf_counter() - started
    await asyncio.sleep(5)
    cpu = server.cpu_seconds()
    await asyncio.sleep(20)
    idle = (server.cpu_seconds() - cpu) * 3
    return [
        Figure("start to a usable namespace", f"{usable:.2f} s", "< 1 s"),
        Figure("memory idle", f"{server.memory_mb():.0f} MB", "< 80 MB"),
        Figure("idle CPU a minute", f"{idle:.2f} s", "< 0.3 s"),
    ]


async def _exists(client: Client) -> bool:
    try:
        await client.get(SERVICEACCOUNTS, "default", "default")
    except NotFound:
        return False
    return True


async def _loaded(
    server: EngineProcess,
    what: str,
    goal: str,
    messages: Any,
    *,
    accept: tuple[int, ...] = (200,),
    connections: int = 8,
) -> Figure:
    context = server.access.ssl_context
    assert isinstance(context, ssl.SSLContext)
    cpu = server.cpu_seconds()
    result = await load.run(server.port, context, messages, connections=connections, accept=accept)
    each = (server.cpu_seconds() - cpu) / result.requests * 1000
    p99 = result.percentile(0.99) * 1000
    value = f"{result.per_second:,.0f}/s, {each:.2f} ms CPU each, p99 {p99:.1f} ms"
    return Figure(what, value, goal)


async def _writes(server: EngineProcess) -> list[Figure]:
    path = "/api/v1/namespaces/default/pods"
    created = await _loaded(
        server, "create a pod through admission, 8 clients", "< 1.2 ms, durable",
        load.numbered(lambda n: load.request("POST", path, msgspec.json.encode(pod(n))), PODS_COUNT), accept=(201,),
    )  # fmt: skip
    path = "/api/v1/namespaces/default/configmaps"

    def configmap(n: int) -> bytes:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"cm-{n}"}, "data": {"k": "v" * 200}}
        return load.request("POST", path, msgspec.json.encode(body))

    posted = await _loaded(
        server,
        "POST a ConfigMap, 8 clients",
        "< 0.8 ms, durable",
        load.numbered(configmap, CONFIGMAPS_COUNT),
        accept=(201,),
    )
    memory = Figure(f"memory with {PODS_COUNT:,} pods", f"{server.memory_mb():.0f} MB", "< 140 MB")
    return [created, posted, memory]


async def _reads(server: EngineProcess) -> list[Figure]:
    base = "/api/v1/namespaces/default/pods"
    table = load.request("GET", base).replace(
        b"Accept: application/json", b"Accept: application/json;as=Table;v=v1;g=meta.k8s.io"
    )
    cases = [
        ("GET one pod", "> 4,000/s, < 0.25 ms", load.request("GET", f"{base}/pod-00042"), 10000, 8),
        (f"LIST {PODS_COUNT:,} pods from cache", "< 30 ms", load.request("GET", f"{base}?resourceVersion=0"), 20, 1),
        (f"LIST {PODS_COUNT:,} pods, consistent", "< 30 ms", load.request("GET", base), 20, 1),
        ("LIST limit=500", "< 5 ms", load.request("GET", f"{base}?limit=500"), 100, 1),
        (f"empty label selection of {PODS_COUNT:,}", "< 5 ms", load.request("GET", f"{base}?labelSelector=app%3Dnone"), 50, 1),
        (f"Table of {PODS_COUNT:,} pods", "< 50 ms", table, 10, 1),
    ]  # fmt: skip
    return [
        await _loaded(server, what, goal, load.repeated(message, count), connections=connections)
        for what, goal, message, count, connections in cases
    ]


async def _patches(server: EngineProcess, client: Client) -> list[Figure]:
    await client.create(CONFIGMAPS, {"metadata": {"name": "counter"}, "data": {}}, "default")
    path = CONFIGMAPS.path("default", "counter")

    def patch(n: int) -> bytes:
        body = msgspec.json.encode({"data": {"n": str(n)}})
        return load.request("PATCH", path, body, "application/merge-patch+json")

    what = "PATCH a ConfigMap, 8 clients on one object"
    return [await _loaded(server, what, "> 1,000/s, < 0.8 ms, durable", load.numbered(patch, 4000))]


async def _deletions(server: EngineProcess) -> Figure:
    path = CONFIGMAPS.path("default")
    messages = load.numbered(lambda n: load.request("DELETE", f"{path}/cm-{n}"), CONFIGMAPS_COUNT)
    return await _loaded(server, "DELETE a ConfigMap, 8 clients", "< 0.8 ms, durable", messages)
