"""The HTTPS server: turns connections into requests for the pipe and its answers into bytes.

The only module of the API server that is an HTTP server.
"""

from __future__ import annotations

import asyncio
import ssl
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import structlog
from aiohttp import web

from apimachinery.objects.errors import MethodNotAllowed, StatusError
from engine.apiserver.answers import error_response
from engine.apiserver.authn.authenticator import Authenticator
from engine.apiserver.authn.impersonation import impersonated
from engine.apiserver.authz.attributes import Authorizer
from engine.apiserver.connections import Patience, Server, allow_descriptors
from engine.apiserver.dressing import dressed
from engine.apiserver.flow.control import Flows
from engine.apiserver.incoming import body_of, check_headers, path_of
from engine.apiserver.nodes import NodeProxy
from engine.apiserver.overload import InFlight
from engine.apiserver.reach import forwarding
from engine.apiserver.request import (
    NO_HEADERS,
    NO_QUERY,
    Forward,
    Frame,
    Handler,
    NodeLog,
    Query,
    Request,
    Response,
    User,
    WatchAnswer,
    text_response,
)

log = structlog.get_logger(__name__)

# Below this a client has the answer sooner without compression; upstream's threshold too.
_COMPRESS_FROM = 128 << 10
# What a slow watcher may leave unread before its watch ends.
_WATCH_BUFFER = 8 << 20
_WATCH_BACKLOG = 20_000
# How often a silent watch looks whether its client is still there.
_LIVENESS = 15.0
_WRITE_AT_ONCE = 128 << 10
_FINISH_SECONDS = 1.5


class HttpServer:
    """Use `start` and `stop`; `address` is known after start."""

    def __init__(
        self,
        pipe: Handler,
        authenticator: Authenticator,
        authorizer: Authorizer,
        nodes: NodeProxy,
        *,
        flows: Flows,
        tls: ssl.SSLContext | None,
        passes_on: Callable[[Request], bool],
    ) -> None:
        """`passes_on`: whether a request is most likely one for others, so that its body is not for us to hold."""
        self._pipe = pipe
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._nodes = nodes
        self._flows = flows
        self._tls = tls
        self._passes_on = passes_on
        self.server = Server(self._serve, allow_descriptors())
        self._runner: web.ServerRunner | None = None
        self._watches: set[_HttpSink] = set()
        self.address = ("", 0)
        self.in_flight = InFlight()

    async def start(self, host: str, port: int) -> None:
        """Raises OSError when the address cannot be listened on."""
        self._runner = web.ServerRunner(self.server, shutdown_timeout=2.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, ssl_context=self._tls, backlog=512, reuse_address=True)
        await site.start()
        self.address = self._runner.addresses[0][:2]

    async def stop(self) -> None:
        """End the watches, let running requests finish, close the connections."""
        for sink in list(self._watches):
            sink.end()
        if self._runner is not None:
            for site in self._runner.sites:
                await site.stop()
            await self.server.finish(_FINISH_SECONDS)
            await self._runner.cleanup()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        query, headers = NO_QUERY, NO_HEADERS
        try:
            user = self._identify(request)
            asked = self._asked(request, user)
            query, flow = asked.query, self._flows.of(asked)
            headers = flow.headers
            if not flow.level.enter():
                await flow.level.wait(flow.name)
            try:
                with self.in_flight.place(request.method, user):
                    if asked.read is None:
                        asked.body = await body_of(request, self.server.patience.body)
                    answer = await self._pipe.handle(asked)
            finally:
                flow.level.leave()
            # A client that takes its time to read holds no place.
            if isinstance(answer, Response):
                answer.headers = {**answer.headers, **headers}
                return await _respond(request, answer, query, self.server.patience)
            with self.in_flight.place(request.method, user, lasting=True):
                if isinstance(answer, NodeLog):
                    return await self._nodes.serve(request, answer)
                if isinstance(answer, Forward):
                    return await _forward(request, answer, query, self.server.patience)
                return await self._watch(request, answer, headers)
        except StatusError as error:
            refusal = error_response(error)
            refusal.headers = {**refusal.headers, **headers}
            return await _respond(request, refusal, query, self.server.patience)

    def _identify(self, request: web.BaseRequest) -> User:
        transport = request.transport
        peer = transport.get_extra_info("peercert") if transport is not None else None
        return self._authenticator.identify(peer, request.headers.get("authorization", ""))

    def _asked(self, request: web.BaseRequest, user: User) -> Request:
        """The request without its body. Raises StatusError."""
        if request.method == "CONNECT":
            # What follows would be no body but whatever the two ends agree on: nothing to wait for.
            raise MethodNotAllowed("the server does not allow this method on the requested resource")
        check_headers(request)
        other = impersonated(user, request.headers.items(), self._authorizer)
        path, _, query = path_of(request.raw_path).partition("?")
        asked = Request(request.method, path, Query.parse(query), request.headers, b"", other or user)
        if self._passes_on(asked):
            # Its body flows on to whom it is for, and is ours to read only if it turns out to be for us.
            asked.read = partial(body_of, request, self.server.patience.body)
        if other is not None:
            asked.impersonator = user
        return asked

    async def _watch(
        self, request: web.BaseRequest, watch: WatchAnswer, headers: Mapping[str, str]
    ) -> web.StreamResponse:
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("client went away")
        sink = _HttpSink(transport)
        first = watch.start(sink)
        self._watches.add(sink)
        try:
            response = web.StreamResponse(
                headers={"content-type": watch.content_type, "cache-control": "no-cache, private", **headers}
            )
            response.enable_chunked_encoding()
            await response.prepare(request)
            # An empty write pushes the headers out: the client must know that it watches before anything happens.
            response_started = await _send_first(response, first)
            if response_started:
                await sink.run()
            await response.write_eof()
        except (ConnectionError, ssl.SSLError):
            return web.Response()
        finally:
            self._watches.discard(sink)
            watch.stop()
        return response


