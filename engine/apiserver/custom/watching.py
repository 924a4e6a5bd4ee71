"""Watches of a kind that only a webhook can convert: each has a task that converts, in order, what the store tells."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from apimachinery.aio.clock import Clock
from apimachinery.objects.errors import StatusError
from engine.apiserver.custom.converter import Converter
from engine.apiserver.negotiate import Form
from engine.apiserver.registry.kind import Kind
from engine.apiserver.request import Frame, Sink
from engine.apiserver.selection import Selection
from engine.apiserver.versions import expired, too_large
from engine.apiserver.watching import Hub, WatchOptions, frame_of
from engine.store.errors import Compacted, FutureRevision
from engine.store.protocol import Change, Record, Store, Subscription

_MOST_AT_ONCE = 500
_LONGEST_BACKLOG = 20_000


class ConvertingHub(Hub):
    """All watches of one such kind."""

    def __init__(self, kind: Kind, store: Store, clock: Clock, converter: Converter) -> None:
        super().__init__(kind, store, clock)
        self.store = store
        self.converter = converter
        self.streams: set[ConvertedWatch] = set()

    def close(self) -> None:
        super().close()
        for stream in list(self.streams):
            stream.end()

    @property
    def watching(self) -> int:
        return len(self.streams)

    def bookmark(self) -> None:
        for stream in list(self.streams):
            stream.bookmark()

    def frame(self, change: Change, selection: Selection, form: Form, *, headed: bool) -> Frame | None:
        """What a watch is told of a converted change, if anything. `headed`: a Table says what its columns are."""
        event = self.event_of(change, selection)
        return None if event is None else frame_of(event, self.object_of(change, event, form, headed=headed))


class ConvertedWatch:
    """One client's watch (see request.WatchAnswer). Make one with `open_watch`."""

    content_type = "application/json"

    def __init__(
        self,
        hub: ConvertingHub,
        selection: Selection,
        form: Form,
        options: WatchOptions,
        call_later: Callable[[float, Callable[[], None]], object],
    ) -> None:
        self._hub = hub
        self._selection = selection
        self._form = form
        self._options = options
        self._call_later = call_later
        self._sink: Sink | None = None
        self._subscription: Subscription | None = None
        self._task: asyncio.Task[None] | None = None
        self._queue: deque[Change | Frame] = deque()
        self._wake = asyncio.Event()

    def start(self, sink: Sink) -> Iterator[Frame]:
        """Register; all frames come from the task. Raises Expired, Timeout."""
        hub, options, store = self._hub, self._options, self._hub.store
        prefix = self._selection.prefix(hub.kind)
        try:
            if options.initial:
                if options.from_revision > store.revision:
                    raise FutureRevision(options.from_revision, store.revision)
                for record in store.list(prefix).records:
                    self._queue.append(Change(record.revision, record.key, None, record))
                if options.initial_end:
                    self._queue.append(hub.bookmark_frame(self._form, store.revision, initial_end=True))
            self._subscription = store.watch(prefix, 0 if options.initial else options.from_revision, self._on_change)
        except Compacted as error:
            raise expired(error.asked, error.oldest) from error
        except FutureRevision as error:
            raise too_large(error.asked, error.current) from error
        self._sink = sink
        hub.streams.add(self)
        self._wake.set()
        self._task = hub.converter.scope.spawn(f"watch {hub.kind.group_resource}", self._run(sink))
        if options.timeout:
            self._call_later(options.timeout, self.end)
        return iter(())

    def stop(self) -> None:
        self._hub.streams.discard(self)
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._sink = None

    def end(self) -> None:
        """Let the client know that no more comes."""
        if self._sink is not None:
            self._sink.end()

    def bookmark(self) -> None:
        """Tell the client how far it has seen, once it has."""
        if self._options.bookmarks:
            self._put(self._hub.bookmark_frame(self._form, self._hub.store.revision))

    def _on_change(self, change: Change) -> None:
        self._put(change)

    def _put(self, item: Change | Frame) -> None:
        if len(self._queue) >= _LONGEST_BACKLOG:
            # The webhook cannot keep up: the client lists again.
            self.end()
            return
        self._queue.append(item)
        self._wake.set()

    async def _run(self, sink: Sink) -> None:
        headed = True
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                batch = [self._queue.popleft() for _ in range(min(len(self._queue), _MOST_AT_ONCE))]
                try:
                    converted = await self._converted(batch)
                except StatusError as error:
                    sink.deliver(frame_of(b"ERROR", msgspec.json.encode(error.to_status())))
                    sink.end()
                    return
                for item in converted:
                    if isinstance(item, Frame):
                        sink.deliver(item)
                        continue
                    frame = self._hub.frame(item, self._selection, self._form, headed=headed)
                    if frame is not None:
                        sink.deliver(frame)
                        headed = False

    async def _converted(self, batch: list[Change | Frame]) -> list[Change | Frame]:
        records: list[Record] = []
        for item in batch:
            if isinstance(item, Change):
                records += [record for record in (item.before, item.after) if record is not None]
        shown: dict[Record, Any] = dict(
            zip(records, await self._hub.converter.records(self._hub.kind, records), strict=True)
        )
        return [
            item
            if isinstance(item, Frame)
            else Change(
                item.revision,
                item.key,
                None if item.before is None else shown[item.before],
                None if item.after is None else shown[item.after],
            )
            for item in batch
        ]
