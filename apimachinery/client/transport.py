"""The seam between the client and whatever carries its requests: HTTPS, or a call within the process."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

Query = Mapping[str, str] | Sequence[tuple[str, str]]
NO_QUERY: tuple[tuple[str, str], ...] = ()
NO_HEADERS: Mapping[str, str] = {}

DEFAULT_TIMEOUT = 30.0
"""Seconds that a plain request may take; streams have no limit of their own."""


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer. Header names are lower-case."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class StreamResponse:
    """An answer whose body arrives bit by bit; `chunks` may be cut anywhere."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


class WebSocket(Protocol):
    """A two-way stream of binary messages; `protocol` is the subprotocol that the server chose."""

    protocol: str

    async def send(self, message: bytes) -> None: ...

    async def receive(self) -> bytes | None:
        """The next message, or None once the other side has closed."""
        ...

    async def close(self) -> None: ...


class Transport(Protocol):
    """Carries requests. Raises ConnectionFailed; answers of any HTTP status are returned, not raised."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query = NO_QUERY,
        headers: Mapping[str, str] = NO_HEADERS,
        body: bytes | None = None,
        timeout: float | None = DEFAULT_TIMEOUT,
    ) -> Response: ...

    def stream(
        self,
        method: str,
        path: str,
        *,
        query: Query = NO_QUERY,
        headers: Mapping[str, str] = NO_HEADERS,
        body: bytes | None = None,
    ) -> AbstractAsyncContextManager[StreamResponse]: ...

    async def websocket(
        self,
        path: str,
        *,
        query: Query = NO_QUERY,
        headers: Mapping[str, str] = NO_HEADERS,
        subprotocols: Sequence[str] = (),
    ) -> WebSocket:
        """Open a WebSocket. A refusal by the server is raised as StatusError."""
        ...

    async def close(self) -> None: ...
