"""Asks all machines at once, keeps the answers for a while, and puts the group's objects together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

import msgspec
import structlog

from apimachinery.aio.clock import Clock
from apimachinery.objects.errors import StatusError
from apimachinery.objects.meta import Object
from engine.apiserver.usage import reckoning
from engine.apiserver.usage.exposition import Scrape, parse
from engine.store.protocol import Record

log = structlog.get_logger(__name__)
KEPT_SECONDS = 10.0
RETRY_SECONDS = 2.0
"""How soon machines are asked again when one did not answer."""
FIRST_WINDOW = 1.0
"""Seconds between the two readings of a machine that nobody asked about lately."""
PATH = "/metrics/resource"

Fetch = Callable[[str, str], Awaitable[bytes]]
"""(node, path) -> what its agent answers. Raises StatusError."""


class PodSpec(msgspec.Struct, frozen=True, rename="camel"):
    node_name: str = ""


class PodView(Object, frozen=True, rename="camel"):
    """What is needed of a Pod."""

    spec: PodSpec = PodSpec()


class UsageServer:
    """`nodes` and `pods` give the objects as they stand; of machines that cannot be reached there are none."""

    def __init__(
        self,
        fetch: Fetch,
        clock: Clock,
        nodes: Callable[[], Iterable[Record]],
        pods: Callable[[str], Iterable[Record]],
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._nodes = nodes
        self._pods = pods
        self._scrapes: dict[str, tuple[Scrape, Scrape]] = {}  # by node: before, after
        self._fresh_until = float("-inf")
        self._asking = asyncio.Lock()

    async def of_nodes(self) -> list[Record]:
        nodes = [msgspec.json.decode(record.value, type=Object) for record in self._nodes()]
        await self._look([node.metadata.name for node in nodes])
        found: list[Record] = []
        for node in nodes:
            before, after = self._scrapes.get(node.metadata.name, (None, None))
            used = reckoning.usage(before.node, after.node) if before is not None and after is not None else None
            if used is not None:
                metrics = reckoning.node_metrics(node.metadata.name, node.metadata.labels, used)
                found.append(_record(node.metadata.name, metrics))
        return found

    async def of_pods(self, namespace: str) -> list[Record]:
        """Those of one namespace, or all."""
        await self._look([msgspec.json.decode(record.value, type=Object).metadata.name for record in self._nodes()])
        used = self._containers()
        found: list[Record] = []
        for record in self._pods(namespace):
            meta = msgspec.json.decode(record.value, type=PodView).metadata
            measured = used.get((meta.namespace, meta.name))
            if measured:
                metrics = reckoning.pod_metrics(meta.namespace, meta.name, meta.labels, measured)
                found.append(_record(f"{meta.namespace}/{meta.name}", metrics))
        return found

    def _containers(self) -> dict[tuple[str, str], dict[str, reckoning.Usage]]:
        by_pod: dict[tuple[str, str], dict[str, reckoning.Usage]] = {}
        for before, after in self._scrapes.values():
            for (namespace, pod, container), reading in sorted(after.containers.items()):
                used = reckoning.usage(before.containers.get((namespace, pod, container)), reading)
                if used is not None:
                    by_pod.setdefault((namespace, pod), {})[container] = used
        return by_pod

    async def _look(self, nodes: Sequence[str]) -> None:
        """Make the scrapes at most KEPT_SECONDS old."""
        async with self._asking:
            if self._clock.monotonic() < self._fresh_until:
                return
            pairs = await asyncio.gather(*(self._measure(node) for node in nodes))
            self._scrapes = {node: pair for node, pair in zip(nodes, pairs, strict=True) if pair is not None}
            kept = KEPT_SECONDS if all(pairs) else RETRY_SECONDS
            self._fresh_until = self._clock.monotonic() + kept

    async def _measure(self, node: str) -> tuple[Scrape, Scrape] | None:
        try:
            after = parse((await self._fetch(node, PATH)).decode())
            _, before = self._scrapes.get(node, (None, None))
            if before is None or not reckoning.worth_comparing(before, after.node.at):
                before = after
                await self._clock.sleep(FIRST_WINDOW)
                after = parse((await self._fetch(node, PATH)).decode())
        except StatusError as error:
            log.debug("machine not measured", node=node, error=str(error))
            return None
        return before, after


def _record(key: str, metrics: reckoning.Json) -> Record:
    return Record(key, msgspec.json.encode(metrics), 0)
