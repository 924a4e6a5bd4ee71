"""Controllers whose view of the API is late, broken, or has to be built anew."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from apimachinery.client.errors import ConnectionFailed
from apimachinery.client.transport import Response, StreamResponse, Transport
from apimachinery.objects.errors import Expired
from apimachinery.objects.resources import DEPLOYMENTS, PODS, REPLICASETS
from tests.engine.conftest import RunningEngine
from tests.engine.runtime.cluster import deployment, eventually, running


class Worse:
    """A connection over which each watched chunk takes `delay` seconds, watches break, and answers get lost.

    `expired` breaks end so that the client has to list again; lost answers are lost after the request took effect.
    """

    def __init__(
        self, inner: Transport, *, delay: float = 0, breaks: float = 0, lost: float = 0, seed: int = 1
    ) -> None:
        self._inner = inner
        self._delay = delay
        self._breaks = breaks
        self._lost = lost
        self._random = random.Random(seed)
        self.broken = 0

    async def request(self, method: str, path: str, **facts: Any) -> Response:
        answer = await self._inner.request(method, path, **facts)
        if method != "GET" and self._random.random() < self._lost:
            raise ConnectionFailed("the answer was lost")
        return answer

    @asynccontextmanager
    async def stream(self, method: str, path: str, **facts: Any) -> AsyncGenerator[StreamResponse]:
        query: Mapping[str, str] = facts.get("query") or {}
        if "watch" in query and self._random.random() < self._breaks:
            self.broken += 1
            yield StreamResponse(410, {}, self._one(Expired("too old resource version").to_status()))
            return
        async with self._inner.stream(method, path, **facts) as answer:
            yield StreamResponse(answer.status, answer.headers, self._late(answer.chunks))

    async def websocket(self, path: str, **facts: Any) -> Any:
        return await self._inner.websocket(path, **facts)

    async def close(self) -> None:
        await self._inner.close()

    async def _one(self, status: Any) -> AsyncIterator[bytes]:
        yield msgspec.json.encode(status)

    async def _late(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            if self._delay:
                await asyncio.sleep(self._delay)
            if self._random.random() < self._breaks:
                self.broken += 1
                return
            yield chunk


async def test_late_caches_never_make_a_pod_twice(engine: RunningEngine) -> None:
    created: set[str] = set()
    async with running(engine.api, wrap=lambda inner: Worse(inner, delay=0.02)) as cluster:

        async def count() -> None:
            page = await cluster.client.list(PODS)
            async for event in cluster.client.watch(PODS, resource_version=page.resource_version):
                if event.type == "ADDED":
                    created.add(event.object["metadata"]["uid"])

        cluster.scope.spawn("count", count())
        await cluster.client.create(DEPLOYMENTS, deployment(replicas=12))
        await cluster.rolled_out(timeout=30)
        assert len(created) == 12
        assert len(await cluster.items(REPLICASETS)) == 1


@pytest.mark.parametrize("seed", [1, 2])
async def test_broken_watches_and_lost_answers_end_in_the_same_cluster(engine: RunningEngine, seed: int) -> None:
    worse: list[Worse] = []

    def wrap(inner: Transport) -> Transport:
        worse.append(Worse(inner, breaks=0.15, lost=0.05, seed=seed))
        return worse[-1]

    async with running(engine.api, wrap=wrap) as cluster:
        await cluster.client.create(DEPLOYMENTS, deployment(replicas=10))
        await cluster.rolled_out(timeout=40)
        await cluster.set_image("nginx:2")
        await cluster.rolled_out(timeout=40)

        async def exact() -> bool:
            return len(await cluster.active_pods()) == 10

        await eventually(exact)
        assert sum(one.broken for one in worse) > 5