class _HttpSink:
    """Frames straight onto the connection, no task in between: one write per watcher and event."""

    __slots__ = ("_backlog", "_ended", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._backlog: list[Frame] | None = []
        self._ended = asyncio.Event()

    def deliver(self, frame: Frame) -> None:
        if self._ended.is_set():
            return
        transport = self._transport
        if self._backlog is not None:
            self._backlog.append(frame)
            if len(self._backlog) > _WATCH_BACKLOG:
                self._drop()
        elif transport.is_closing():
            self.end()
        else:
            transport.write(frame.chunk)
            if transport.get_write_buffer_size() > _WATCH_BUFFER:
                self._drop()

    def end(self) -> None:
        self._ended.set()

    async def run(self) -> None:
        """Send what gathered meanwhile, then live, until the watch or the client ends."""
        backlog, self._backlog = self._backlog or [], None
        if backlog:
            self._transport.write(b"".join([frame.chunk for frame in backlog]))
        while not self._ended.is_set():
            try:
                await asyncio.wait_for(self._ended.wait(), _LIVENESS)
            except TimeoutError:
                if self._transport.is_closing():
                    return

    def _drop(self) -> None:
        log.warning("watcher too slow; dropping it", peer=str(self._transport.get_extra_info("peername")))
        self.end()
        self._transport.abort()


async def _send_first(response: web.StreamResponse, frames: Iterator[Frame]) -> bool:
    pending: list[bytes] = []
    size = 0
    for frame in frames:
        pending.append(frame.data)
        size += len(frame.data)
        if size > _WRITE_AT_ONCE:
            await response.write(b"".join(pending))
            pending, size = [], 0
    await response.write(b"".join(pending))
    return True


async def _forward(request: web.BaseRequest, answer: Forward, query: Query, patience: Patience) -> web.StreamResponse:
    try:
        return await forwarding.serve(request, answer)
    except StatusError as error:
        if not answer.plain_errors:
            raise
        return await _respond(request, text_response(f"{error.message}\n", error.code), query, patience)


async def _respond(request: web.BaseRequest, answer: Response, query: Query, patience: Patience) -> web.StreamResponse:
    answer = await dressed(answer, request.headers, query)
    headers = {"content-type": answer.content_type, "cache-control": "no-cache, private", **answer.headers}
    pieces = answer.pieces or (answer.body,)
    size = sum(map(len, pieces))
    if request.method == "HEAD":
        return web.Response(status=answer.status, headers={**headers, "content-length": str(size)})
    if size >= _COMPRESS_FROM and "gzip" in request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
        headers["vary"] = f"{headers['vary']}, Accept-Encoding" if "vary" in headers else "Accept-Encoding"
        pieces = await asyncio.to_thread(_gzip, pieces, size)
        size = sum(map(len, pieces))
    if size <= _WRITE_AT_ONCE:
        return web.Response(status=answer.status, body=b"".join(pieces), headers=headers)
    response = web.StreamResponse(status=answer.status, headers=headers)
    response.content_length = size
    await response.prepare(request)
    try:
        async with asyncio.timeout(patience.answer):
            # Run by run: encrypting what is still in the processor's cache costs a third, and memory stays flat.
            for run in _runs(pieces, size):
                await response.write(run)
            await response.write_eof()
    except TimeoutError:
        _abort(request)
    return response


def _abort(request: web.BaseRequest) -> None:
    """What was begun cannot be ended otherwise: the client learns of it by losing its connection."""
    if request.transport is not None:
        request.transport.abort()


def _runs(pieces: Sequence[bytes], size: int) -> Iterator[bytes | memoryview]:
    """The pieces, of `size` in all, in runs that are about as long as is good to write at once."""
    count = max(1, len(pieces) * _WRITE_AT_ONCE // max(size, 1))
    for at in range(0, len(pieces), count):
        run = b"".join(pieces[at : at + count])
        if len(run) <= 4 * _WRITE_AT_ONCE:
            yield run
            continue
        view = memoryview(run)
        yield from (view[start : start + _WRITE_AT_ONCE] for start in range(0, len(run), _WRITE_AT_ONCE))


def _gzip(pieces: Sequence[bytes], size: int) -> list[bytes]:
    packer = zlib.compressobj(1, wbits=31)
    packed = [packer.compress(run) for run in _runs(pieces, size)]
    return [run for run in (*packed, packer.flush()) if run]
