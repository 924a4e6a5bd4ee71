"""One change told to many watchers: how late the last of them hears of it, and what each costs the server."""

import asyncio
import resource
import ssl
import time

from apimachinery.client.client import Client
from apimachinery.objects.resources import CONFIGMAPS
from scripts.benchmarks import floor, load
from scripts.benchmarks.process import EngineProcess
from scripts.benchmarks.report import Figure

_CHANGES = 50
_OPENING = 50


async def measure(server: EngineProcess, client: Client, watchers: int, goal: str) -> Figure:
    """Expects a ConfigMap named `counter`."""
    _allow_descriptors(watchers + 200)
    listed = await client.list(CONFIGMAPS, "default", field_selector="metadata.name=counter")
    query = f"watch=true&resourceVersion={listed.resource_version}&fieldSelector=metadata.name%3Dcounter"
    message = load.request("GET", f"{CONFIGMAPS.path('default')}?{query}")
    sent: dict[bytes, float] = {}
    delays: list[float] = []
    sizes: set[int] = set()
    opening = asyncio.Semaphore(_OPENING)
    ready = asyncio.Semaphore(0)
    context = server.access.ssl_context
    assert isinstance(context, ssl.SSLContext)

    async def watch() -> None:
        async with opening:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", server.port, ssl=context, server_hostname="localhost"
            )
            writer.write(message)
            await reader.readuntil(b"\r\n\r\n")
        ready.release()
        try:
            for _ in range(_CHANGES):
                size = int(await reader.readline(), 16)
                event = await reader.readexactly(size + 2)
                sizes.add(len(event))
                tick = event.partition(b'"tick":"')[2].partition(b'"')[0]
                delays.append(time.perf_counter() - sent[tick])
        finally:
            writer.transport.abort()

    watching = asyncio.gather(*(watch() for _ in range(watchers)))
    for _ in range(watchers):
        await ready.acquire()
    await asyncio.sleep(1)
    cpu = server.cpu_seconds()
    for number in range(_CHANGES):
        tick = f"{watchers}-{number}"
        sent[tick.encode()] = time.perf_counter()
        await client.patch(CONFIGMAPS, "counter", {"data": {"tick": tick}}, "default")
        await asyncio.sleep(0.1 * watchers / 300)
    await asyncio.wait_for(watching, 60)
    each = (server.cpu_seconds() - cpu) / (_CHANGES * watchers) * 1e6
    delays.sort()
    p50, p99 = (delays[int(len(delays) * share)] * 1000 for share in (0.5, 0.99))
    pki = server.data_dir / "pki"
    least = await floor.measure(
        pki / "server.crt", pki / "server.key", context, clients=watchers, size=max(sizes), rounds=_CHANGES
    )
    what = f"one change to {watchers:,} watchers (client on the same cores)"
    value = (
        f"p50 {p50:.0f} ms, p99 {p99:.0f} ms, {each:.0f} us CPU per delivery (a server that only writes: {least:.0f})"
    )
    return Figure(what, value, goal)


def _allow_descriptors(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        if hard != resource.RLIM_INFINITY and hard < count:
            raise RuntimeError(f"{count} file descriptors are needed, {hard} are allowed (ulimit -n)")
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
