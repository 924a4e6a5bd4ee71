"""Runs the garbage collector: follows every kind that the API serves, those found later too."""

import asyncio
from functools import partial

import structlog

from apimachinery.aio.clock import Clock
from apimachinery.aio.tasks import TaskScope
from apimachinery.client.client import Client
from apimachinery.client.discovery import discover
from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import StatusError
from apimachinery.objects.meta import Object
from apimachinery.objects.resources import Resource
from engine.controllers.controller import Reader, Source, Watch
from engine.controllers.garbagecollector import GarbageCollector
from engine.runtime.caches import Caches
from engine.runtime.runner import Runner

log = structlog.get_logger(__name__)

IGNORED = frozenset([("", "events"), ("events.k8s.io", "events")])
"""Kinds that never own nor are owned and come in floods."""
FIRST_LISTS = 30.0
"""Seconds to wait for the first lists of all kinds. Owners of a kind that takes longer are looked up one by one."""


async def keep_discovering(client: Client, caches: Caches, clock: Clock, seconds: float) -> None:
    """Keep `caches.resources()` current: kinds come and go with CustomResourceDefinitions."""
    while True:
        try:
            caches.discovered(preferred(await discover(client)))
            wait = seconds
        except (StatusError, ConnectionFailed) as error:
            log.info("discovery failed; trying again", error=str(error))
            wait = min(1.0, seconds)
        await clock.sleep(wait)


def preferred(resources: list[Resource]) -> list[Resource]:
    """One version of each kind: the first, as discovery lists them by preference."""
    first: dict[tuple[str, str], Resource] = {}
    for resource in resources:
        first.setdefault((resource.group, resource.plural), resource)
    return list(first.values())


class GarbageRun:
    def __init__(self, collector: GarbageCollector, runner: Runner, caches: Caches) -> None:
        self._collector = collector
        self._runner = runner
        self._caches = caches
        self._known: set[Resource] = set()

    async def run(self) -> None:
        """Work for ever."""
        if not self._caches.resources():
            await self._caches.rediscovered()
        self._follow()
        try:
            async with asyncio.timeout(FIRST_LISTS):
                await self._caches.synced(self._known)
        except TimeoutError:
            waiting = sorted(name for name, lags in self._caches.lagging().items() if lags)
            log.warning("garbage collector starts without some kinds", waiting=waiting)
        async with TaskScope("garbage") as scope:
            scope.spawn("follow", self._keep_following())
            await self._runner.run()

    async def _keep_following(self) -> None:
        while True:
            await self._caches.rediscovered()
            self._follow()

    def _follow(self) -> None:
        fresh = [r for r in self._caches.resources() if _collectable(r) and r not in self._known]
        for resource in fresh:
            self._known.add(resource)
            source = Source(resource, Object)
            self._runner.watch(Watch(source, _no_keys))
            self._caches.follow(source, partial(self._tell, resource))
        if fresh:
            log.info("garbage collector follows", kinds=len(self._known))

    def _tell(self, resource: Resource, old: Object | None, new: Object | None) -> None:
        for uid in self._collector.graph.changed(resource, old, new):
            self._runner.add(uid)


def _collectable(resource: Resource) -> bool:
    return {"list", "watch", "delete"} <= set(resource.verbs) and (resource.group, resource.plural) not in IGNORED


def _no_keys(_obj: Object, _reader: Reader) -> tuple[str, ...]:
    return ()
