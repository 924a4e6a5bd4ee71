"""A local, always current copy of one kind, fed by list and watch."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeVar

import structlog

from apimachinery.aio.backoff import Backoff
from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import Expired, StatusError, TooManyRequests
from apimachinery.objects.meta import Object, key
from apimachinery.objects.resources import Resource
from apimachinery.objects.selectors import Selector

V = TypeVar("V", bound=Object)
Handler = Callable[[V | None, V | None], None]
log = structlog.get_logger(__name__)

PAGE = 1000
WATCH_SECONDS = 600
"""How long one watch may last: a server that died without a word is noticed at the latest then."""


class Informer(Generic[V]):
    """Keeps `view`s of all objects of `resource` that match; `run` feeds it for ever.

    `indexers` name functions from an object to the values under which `by_index` finds it. Handlers given to
    `on_change` are called with (old, new), in order, after the cache holds the change: old is None for a new object,
    new is None for one that is gone. `refine` may put an equal, smaller object in the place of one just received.
    """

    def __init__(
        self,
        client: Client,
        resource: Resource,
        *,
        view: type[V],
        namespace: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
        indexers: Mapping[str, Callable[[V], Iterable[str]]] | None = None,
        refine: Callable[[V], V] | None = None,
    ) -> None:
        self.resource = resource
        self.synced = asyncio.Event()
        self.resource_version = ""
        self._client = client
        self._view = view
        self._namespace = namespace
        self._label_selector = label_selector
        self._field_selector = field_selector
        self._objects: dict[str, V] = {}
        self._indexers = dict(indexers or {})
        self._indexes: dict[str, dict[str, dict[str, V]]] = {name: defaultdict(dict) for name in self._indexers}
        self._refine = refine
        self._handlers: list[Handler[V]] = []
        self.connected = False

    def on_change(self, handler: Handler[V]) -> None:
        """Call `handler` for each change from now on; what is in the cache already is told at once as new."""
        self._handlers.append(handler)
        for obj in list(self._objects.values()):
            handler(None, obj)

    def get(self, name: str, namespace: str = "") -> V | None:
        """The object by name, or by its whole key `namespace/name`."""
        return self._objects.get(f"{namespace}/{name}" if namespace else name)

    def by_index(self, index: str, value: str) -> list[V]:
        return list(self._indexes[index].get(value, {}).values())

    def list(self, namespace: str | None = None, selector: Selector | None = None) -> list[V]:
        return [
            obj
            for obj in self._objects.values()
            if (namespace is None or obj.metadata.namespace == namespace)
            and (selector is None or selector.matches(obj.metadata.labels))
        ]

    def __len__(self) -> int:
        return len(self._objects)

    async def run(self) -> None:
        """List, watch, and start over whenever the server loses us. Ends only by cancellation."""
        backoff = Backoff(initial=0.2, maximum=15.0)
        while True:
            try:
                if not self.resource_version:
                    await self._relist()
                self.connected = True
                await self._watch()
                backoff.reset()
            except Expired:
                self.resource_version = ""
            except (ConnectionFailed, StatusError) as error:
                if isinstance(error, StatusError) and _too_new(error):
                    # The server has gone back behind what we saw: it was restored from a backup.
                    self.resource_version = ""
                if self.connected or backoff.failures == 0:
                    log.info("watch interrupted; trying again", resource=self.resource.qualified, error=str(error))
                self.connected = False
                wait = error.retry_after if isinstance(error, TooManyRequests) else None
                await asyncio.sleep(wait if wait is not None else backoff.next())

    async def _relist(self) -> None:
        listed: dict[str, V] = {}
        continue_, version = "", ""
        while True:
            page = await self._client.list(
                self.resource,
                self._namespace,
                view=self._view,
                label_selector=self._label_selector,
                field_selector=self._field_selector,
                limit=PAGE,
                continue_=continue_,
            )
            items = map(self._refine, page.items) if self._refine is not None else page.items
            listed |= {key(obj): obj for obj in items}
            continue_, version = page.continue_, page.resource_version
            if not continue_:
                break
        for gone in self._objects.keys() - listed.keys():
            self._change(gone, None)
        for name, obj in listed.items():
            old = self._objects.get(name)
            if old is None or old.metadata.resource_version != obj.metadata.resource_version:
                if old is not None and old.metadata.uid != obj.metadata.uid:
                    self._change(name, None)
                self._change(name, obj)
        self.resource_version = version
        self.synced.set()

    async def _watch(self) -> None:
        async for event in self._client.watch(
            self.resource,
            self._namespace,
            view=self._view,
            resource_version=self.resource_version,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
            timeout_seconds=WATCH_SECONDS,
        ):
            obj = event.object if self._refine is None else self._refine(event.object)
            if event.type == "DELETED":
                self._change(key(obj), None, obj)
            elif event.type != "BOOKMARK":
                self._change(key(obj), obj)
            self.resource_version = obj.metadata.resource_version or self.resource_version

    def _change(self, name: str, new: V | None, last: V | None = None) -> None:
        old = self._objects.pop(name, None)
        if old is not None:
            self._unindex(name, old)
        if new is not None:
            self._objects[name] = new
            for index, values_of in self._indexers.items():
                for value in values_of(new):
                    self._indexes[index][value][name] = new
        elif old is None and last is None:
            return
        for handler in self._handlers:
            # On a deletion the last state may be newer than ours: it is what handlers should see.
            handler(last if new is None and last is not None else old, new)

    def _unindex(self, name: str, old: V) -> None:
        for index, values_of in self._indexers.items():
            for value in values_of(old):
                bucket = self._indexes[index].get(value)
                if bucket is not None:
                    bucket.pop(name, None)
                    if not bucket:
                        del self._indexes[index][value]


def _too_new(error: StatusError) -> bool:
    causes: Iterable[Mapping[str, str]] = (error.details or {}).get("causes") or ()
    return any(cause.get("reason") == "ResourceVersionTooLarge" for cause in causes)
