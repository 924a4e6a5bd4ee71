"""The API without a network: requests of our own controllers and scheduler straight into the pipe.

Implements apimachinery's Transport, so that a client does not know the difference.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from apimachinery.client.transport import DEFAULT_TIMEOUT, NO_HEADERS, NO_QUERY, StreamResponse, WebSocket
from apimachinery.client.transport import Query as ClientQuery
from apimachinery.client.transport import Response as ClientResponse
from apimachinery.objects.errors import StatusError
from engine.apiserver.answers import error_response
from engine.apiserver.request import Frame, Handler, Query, Request, Response, Upgrade, User

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
        """Answers never hang on a network, so `timeout` has nothing to guard."""
        _ = timeout
        answer = await self._pipe.handle(self._request(method, path, query, headers, body))
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
        if isinstance(answer, Upgrade):
            raise TypeError("streams of nodes are not served within the process")
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
