"""Follows the logs of many containers: pods join and leave, broken streams resume where they stood, nothing is dropped.

A reader that is ahead of the screen waits (back-pressure down to the server); no line is thrown away to keep up.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from apimachinery.aio.backoff import Backoff
from apimachinery.aio.tasks import TaskScope
from apimachinery.client.errors import ConnectionFailed
from apimachinery.client.transport import Transport
from apimachinery.objects.errors import StatusError
from apimachinery.objects.resources import PODS
from tui.feeds.logring import NOTE, LogLine

JSON = Mapping[str, Any]
PENDING_LIMIT = 8_000
"""Lines that wait for the screen: what one repaint takes in must not keep keys waiting."""
MOST_SOURCES = 64
"""Containers that are followed at once, each by a connection of its own."""


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """One container of one pod."""

    namespace: str
    pod: str
    container: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery:
    """How far back to start: `tail` lines or `since` seconds (0: not so limited)."""

    tail: int = 1000
    since: int = 0
    previous: bool = False


def started_sources(pods: list[JSON], container: str = "") -> list[Source]:
    """The containers that have anything to tell: running or ended, init containers first."""
    found: list[Source] = []
    for pod in pods:
        meta, status = pod.get("metadata") or {}, pod.get("status") or {}
        for group in ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"):
            for one in status.get(group) or ():
                state, last = one.get("state") or {}, one.get("lastState") or {}
                told = "running" in state or "terminated" in state or "terminated" in last
                if told and container in ("", one["name"]):
                    found.append(Source(meta.get("namespace", ""), meta.get("name", ""), one["name"]))
    return found


NORMAL = 30
"""Characters of a stamp with nine decimals and Z."""


def normal_stamp(stamp: str) -> str:
    """RFC 3339 with nine decimals and Z, so that stamps compare as texts. Anything else comes back as it is."""
    if not stamp.endswith("Z"):
        return stamp
    whole, _, fraction = stamp[:-1].partition(".")
    return f"{whole}.{fraction:0<9}Z"


@dataclass(slots=True)
class Resume:
    """Where a stream stood: lines up to `stamp` were seen, `same` of them with exactly that stamp."""

    stamp: str = ""
    same: int = 0
    _replayed: int = field(default=0, init=False)

    def reconnected(self) -> None:
        self._replayed = 0

    def is_new(self, stamp: str) -> bool:
        """Whether a line with this stamp has not been seen; remembers it if so."""
        if not stamp or stamp > self.stamp:
            if stamp:
                self.stamp, self.same, self._replayed = stamp, 1, 1
            return True
        if stamp < self.stamp:
            return False
        self._replayed += 1
        if self._replayed <= self.same:
            return False
        self.same = self._replayed
        return True


class LogFeed:
    """`sources` are numbered in the order they came; lines name them by that number."""

    def __init__(
        self,
        transport: Transport,
        query: LogQuery,
        *,
        on_pending: Callable[[], None] = lambda: None,
        pending_limit: int = PENDING_LIMIT,
    ) -> None:
        self._pending_limit = pending_limit
        self._transport = transport
        self._query = query
        self._on_pending = on_pending
        self._pending: list[LogLine] = []
        self._room = asyncio.Event()
        self._room.set()
        self._wanted: set[Source] = set()
        self._wanted_changed = asyncio.Event()
        self._tasks: dict[Source, asyncio.Task[None]] = {}
        self._finished: set[Source] = set()
        self.sources: list[Source] = []
        self.troubles: dict[Source, str] = {}

    @property
    def following(self) -> int:
        return len(self._tasks)

    def want(self, sources: list[Source]) -> None:
        """Follow exactly these from now on."""
        self._wanted = set(sources)
        self._finished &= self._wanted
        self._wanted_changed.set()

    def take(self) -> list[LogLine]:
        """The lines since the last call, by time."""
        taken, self._pending = self._pending, []
        self._room.set()
        if len(self.sources) > 1:
            taken.sort(key=_by_stamp)
        return taken

    async def run(self) -> None:
        async with TaskScope("logs") as scope:
            while True:
                await self._wanted_changed.wait()
                self._wanted_changed.clear()
                for source in list(self._tasks):
                    if source not in self._wanted:
                        self._tasks.pop(source).cancel()
                        self._note(f"{source.pod} {source.container} left")
                for source in sorted(self._wanted):
                    if source not in self._tasks and source not in self._finished:
                        self._start(scope, source)

    def _start(self, scope: TaskScope, source: Source) -> None:
        if source not in self.sources:
            if self.sources:
                self._note(f"{source.pod} {source.container} joined")
            self.sources.append(source)
        number = self.sources.index(source)
        self._tasks[source] = scope.spawn(f"{source.pod}/{source.container}", self._follow(source, number))

    async def _follow(self, source: Source, number: int) -> None:
        resume, backoff = Resume(), Backoff(0.5, 10.0)
        while True:
            try:
                before = resume.stamp
                await self._stream(source, number, resume)
                if self._query.previous:
                    break
                if resume.stamp != before:
                    backoff.reset()
                self.troubles.pop(source, None)
            except StatusError as error:
                if error.code in (403, 404) or self._query.previous:
                    self._note(str(error))
                    break
                self.troubles[source] = str(error)
            except (ConnectionFailed, OSError) as error:
                self.troubles[source] = str(error)
                self._on_pending()
            await asyncio.sleep(backoff.next())
        self._finished.add(source)
        self._tasks.pop(source, None)

    async def _stream(self, source: Source, number: int, resume: Resume) -> None:
        resume.reconnected()
        path = PODS.path(source.namespace, source.pod, "log")
        async with self._transport.stream("GET", path, query=self._parameters(source, resume)) as answer:
            if answer.status != 200:
                raise StatusError.from_status(b"".join([chunk async for chunk in answer.chunks]), answer.status)
            self.troubles.pop(source, None)
            async for batch in _batches(answer.chunks):
                for line in batch:
                    stamp, _, text = line.partition(" ")
                    if len(stamp) != NORMAL:
                        stamp = normal_stamp(stamp)
                    if resume.is_new(stamp):
                        if len(self._pending) >= self._pending_limit:
                            await self._has_room()
                        self._pending.append(LogLine(number, stamp, text))
                        if len(self._pending) == 1:
                            self._on_pending()

    def _parameters(self, source: Source, resume: Resume) -> dict[str, str]:
        query = {"container": source.container, "timestamps": "true"}
        query["follow"] = "false" if self._query.previous else "true"
        if self._query.previous:
            query["previous"] = "true"
        if resume.stamp:
            # The server reads whole seconds; what it repeats of that second is recognised and left out.
            query["sinceTime"] = f"{resume.stamp[:19]}Z"
        elif self._query.since:
            query["sinceSeconds"] = str(self._query.since)
        if self._query.tail and not resume.stamp:
            query["tailLines"] = str(self._query.tail)
        return query

    async def _has_room(self) -> None:
        while len(self._pending) >= self._pending_limit:
            self._room.clear()
            await self._room.wait()

    def _note(self, text: str) -> None:
        self._pending.append(LogLine(NOTE, "", text))
        self._on_pending()


async def _batches(chunks: AsyncIterator[bytes]) -> AsyncIterator[list[str]]:
    """The whole lines of each chunk, together: one at a time they cost more than what is done with them."""
    rest = b""
    async for chunk in chunks:
        whole, newline, rest = (rest + chunk).rpartition(b"\n")
        if newline:
            yield _lines(whole)
    if rest.strip():
        yield _lines(rest)


def _lines(text: bytes) -> list[str]:
    lines = text.decode("utf-8", "replace").split("\n")
    # An empty line is no line of a log: even one without text has its time.
    return [line.rstrip("\r") for line in lines if line] if b"\r" in text else [line for line in lines if line]


def _by_stamp(line: LogLine) -> str:
    return line.stamp
