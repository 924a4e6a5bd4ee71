"""The loop every feed stands on: paged list, watch, resume, relist on 410, reconnect with back-off."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import msgspec

from apimachinery.aio.backoff import Backoff
from apimachinery.aio.clock import Clock
from apimachinery.client.errors import ConnectionFailed
from apimachinery.client.transport import Transport
from apimachinery.objects.errors import Expired, StatusError
from tui.feeds.state import FeedState, Phase

PAGE = 500
WATCH_SECONDS = 290
"""Asked of the server; shorter than most proxies' idle limit, so that a watch ends in good order."""
SILENCE = 75.0
"""A server sends a bookmark about once a minute: a longer silence is a connection that died without saying so."""


@dataclass(frozen=True, slots=True)
class Page:
    resource_version: str
    continue_: str
    count: int


class Sink(Protocol):
    """What takes the bytes: the loop decides when, the sink what they mean."""

    def begin(self) -> None:
        """A list starts; what is held stays until `end`."""
        ...

    def page(self, body: bytes) -> Page: ...

    def end(self) -> None:
        """The list is complete: whatever it did not name is gone."""
        ...

    def event(self, line: bytes) -> str:
        """One watch event; returns the resource version reached ("" if it names none), raises its ERROR."""
        ...


class ListWatch:
    """Runs until cancelled; `state` tells how it stands and `on_state` hears of each change."""

    def __init__(
        self,
        transport: Transport,
        path: str,
        sink: Sink,
        *,
        clock: Clock,
        accept: str = "application/json",
        query: Mapping[str, str] | None = None,
        on_state: Callable[[FeedState], None] = lambda _: None,
    ) -> None:
        self._transport = transport
        self._path = path
        self._sink = sink
        self._clock = clock
        self._headers = {"Accept": accept}
        self._query = dict(query or {})
        self._on_state = on_state
        self._kick = asyncio.Event()
        self._backoff = Backoff(0.3, 15.0)
        self._synced = False
        self._last_sign = clock.monotonic()
        self._version = ""
        self.state = FeedState(phase=Phase.CONNECTING, since=self._last_sign)

    def reconnect_now(self) -> None:
        """End the wait before the next try (the user asked, or the network came back)."""
        self._kick.set()

    async def run(self) -> None:
        while True:
            try:
                await self._turn()
                self._backoff.reset()
                continue
            except Expired:
                self._version = ""
                continue
            except StatusError as error:
                refused = error.code in (401, 403, 404, 405)
                delay = self._trouble(str(error), error.code, slow=refused)
            except (ConnectionFailed, OSError) as error:
                delay = self._trouble(str(error) or type(error).__name__, 0)
            except msgspec.MsgspecError as error:
                delay = self._trouble(f"the server's answer cannot be read: {error}", 0)
            await self._wait(delay)

    async def _turn(self) -> None:
        if not self._version:
            await self._list()
        await self._watch()

    async def _list(self) -> None:
        self._sink.begin()
        if not self._synced:
            self._set(FeedState(phase=Phase.LOADING, since=self._clock.monotonic()))
        continue_, loaded = "", 0
        while True:
            query = {**self._query, "limit": str(PAGE)} | ({"continue": continue_} if continue_ else {})
            response = await self._transport.request("GET", self._path, query=query, headers=self._headers)
            if response.status != 200:
                raise StatusError.from_status(response.body, response.status)
            page = self._sink.page(response.body)
            self._last_sign = self._clock.monotonic()
            loaded += page.count
            continue_ = page.continue_
            if not continue_:
                break
            if not self._synced:
                self._set(FeedState(phase=Phase.LOADING, since=self._last_sign, loaded=loaded))
        self._sink.end()
        self._synced = True
        self._version = page.resource_version

    async def _watch(self) -> None:
        query = {
            **self._query,
            "watch": "1",
            "resourceVersion": self._version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        async with self._transport.stream("GET", self._path, query=query, headers=self._headers) as response:
            if response.status != 200:
                body = b"".join([chunk async for chunk in response.chunks])
                raise StatusError.from_status(body, response.status)
            self._alive()
            async for line in lines(response.chunks, silence=SILENCE):
                self._version = self._sink.event(line) or self._version
                self._alive()

    def _alive(self) -> None:
        self._last_sign = self._clock.monotonic()
        if self.state.phase is not Phase.LIVE:
            self._set(FeedState(phase=Phase.LIVE, since=self._last_sign))

    def _trouble(self, detail: str, code: int, *, slow: bool = False) -> float:
        delay = max(self._backoff.next(), 5.0 if slow else 0.0)
        now = self._clock.monotonic()
        if slow:
            phase, since = Phase.REFUSED, now
            self._version = ""
        elif self._synced:
            phase, since = Phase.STALE, self._last_sign
        else:
            phase, since = Phase.CONNECTING, now
        self._set(FeedState(phase=phase, since=since, detail=detail, code=code, retry_at=now + delay))
        return delay

    async def _wait(self, delay: float) -> None:
        self._kick.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await self._kick.wait()

    def _set(self, state: FeedState) -> None:
        self.state = state
        self._on_state(state)


async def lines(chunks: AsyncIterator[bytes], *, silence: float | None = None) -> AsyncIterator[bytes]:
    """Splits a byte stream at newlines; a rest without newline at the end is a line too.

    Raises ConnectionFailed after `silence` seconds without a byte.
    """
    rest = b""
    iterator = aiter(chunks)
    while True:
        try:
            # Not wait_for: before Python 3.12 it may swallow a cancellation that meets an arriving chunk.
            async with asyncio.timeout(silence):
                chunk = await anext(iterator)
        except StopAsyncIteration:
            break
        except TimeoutError as error:
            raise ConnectionFailed(f"no sign of life for {silence:.0f} s") from error
        parts = (rest + chunk).split(b"\n") if rest else chunk.split(b"\n")
        rest = parts.pop()
        for part in parts:
            if part:
                yield part
    if rest.strip():
        yield rest
