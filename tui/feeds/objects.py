"""Whole objects, live: for describe, YAML and rollouts, where a few are shown in full."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from apimachinery.aio.clock import Clock
from apimachinery.client.transport import Transport
from apimachinery.objects.resources import Resource
from tui.feeds.listwatch import ListWatch, Page
from tui.feeds.state import FeedState
from tui.feeds.tables import selectors_query
from tui.feeds.wire import ListMeta, decode_event

JSON = dict[str, Any]


class _List(msgspec.Struct):
    metadata: ListMeta = ListMeta()
    items: list[JSON] | None = None


_list = msgspec.json.Decoder(_List)


class ObjectFeed:
    """Keeps the objects that the selectors choose; `on_change` is called after each change and complete list."""

    def __init__(
        self,
        transport: Transport,
        resource: Resource,
        namespace: str | None = None,
        *,
        clock: Clock,
        name: str = "",
        label_selector: str = "",
        field_selector: str = "",
        on_change: Callable[[], None] = lambda: None,
        on_state: Callable[[FeedState], None] = lambda _: None,
    ) -> None:
        if name:
            field_selector = f"metadata.name={name}"
        self._resource = resource
        self._on_change = on_change
        self._objects: dict[str, JSON] = {}
        self._listed: dict[str, JSON] = {}
        self.synced = False
        self._loop = ListWatch(
            transport,
            resource.path(namespace),
            self,
            clock=clock,
            query=selectors_query(label_selector, field_selector),
            on_state=on_state,
        )

    @property
    def state(self) -> FeedState:
        return self._loop.state

    @property
    def objects(self) -> list[JSON]:
        return list(self._objects.values())

    @property
    def first(self) -> JSON | None:
        return next(iter(self._objects.values()), None)

    def reconnect_now(self) -> None:
        self._loop.reconnect_now()

    async def run(self) -> None:
        await self._loop.run()

    # Sink

    def begin(self) -> None:
        self._listed = {}

    def page(self, body: bytes) -> Page:
        page = _list.decode(body)
        for item in page.items or ():
            self._listed[_uid(item)] = self._typed(item)
        return Page(page.metadata.resource_version, page.metadata.continue_, len(page.items or ()))

    def end(self) -> None:
        self._objects, self._listed = self._listed, {}
        self.synced = True
        self._on_change()

    def event(self, line: bytes) -> str:
        event = decode_event(line)
        obj: JSON = msgspec.json.decode(event.object)
        version = obj["metadata"].get("resourceVersion", "")
        if event.type == "BOOKMARK":
            return version
        if event.type == "DELETED":
            self._objects.pop(_uid(obj), None)
        else:
            self._objects[_uid(obj)] = self._typed(obj)
        self._on_change()
        return version

    def _typed(self, item: JSON) -> JSON:
        # Items of a list need not carry their kind.
        return {"apiVersion": self._resource.api_version, "kind": self._resource.kind, **item}


def _uid(obj: Mapping[str, Any]) -> str:
    meta = obj.get("metadata") or {}
    return meta.get("uid") or f"{meta.get('namespace', '')}/{meta.get('name', '')}"
