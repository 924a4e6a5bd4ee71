"""A request and its answers, free of any transport: the HTTP server and the in-process transport both speak these."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Protocol
from urllib.parse import parse_qsl

import msgspec

JSON = "application/json"
NO_HEADERS: Mapping[str, str] = MappingProxyType({})

NO_EXTRA: Mapping[str, tuple[str, ...]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class User:
    """Who asks."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: NO_EXTRA, hash=False)


AUTHENTICATED = "system:authenticated"
ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))


class Query:
    """The query string: parsed once, names may repeat."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: Sequence[tuple[str, str]] = ()) -> None:
        self.pairs = pairs

    @staticmethod
    def parse(text: str) -> Query:
        return Query(parse_qsl(text, keep_blank_values=True)) if text else NO_QUERY

    def get(self, name: str) -> str:
        """The first value, empty when there is none."""
        for key, value in self.pairs:
            if key == name:
                return value
        return ""

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.pairs if key == name]

    def flag(self, name: str) -> bool:
        """True for `1`, `true`, or the bare name."""
        for key, value in self.pairs:
            if key == name:
                return value.lower() not in ("false", "0")
        return False

    def __contains__(self, name: object) -> bool:
        return any(key == name for key, _ in self.pairs)


NO_QUERY = Query()


@dataclass(slots=True)
class Request:
    """One request; header names are looked up in lower case."""

    method: str
    path: str
    query: Query = NO_QUERY
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    user: User = ANONYMOUS
    impersonator: User | None = None
    """Who really asks, when `user` is impersonated."""
    audit: dict[str, str] = field(default_factory=dict[str, str])
    """What admission notes about it for the audit log."""

    def header(self, name: str) -> str:
        return self.headers.get(name, "")

    def with_json(self, body: bytes) -> Request:
        """The same request, its body said in JSON."""
        headers = {name.lower(): value for name, value in self.headers.items()} | {"content-type": JSON}
        return replace(self, body=body, headers=headers)


@dataclass(slots=True)
class Response:
    """A complete answer. A long one comes as `pieces`, and then `body` is empty: nobody needs it in one run."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    pieces: Sequence[bytes] = ()

    def whole(self) -> bytes:
        return b"".join(self.pieces) if self.pieces else self.body


class Sink(Protocol):
    """Where a watch's frames go. Never blocks: a sink that cannot keep up closes itself."""

    def deliver(self, frame: Frame) -> None: ...

    def end(self) -> None:
        """No frame comes after this one."""
        ...


class Frame:
    """One encoded watch event, made once for all who get it; `chunk` is the same in HTTP/1.1 chunked framing."""

    __slots__ = ("_chunk", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._chunk = b""

    @property
    def chunk(self) -> bytes:
        if not self._chunk:
            self._chunk = b"%x\r\n%b\r\n" % (len(self.data), self.data)
        return self._chunk


class WatchAnswer(Protocol):
    """An answer that goes on: after `start` every frame is handed to the sink, until `stop` or `sink.end()`."""

    content_type: str

    def start(self, sink: Sink) -> Iterator[Frame]:
        """The frames to send before any that the sink is handed. Raises StatusError."""
        ...

    def stop(self) -> None: ...


@dataclass(slots=True)
class Upgrade:
    """The answer is a conversation with a node: the transport hands its own connection over (see nodes.py)."""

    node: str
    path: str
    query: Query
    stream: str
    """`log`, `exec`, `attach` or `portforward`."""


Answer = Response | WatchAnswer | Upgrade


class Handler(Protocol):
    """What transports hand requests to."""

    async def handle(self, request: Request) -> Answer:
        """The answer to any request; never raises but CancelledError."""
        ...


def json_response(obj: object, status: int = 200, headers: Mapping[str, str] = NO_HEADERS) -> Response:
    return Response(status, msgspec.json.encode(obj), headers=headers)


def text_response(text: str, status: int = 200) -> Response:
    return Response(status, text.encode(), "text/plain; charset=utf-8", {"x-content-type-options": "nosniff"})
