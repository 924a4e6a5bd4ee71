"""Shared caches: one informer per kind in a process, whoever reads it, and what of its changes has been seen."""

import asyncio
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import structlog

from apimachinery.aio.tasks import TaskScope
from apimachinery.client.client import Client
from apimachinery.client.informer import Informer
from apimachinery.objects.errors import NotFound
from apimachinery.objects.meta import Object
from apimachinery.objects.resources import Resource
from engine.controllers.controller import Source
from engine.runtime.sharing import Pool

T = TypeVar("T", bound=Object)
Change = Callable[[Any, Any], None]
log = structlog.get_logger(__name__)

BY_NAMESPACE = "namespace"


class Caches:
    """Implements `engine.controllers.controller.Reader`. Informers start when they are first asked for."""

    def __init__(self, client: Client, scope: TaskScope) -> None:
        self._client = client
        self._scope = scope
        self._informers: dict[Resource, Informer[Any]] = {}
        self._tasks: dict[Resource, asyncio.Task[None]] = {}
        self._seen: dict[Resource, int] = {}
        self._pool = Pool()
        self._resources: tuple[Resource, ...] = ()
        self._discovery = asyncio.Event()

    # What a controller may read

    def get(self, source: Source[T], key: str) -> T | None:
        return self._informers[source.resource].get(key)

    def list(self, source: Source[T], namespace: str | None = None) -> Iterable[T]:
        informer = self._informers[source.resource]
        return informer.list() if namespace is None else informer.by_index(BY_NAMESPACE, namespace)

    def by_index(self, source: Source[T], index: str, value: str) -> Iterable[T]:
        return self._informers[source.resource].by_index(index, value)

    async def live_get(self, resource: Resource, namespace: str, name: str) -> dict[str, Any] | None:
        try:
            return await self._client.get(resource, name, namespace or None)
        except NotFound:
            return None

    async def live_view(self, source: Source[T], namespace: str, name: str) -> T | None:
        try:
            return await self._client.get(source.resource, name, namespace or None, view=source.view)
        except NotFound:
            return None

    async def live_views(self, source: Source[T], namespace: str) -> Sequence[T]:
        return (await self._client.list(source.resource, namespace or None, view=source.view)).items

    async def live_list(self, resource: Resource, namespace: str) -> Sequence[Object]:
        return (await self._client.list(resource, namespace, view=Object)).items

    def resources(self) -> Iterable[Resource]:
        return self._resources

    # What the runtime does

    def discovered(self, resources: Iterable[Resource]) -> None:
        self._resources = tuple(resources)
        self._discovery.set()
        self._discovery = asyncio.Event()

    async def rediscovered(self) -> None:
        """Wait for the next discovery."""
        await self._discovery.wait()

    def follow(self, source: Source[Any], changed: Change | None = None) -> Informer[Any]:
        """Keep this kind cached, and call `changed(old, new)` for each change after the cache shows it."""
        informer = self._informers.get(source.resource)
        if informer is None:
            informer = self._start(source)
        if changed is not None:
            informer.on_change(changed)
        return informer

    def forget(self, resource: Resource) -> None:
        """Let go of a kind that is served no more."""
        task = self._tasks.pop(resource, None)
        if task is not None:
            task.cancel()
        self._informers.pop(resource, None)
        self._seen.pop(resource, None)

    def follows(self, resource: Resource) -> bool:
        return resource in self._informers

    def peek(self, resource: Resource, key: str) -> Object | None:
        """The cached object of a kind that is followed, in whatever view."""
        informer = self._informers.get(resource)
        return informer.get(key) if informer is not None else None

    def seen(self, resource: Resource) -> int:
        """All changes of the kind up to this revision are in the cache."""
        informer = self._informers.get(resource)
        if informer is None:
            # Let go: nobody will ever see more of it.
            return sys.maxsize
        return max(self._seen.get(resource, 0), _number(informer.resource_version))

    async def synced(self, resources: Iterable[Resource]) -> None:
        """Wait until the first list of each kind is in."""
        await asyncio.gather(*(self._informers[resource].synced.wait() for resource in resources))

    def lagging(self) -> Mapping[str, bool]:
        """Whether each followed kind still waits for its first list, by name."""
        return {informer.resource.qualified: not informer.synced.is_set() for informer in self._informers.values()}

    def _start(self, source: Source[Any]) -> Informer[Any]:
        indexers = {BY_NAMESPACE: _namespace, **source.indexers}
        informer = Informer(
            self._client, source.resource, view=source.view, indexers=indexers, refine=self._pool.shared
        )
        self._informers[source.resource] = informer
        # First of all handlers: when the others run, what they wait for counts as seen.
        informer.on_change(partial(self._note, source.resource))
        self._tasks[source.resource] = self._scope.supervise(f"informer/{source.resource.qualified}", informer.run)
        return informer

    def _note(self, resource: Resource, old: Object | None, new: Object | None) -> None:
        latest = new if new is not None else old
        if latest is not None:
            self._seen[resource] = max(self._seen.get(resource, 0), _number(latest.metadata.resource_version))


def _namespace(obj: Object) -> list[str]:
    return [obj.metadata.namespace]


def _number(revision: str) -> int:
    return int(revision) if revision.isdigit() else 0
