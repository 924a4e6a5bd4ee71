"""A supervised port-forward, with real local connections, to pods that come and go."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from apimachinery.aio.clock import SystemClock
from apimachinery.client.client import Client
from apimachinery.client.transport import WebSocket
from tests.tui.demo import pod
from tests.tui.memory_cluster import MemoryCluster
from tui.feeds.forward import Forward, ForwardPhase, ForwardSpec


class EchoPod:
    """Answers each message with its own name in front, the way a pod behind a v5 port-forward does."""

    protocol = "v5.channel.k8s.io"

    def __init__(self, name: str, *, error: str = "") -> None:
        self._name = name.encode()
        self._messages: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._messages.put_nowait(b"\x00\x50\x00")
        self._messages.put_nowait(b"\x01\x50\x00")
        if error:
            self._messages.put_nowait(b"\x01" + error.encode())

    async def send(self, message: bytes) -> None:
        if message[0] == 255:
            self._messages.put_nowait(None)
        else:
            self._messages.put_nowait(b"\x00" + self._name + b": " + message[1:])

    async def receive(self) -> bytes | None:
        return await self._messages.get()

    async def close(self) -> None:
        self._messages.put_nowait(None)


def opens(cluster: MemoryCluster, name: str, *, error: str = "") -> None:
    def door(stream: str, query: list[tuple[str, str]]) -> WebSocket:
        assert (stream, query) == ("portforward", [("ports", "80")])
        return EchoPod(name, error=error)

    cluster.doors[f"default/{name}"] = door


def spec(**facts: Any) -> ForwardSpec:
    given: dict[str, Any] = {"context": "lab", "namespace": "default", "what": "service/web", "port": "80", "local": 0}
    return ForwardSpec(**given | {"label_selector": "app=web"} | facts)


@asynccontextmanager
async def running(cluster: MemoryCluster, wanted: ForwardSpec) -> AsyncIterator[Forward]:
    made = Forward(Client(cluster), wanted, clock=SystemClock())
    task = asyncio.ensure_future(made.run())
    await until(lambda: made.phase is not ForwardPhase.STARTING)
    yield made
    task.cancel()
    await asyncio.wait((task,))


async def until(holds: Any) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.02)


async def say(made: Forward, text: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", made.local)
    writer.write(text.encode())
    writer.write_eof()
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    return answer.decode()


@pytest.fixture
def cluster() -> MemoryCluster:
    cluster = MemoryCluster()
    cluster.put("pods", pod("web-1", created="2025-12-31T20:00:00Z"))
    cluster.put("pods", pod("web-2", created="2025-12-31T21:00:00Z"))
    opens(cluster, "web-1")
    opens(cluster, "web-2")
    return cluster


async def test_a_service_leads_to_a_ready_pod_and_counts_what_passes(cluster: MemoryCluster) -> None:
    async with running(cluster, spec()) as made:
        assert await say(made, "ahoy") == "web-1: ahoy"
        await until(lambda: made.open == 0)
        assert (made.served, made.sent, made.received) == (1, 4, 11)


async def test_the_next_connection_goes_to_another_pod_when_the_first_is_gone(cluster: MemoryCluster) -> None:
    async with running(cluster, spec()) as made:
        assert await say(made, "ahoy") == "web-1: ahoy"
        cluster.drop("pods", "default/web-1")
        await until(lambda: made.pod == "web-2")
        assert await say(made, "ahoy") == "web-2: ahoy"


async def test_a_pod_that_refuses_is_passed_over_for_another_ready_one(cluster: MemoryCluster) -> None:
    del cluster.doors["default/web-1"]
    async with running(cluster, spec()) as made:
        assert await say(made, "ahoy") == "web-2: ahoy"


async def test_a_connection_waits_for_a_pod_to_become_ready(cluster: MemoryCluster) -> None:
    cluster.drop("pods", "default/web-1")
    cluster.drop("pods", "default/web-2")
    async with running(cluster, spec()) as made:
        assert made.phase is ForwardPhase.WAITING
        waiting = asyncio.ensure_future(say(made, "ahoy"))
        await asyncio.sleep(0.1)
        cluster.put("pods", pod("web-2"))
        assert await waiting == "web-2: ahoy"
        assert made.phase is ForwardPhase.READY


async def test_a_lost_cluster_is_said_and_the_local_port_outlives_it(cluster: MemoryCluster) -> None:
    async with running(cluster, spec()) as made:
        cluster.cut()
        await until(lambda: made.phase is ForwardPhase.LOST)
        cluster.heal()
        assert await say(made, "ahoy") == "web-1: ahoy"
        await until(lambda: made.phase is ForwardPhase.READY)


async def test_a_taken_port_is_said_and_taken_over_once_it_is_free(cluster: MemoryCluster) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        async with running(cluster, spec(local=other.getsockname()[1])) as made:
            assert made.phase is ForwardPhase.BLOCKED
            other.close()
            await until(lambda: made.phase is ForwardPhase.READY)
            assert await say(made, "ahoy") == "web-1: ahoy"


async def test_what_the_pod_answers_instead_is_kept_to_be_read(cluster: MemoryCluster) -> None:
    opens(cluster, "web-1", error="connection refused")
    async with running(cluster, spec(pod="web-1", label_selector="")) as made:
        assert await say(made, "ahoy") in ("", "web-1: ahoy")
        await until(lambda: made.detail == "port 80: connection refused")


async def test_a_named_port_is_looked_up_in_the_pod_that_answers(cluster: MemoryCluster) -> None:
    named = pod("web-1", created="2025-12-31T20:00:00Z")
    named["spec"]["containers"][0]["ports"][0]["name"] = "http"
    cluster.put("pods", named)
    async with running(cluster, spec(port="http")) as made:
        assert await say(made, "ahoy") == "web-1: ahoy"
