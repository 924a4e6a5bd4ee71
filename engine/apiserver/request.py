"""A request and its answers, free of any transport: the HTTP server and the in-process transport both speak these."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Protocol, TypeVar
from urllib.parse import parse_qsl, urlencode

import msgspec

JSON = "application/json"
P = TypeVar("P", bound=asyncio.Protocol)
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

    __slots__ = ("_text", "pairs")

    def __init__(self, pairs: Sequence[tuple[str, str]] = (), text: str = "") -> None:
        self.pairs = pairs
        self._text = text

    @staticmethod
    def parse(text: str) -> Query:
        return Query(parse_qsl(text, keep_blank_values=True), text) if text else NO_QUERY

    @property
    def text(self) -> str:
        """As it stands in a URL."""
        return self._text or urlencode(self.pairs)

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
UNROUTED = object()


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
    read: Callable[[], Awaitable[bytes]] | None = None
    """Gives the body where it has not come in yet: one that is passed on is never held whole."""
    audit: dict[str, str] = field(default_factory=dict[str, str])
    """What admission notes about it for the audit log."""
    route: object = UNROUTED
    """What engine.apiserver.route found out about the path; ask `routed`."""

    def header(self, name: str) -> str:
        return self.headers.get(name, "")

    async def load(self) -> None:
        """Have the body at hand. Raises StatusError."""
        if self.read is not None:
            read, self.read = self.read, None
            self.body = await read()

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
class NodeLog:
    """The answer is a log, which a node has (see nodes.py)."""

    node: str
    """Empty: there is none yet, and no log."""
    path: str
    query: Query


class Backend(Protocol):
    """The other end of a forwarded request."""

    @property
    def scheme(self) -> str: ...

    @property
    def authority(self) -> str:
        """Host and port as they stand in a URL."""
        ...

    @property
    def prefix(self) -> str:
        """What the backend's own paths begin with."""
        ...

    async def connect(self, factory: Callable[[], P]) -> tuple[asyncio.Transport, P]:
        """A connection, made for this request alone. Raises StatusError, OSError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """The answer is another server's: the transport passes the request on and the answer back (see reach/)."""

    find: Callable[[], Awaitable[Backend]]
    """Raises StatusError, which is the answer then."""
    path: str
    """As it stands in a URL; empty: the root, and GET is told to add the slash."""
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    """Set besides the client's own."""
    prepend: str | None = None
    """What of the client's path stands before the backend's; None: it is the same path, links stay as they are."""
    only_upgrades: bool = False
    refuse_redirects: bool = False
    for_user: bool = False
    """The headers say who asks: nobody else may."""
    plain_errors: bool = False
    """Refusals are text, not Status objects."""
    error_text: str = "error trying to reach service"


Answer = Response | WatchAnswer | NodeLog | Forward


class Handler(Protocol):
    """What transports hand requests to."""

    async def handle(self, request: Request) -> Answer:
        """The answer to any request; never raises but CancelledError."""
        ...


def json_response(obj: object, status: int = 200, headers: Mapping[str, str] = NO_HEADERS) -> Response:
    return Response(status, msgspec.json.encode(obj), headers=headers)


def text_response(text: str, status: int = 200) -> Response:
    return Response(status, text.encode(), "text/plain; charset=utf-8", {"x-content-type-options": "nosniff"})
