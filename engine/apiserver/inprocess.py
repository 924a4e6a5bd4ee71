"""The API without a network: requests of our own controllers and scheduler straight into the pipe.

Implements apimachinery's Transport, so that a client does not know the difference.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import aiohttp

from apimachinery.client.errors import ConnectionFailed
from apimachinery.client.transport import DEFAULT_TIMEOUT, NO_HEADERS, NO_QUERY, StreamResponse, WebSocket
from apimachinery.client.transport import Query as ClientQuery
from apimachinery.client.transport import Response as ClientResponse
from apimachinery.objects.errors import StatusError
from engine.apiserver.answers import error_response
from engine.apiserver.reach import forwarding
from engine.apiserver.request import Forward, Frame, Handler, NodeLog, Query, Request, Response, User

# What a watcher in the same process may leave unread before its watch ends; it lists again then.
_BACKLOG = 100_000

MASTERS = "system:masters"


def component(name: str) -> User:
    """The identity of a part of the engine, `system:kube-scheduler` and the like."""
    return User(name, (MASTERS, "system:authenticated"))


class InProcessTransport:
    """Requests as one user."""

    def __init__(self, pipe: Handler, user: User) -> None:
        self._pipe = pipe
        self._user = user

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: ClientQuery = NO_QUERY,
        headers: Mapping[str, str] = NO_HEADERS,
        body: bytes | None = None,
        timeout: float | None = DEFAULT_TIMEOUT,
    ) -> ClientResponse:
        """Only answers that come from elsewhere hang on a network: others need no `timeout`."""
        answer = await self._pipe.handle(self._request(method, path, query, headers, body))
        if isinstance(answer, Forward):
            return await _exchanged(answer, method, headers, body, timeout)
        if not isinstance(answer, Response):
            raise ValueError(f"{method} {path} answers with a stream; use stream()")
        return ClientResponse(answer.status, answer.whole(), {"content-type": answer.content_type, **answer.headers})

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        query: ClientQuery = NO_QUERY,
        headers: Mapping[str, str] = NO_HEADERS,
        body: bytes | None = None,
    ) -> AsyncGenerator[StreamResponse]:
        answer = await self._pipe.handle(self._request(method, path, query, headers, body))
        if isinstance(answer, NodeLog):
            raise TypeError("streams of nodes are not served within the process")
        if isinstance(answer, Forward):
            async with _forwarded(answer, method, headers, body) as forwarded:
                yield forwarded
            return
        if isinstance(answer, Response):
            yield _complete(answer)
            return
        sink = _QueueSink()
        try:
            first = answer.start(sink)
        except StatusError as error:
            yield _complete(error_response(error))
            return
        try:
            chunks = sink.chunks([frame.data for frame in first])
            yield StreamResponse(200, {"content-type": answer.content_type}, chunks)
        finally:
            answer.stop()

    async def websocket(
        self,
        path: str,
        *,
        query: ClientQuery = NO_QUERY,
        headers: Mapping[str, str] = NO_HEADERS,
        subprotocols: Sequence[str] = (),
    ) -> WebSocket:
        _ = (path, query, headers, subprotocols)
        raise TypeError("streams of nodes are not served within the process")

    async def close(self) -> None:
        """Nothing is held open."""

    def _request(
        self, method: str, path: str, query: ClientQuery, headers: Mapping[str, str], body: bytes | None
    ) -> Request:
        path, _, inline = path.partition("?")
        pairs = list(query.items()) if isinstance(query, Mapping) else list(query)
        if inline:
            pairs += Query.parse(inline).pairs
        lowered = {name.lower(): value for name, value in headers.items()}
        return Request(method, path, Query(pairs) if pairs else Query(), lowered, body or b"", self._user)


class _QueueSink:
    """Frames into a bounded queue that one reader empties."""

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._ended = False

    def deliver(self, frame: Frame) -> None:
        if len(self._frames) >= _BACKLOG:
            self._ended = True
        if not self._ended:
            self._frames.append(frame.data)
        self._wake.set()

    def end(self) -> None:
        self._ended = True
        self._wake.set()

    async def chunks(self, first: list[bytes]) -> AsyncIterator[bytes]:
        for data in first:
            yield data
        while True:
            while self._frames:
                yield self._frames.popleft()
            if self._ended:
                return
            self._wake.clear()
            await self._wake.wait()


def _complete(answer: Response) -> StreamResponse:
    async def chunks() -> AsyncIterator[bytes]:
        yield answer.whole()

    return StreamResponse(answer.status, {"content-type": answer.content_type, **answer.headers}, chunks())


async def _exchanged(
    forward: Forward, method: str, headers: Mapping[str, str], body: bytes | None, timeout: float | None
) -> ClientResponse:
    try:
        async with asyncio.timeout(timeout), _forwarded(forward, method, headers, body) as answer:
            whole = b"".join([chunk async for chunk in answer.chunks])
            return ClientResponse(answer.status, whole, answer.headers)
    except TimeoutError as error:
        raise ConnectionFailed(f"{forward.path}: no answer in time") from error


@asynccontextmanager
async def _forwarded(
    forward: Forward, method: str, headers: Mapping[str, str], body: bytes | None
) -> AsyncGenerator[StreamResponse]:
    try:
        async with forwarding.exchange(forward, method, headers.items(), body or None) as answer:
            fields = {name.lower(): value for name, value in answer.headers.items()}
            yield StreamResponse(answer.status, fields, _chunks(answer))
    except StatusError as error:
        yield _complete(error_response(error))


async def _chunks(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.content.iter_any():
            yield chunk
    except (aiohttp.ClientError, OSError) as error:
        raise ConnectionFailed(f"the answer broke off: {error}") from error
