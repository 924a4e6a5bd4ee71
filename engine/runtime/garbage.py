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
DEFINITIONS = ("apiextensions.k8s.io", "customresourcedefinitions")
_SETTLE = 0.1
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


async def discover_on_change(client: Client, caches: Caches, clock: Clock, defined: asyncio.Event) -> None:
    """Look again as soon as a CustomResourceDefinition changes, so that its objects are collected from the first on."""
    while True:
        await defined.wait()
        defined.clear()
        # A definition changes a few times until its API is there.
        await clock.sleep(_SETTLE)
        caches.discovered(preferred(await discover(client)))


def preferred(resources: list[Resource]) -> list[Resource]:
    """One version of each kind: the first, as discovery lists them by preference."""
    first: dict[tuple[str, str], Resource] = {}
    for resource in resources:
        first.setdefault((resource.group, resource.plural), resource)
    return list(first.values())


class GarbageRun:
    """`defined` is set whenever a CustomResourceDefinition changes."""

    def __init__(self, collector: GarbageCollector, runner: Runner, caches: Caches, defined: asyncio.Event) -> None:
        self._defined = defined
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
            before = set(self._known)
            self._follow()
            fresh = self._known - before
            if fresh:
                await self._meet(fresh)

    async def _meet(self, fresh: set[Resource]) -> None:
        """Look again at what waits for owners of these kinds: they may have come and gone before we looked."""
        try:
            async with asyncio.timeout(FIRST_LISTS):
                await self._caches.synced(fresh)
        except TimeoutError:
            log.warning("lists of new kinds take long", kinds=sorted(one.qualified for one in fresh))
        for uid in self._collector.graph.waifs():
            self._runner.add(uid)

    def _follow(self) -> None:
        fresh = [r for r in self._caches.resources() if _collectable(r) and r not in self._known]
        for resource in fresh:
            self._known.add(resource)
            source = Source(resource, Object)
            self._runner.watch(Watch(source, _no_keys))
            self._caches.follow(source, partial(self._tell, resource))
        self._let_go()
        if fresh:
            log.info("garbage collector follows", kinds=len(self._known))

    def _let_go(self) -> None:
        """Stop to follow kinds of users' that the API serves no more."""
        served = set(self._caches.resources())
        for resource in [known for known in self._known if known not in served and "." in known.group]:
            self._known.discard(resource)
            self._caches.forget(resource)

    def _tell(self, resource: Resource, old: Object | None, new: Object | None) -> None:
        if (resource.group, resource.plural) == DEFINITIONS:
            self._defined.set()
        for uid in self._collector.graph.changed(resource, old, new):
            self._runner.add(uid)


def _collectable(resource: Resource) -> bool:
    return {"list", "watch", "delete"} <= set(resource.verbs) and (resource.group, resource.plural) not in IGNORED


def _no_keys(_obj: Object, _reader: Reader) -> tuple[str, ...]:
    return ()
