"""What watchers and lists showed, and whether it fits what was written: nothing missed, repeated, invented or swapped."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import Expired, StatusError
from apimachinery.objects.resources import CONFIGMAPS
from tests.engine.history import Operation


@dataclass(frozen=True, slots=True)
class Shown:
    """One key as an event or a list showed it."""

    key: str
    revision: int
    value: str


@dataclass(slots=True)
class Segment:
    """An unbroken stretch of watching: every change after `began`, up to the last one shown, belongs to it."""

    began: int
    events: list[Shown] = field(default_factory=list[Shown])

    @property
    def reached(self) -> int:
        return self.events[-1].revision if self.events else self.began


@dataclass(frozen=True, slots=True)
class Listed:
    revision: int
    items: tuple[Shown, ...]


def segment_problems(segment: Segment, history: Iterable[Operation]) -> list[str]:
    """Events missed, repeated, out of order or invented; empty for a watch that kept its word."""
    found: list[str] = []
    known = _Written(history)
    for first, second in itertools.pairwise([Shown("", segment.began, ""), *segment.events]):
        if second.revision <= first.revision:
            found.append(f"{second.key}: event {second.revision} came after {first.revision}")
    shown = {(event.key, event.revision) for event in segment.events}
    found += [
        f"{write.key}: the watch missed {write.value} at {write.revision}"
        for write in known.acknowledged
        if segment.began < write.revision <= segment.reached and (write.key, write.revision) not in shown
    ]
    return found + [text for event in segment.events if (text := known.contradiction(event))]


def list_problems(listed: Listed, history: Iterable[Operation]) -> list[str]:
    """Whether a list shows the state that it says it shows."""
    known = _Written(history)
    found = [text for item in listed.items if (text := known.contradiction(item))]
    items = {item.key: item for item in listed.items}
    newest: dict[str, Operation] = {}
    for write in known.acknowledged:
        if write.revision <= listed.revision:
            newest[write.key] = write
    for key, write in newest.items():
        if key not in items:
            found.append(f"{key}: not in the list at {listed.revision}")
        elif items[key].revision < write.revision:
            found.append(
                f"{key}: {items[key].revision} in the list at {listed.revision}, though {write.revision} was written"
            )
    found += [
        f"{i.key}: {i.revision} in the list at {listed.revision}" for i in listed.items if i.revision > listed.revision
    ]
    return found


class _Written:
    def __init__(self, history: Iterable[Operation]) -> None:
        writes = [operation for operation in history if operation.writes]
        self.acknowledged = sorted((w for w in writes if w.revision), key=lambda w: w.revision)
        self._values = {(w.key, w.revision): w.value for w in self.acknowledged}
        self._unanswered: dict[str, set[str]] = defaultdict(set)
        for write in writes:
            if not write.revision:
                self._unanswered[write.key].add(write.value)

    def contradiction(self, shown: Shown) -> str:
        """Why nobody can have written what was shown; empty when somebody may have."""
        wrote = self._values.get((shown.key, shown.revision))
        if wrote is not None:
            return (
                ""
                if wrote == shown.value
                else f"{shown.key}: {shown.value} shown at {shown.revision}, where {wrote} was written"
            )
        if shown.value in self._unanswered[shown.key] or not shown.value:
            return ""
        return f"{shown.key}: {shown.value} shown at {shown.revision}, which nobody wrote"


@dataclass
class Watcher:
    """Watches the recorder's ConfigMaps through one engine after the other, and goes on where it was cut off."""

    pick: Callable[[int], Client]
    number: int
    segments: list[Segment] = field(default_factory=list[Segment])
    lists: list[Listed] = field(default_factory=list[Listed])
    resumed: int = 0

    async def run(self) -> None:
        """Until cancelled."""
        for turn in itertools.count(self.number):
            try:
                await self._watch(self.pick(turn))
            except Expired:
                self.segments.append(Segment(await self._list(self.pick(turn))))
            except (ConnectionFailed, StatusError, IndexError):
                await asyncio.sleep(0.05)

    async def _watch(self, client: Client) -> None:
        if not self.segments:
            self.segments.append(Segment(await self._list(client)))
        segment = self.segments[-1]
        self.resumed += 1
        async for event in client.watch(CONFIGMAPS, "default", resource_version=str(segment.reached)):
            if event.type in ("ADDED", "MODIFIED"):
                segment.events.append(_shown(event.object))
        await self._list(client)

    async def _list(self, client: Client) -> int:
        page = await client.list(CONFIGMAPS, "default")
        revision = int(page.resource_version)
        items = [_shown(item) for item in page.items]
        self.lists.append(Listed(revision, tuple(item for item in items if item.key.startswith("k"))))
        return revision

    async def list_often(self) -> None:
        """Until cancelled."""
        for turn in itertools.count(self.number):
            with contextlib.suppress(ConnectionFailed, StatusError, IndexError):
                await self._list(self.pick(turn))
            await asyncio.sleep(0.1)

    async def catch_up(self, revision: int) -> None:
        async with asyncio.timeout(20):
            while not self.segments or self.segments[-1].reached < revision:
                await asyncio.sleep(0.05)


def all_problems(watchers: Sequence[Watcher], history: Sequence[Operation]) -> list[str]:
    found = [text for w in watchers for segment in w.segments for text in segment_problems(segment, history)]
    return found + [text for w in watchers for listed in w.lists for text in list_problems(listed, history)]


def _shown(obj: dict[str, object]) -> Shown:
    metadata = obj["metadata"]
    data = obj.get("data") or {}
    assert isinstance(metadata, dict)
    assert isinstance(data, dict)
    return Shown(metadata["name"], int(metadata["resourceVersion"]), data.get("value", ""))
