"""Recording Events: in the background; repeated ones counted up, similar ones combined, floods about an object cut off.

The numbers and words are client-go's (tools/record): of events that differ in their message alone the tenth and all
later ones within ten minutes become one; 25 events at once about one object, then one in five minutes.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, replace

import structlog

from apimachinery.aio.clock import Clock
from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import NotFound, StatusError
from apimachinery.objects.meta import format_time
from apimachinery.objects.resources import EVENTS
from engine.controllers.actions import About, Json, Note

log = structlog.get_logger(__name__)

WAITING = 4096
AT_ONCE = 32
"""Events written together: they share the store's commit."""
REMEMBERED = 4096
BURST = 25.0
REFILL_SECONDS = 300.0

SIMILAR = 10
SIMILAR_SECONDS = 600.0
COMBINED = "(combined from similar events): "

_Similarity = tuple[str, str, str, str]
_Sameness = tuple[str, str, str, str, str]


@dataclass(slots=True)
class _Seen:
    name: str
    count: int


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


@dataclass(slots=True)
class _Similar:
    """What differs of events that are alike otherwise, and when the last came."""

    messages: set[str]
    at: float


class Recorder:
    """`run` writes what `record` queued. Events that find the queue full are dropped: they must never hold up work."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._queue: asyncio.Queue[tuple[str, Note]] = asyncio.Queue(WAITING)
        self._seen: OrderedDict[_Sameness, _Seen] = OrderedDict()
        self._buckets: OrderedDict[tuple[str, str], _Bucket] = OrderedDict()
        self._similar: OrderedDict[_Similarity, _Similar] = OrderedDict()
        self._written = 0
        self._dropped = 0

    def record(self, component: str, note: Note) -> None:
        note = self._combined(component, note)
        if not self._allowed(component, note.about):
            return
        try:
            self._queue.put_nowait((component, note))
        except asyncio.QueueFull:
            self._dropped += 1

    async def run(self) -> None:
        while True:
            batch = [await self._queue.get()]
            while len(batch) < AT_ONCE and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            repeated: dict[_Sameness, list[tuple[str, Note]]] = {}
            for component, note in batch:
                repeated.setdefault(_sameness(component, note), []).append((component, note))
            await asyncio.gather(*(self._write_all(equal) for equal in repeated.values()))
            if self._dropped and self._queue.empty():
                log.warning("events dropped: more came than could be written", count=self._dropped)
                self._dropped = 0

    async def _write_all(self, equal: list[tuple[str, Note]]) -> None:
        """Equal events one after the other: each counts on the one before."""
        for component, note in equal:
            try:
                await self._write(component, note)
            except StatusError as error:
                log.debug("event refused", reason=note.reason, object=note.about.name, error=str(error))
            except ConnectionFailed as error:
                log.info("event lost", reason=note.reason, object=note.about.name, error=str(error))

    async def _write(self, component: str, note: Note) -> None:
        same = _sameness(component, note)
        seen = self._seen.get(same)
        namespace = note.about.namespace or "default"
        now = self._clock.now()
        if seen is not None:
            self._seen.move_to_end(same)
            try:
                again: Json = {"count": seen.count + 1, "lastTimestamp": format_time(now)}
                if note.message.startswith(COMBINED):
                    again["message"] = note.message[:1024]
                await self._client.patch(EVENTS, seen.name, again, namespace)
                seen.count += 1
                return
            except NotFound:
                # Events expire.
                pass
        self._written += 1
        name = f"{note.about.name}.{int(now.timestamp() * 1e9) + self._written:x}"
        await self._client.create(EVENTS, event(component, note, name, format_time(now)), namespace)
        self._seen[same] = _Seen(name, 1)
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)

    def _combined(self, component: str, note: Note) -> Note:
        """As it is, or as one of many that are similar."""
        steady = self._clock.monotonic()
        key = component, note.about.uid or note.about.name, note.type, note.reason
        known = self._similar.get(key)
        if known is None or steady - known.at > SIMILAR_SECONDS:
            known = self._similar[key] = _Similar(set(), steady)
            if len(self._similar) > REMEMBERED:
                self._similar.popitem(last=False)
        self._similar.move_to_end(key)
        known.messages.add(note.message)
        known.at = steady
        if len(known.messages) < SIMILAR:
            return note
        known.messages.pop()
        return replace(note, message=COMBINED + note.message)

    def _allowed(self, component: str, about: About) -> bool:
        steady = self._clock.monotonic()
        key = (component, about.uid or about.name)
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(BURST, steady)
            if len(self._buckets) > REMEMBERED:
                self._buckets.popitem(last=False)
        bucket.tokens = min(BURST, bucket.tokens + (steady - bucket.filled_at) / REFILL_SECONDS)
        bucket.filled_at = steady
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True


def _sameness(component: str, note: Note) -> _Sameness:
    # Of combined ones there is one, which bears the last message.
    message = COMBINED if note.message.startswith(COMBINED) else note.message
    return component, note.about.uid or note.about.name, note.type, note.reason, message


def event(component: str, note: Note, name: str, moment: str) -> Json:
    """The core/v1 Event."""
    about = note.about
    involved = {
        "apiVersion": about.api_version,
        "kind": about.kind,
        "namespace": about.namespace,
        "name": about.name,
        "uid": about.uid,
        "resourceVersion": about.resource_version,
    }
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": about.namespace or "default"},
        "involvedObject": {field: value for field, value in involved.items() if value},
        "reason": note.reason,
        "message": note.message[:1024],
        "type": note.type,
        "source": {"component": component},
        "reportingComponent": component,
        "reportingInstance": "",
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "count": 1,
    }
