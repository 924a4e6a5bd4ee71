"""Connections to what answers forwarded requests: a machine's agent, and through it whatever the machine can reach."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import aiohttp
from aiohttp.client_proto import ResponseHandler

from apimachinery.aio import upgraded
from apimachinery.objects.errors import ServiceUnavailable, StatusError
from engine.apiserver.request import Backend

CONNECT_SECONDS = 10.0
_HANDSHAKE_SECONDS = 15.0
P = TypeVar("P", bound=asyncio.Protocol)
Spawn = Callable[[str, Coroutine[Any, Any, None]], object]
"""Starts a task that somebody owns."""


class NodeEndpoint(Protocol):
    """Where a node's agent answers, `https://127.0.0.1:40001`, and the TLS to use towards it."""

    @property
    def base_url(self) -> str: ...

    @property
    def ssl(self) -> ssl.SSLContext: ...


class NodeConnections(Protocol):
    async def endpoint(self, node_name: str) -> NodeEndpoint:
        """Raises ServiceUnavailable when the node is not connected."""
        ...


@dataclass(frozen=True, slots=True)
class _Stream:
    """A connection that may still be given to another protocol: a StreamWriter would end it with its own end."""

    transport: asyncio.Transport
    protocol: asyncio.StreamReaderProtocol
    reader: asyncio.StreamReader

    def pipe(self) -> upgraded.Pipe:
        loop = asyncio.get_running_loop()
        return self.reader, asyncio.StreamWriter(self.transport, self.protocol, self.reader, loop)


class AgentBackend:
    """A node's agent."""

    scheme = "https"

    def __init__(self, endpoint: NodeEndpoint) -> None:
        parts = urlsplit(endpoint.base_url)
        self._host, self._port = parts.hostname or "", parts.port or 443
        self._ssl = endpoint.ssl
        self.authority = parts.netloc
        self.prefix = parts.path

    async def connect(self, factory: Callable[[], P]) -> tuple[asyncio.Transport, P]:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONNECT_SECONDS):
            return await loop.create_connection(factory, self._host, self._port, ssl=self._ssl)


@dataclass(frozen=True, slots=True)
class Tls:
    """How to be sure of the other end; an empty name: that of the address."""

    context: ssl.SSLContext
    server_name: str = ""


class MachineBackend:
    """A TCP endpoint in the cluster, through the first of these machines that can reach it."""

    prefix = ""

    def __init__(
        self, connections: NodeConnections, nodes: Sequence[str], place: tuple[str, int], tls: Tls | None, spawn: Spawn
    ) -> None:
        host, port = place
        self._connections = connections
        self._nodes = nodes
        self._host = host
        self._port = port
        self._tls = tls
        self._spawn = spawn
        self.scheme = "https" if tls is not None else "http"
        self.authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def connect(self, factory: Callable[[], P]) -> tuple[asyncio.Transport, P]:
        stream = await self._dial()
        if self._tls is None:
            return _speaking(stream.transport, factory)
        # TLS within TLS is beyond many event loops: a pair of sockets stands between the two.
        inner, outer = socket.socketpair()
        try:
            self._spawn(self.authority, _carry(outer, stream))
        except BaseException:
            outer.close()
            inner.close()
            stream.transport.abort()
            raise
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await loop.create_connection(
                    factory,
                    sock=inner,
                    ssl=self._tls.context,
                    server_hostname=self._tls.server_name or self._host,
                )
        except BaseException:
            inner.close()
            raise

    async def _dial(self) -> _Stream:
        failed: StatusError | None = None
        for node in self._nodes:
            try:
                return await self._dial_from(node)
            except StatusError as error:
                failed = error
        raise failed or ServiceUnavailable(f"dial tcp {self.authority}: no machine is connected")

    async def _dial_from(self, node: str) -> _Stream:
        agent = AgentBackend(await self._connections.endpoint(node))
        try:
            async with asyncio.timeout(_HANDSHAKE_SECONDS):
                stream = await _streamed(agent)
                try:
                    stream.transport.write(
                        upgraded.head_of(
                            f"GET {agent.prefix}/dial/{self._host}/{self._port} HTTP/1.1",
                            [("Host", agent.authority), ("Connection", "Upgrade"), ("Upgrade", "tcp")],
                        )
                    )
                    status, _, headers = await upgraded.read_head(stream.reader)
                    if status != 101:
                        raise StatusError.from_status(await body_of(stream.reader, headers), status)
                except BaseException:
                    stream.transport.abort()
                    raise
        except TimeoutError as error:
            raise ServiceUnavailable(f"dial tcp {self.authority}: i/o timeout") from error
        except (OSError, ssl.SSLError) as error:
            raise ServiceUnavailable(f'node "{node}" cannot be reached: {error}') from error
        return stream


async def _carry(end: socket.socket, stream: _Stream) -> None:
    there = stream.pipe()
    try:
        here = await asyncio.open_connection(sock=end, limit=upgraded.CHUNK)
        try:
            await upgraded.join(here, there)
        finally:
            here[1].close()
    finally:
        there[1].close()


class OutsideBackend:
    """A host outside of the cluster, by its name."""

    scheme = "https"
    prefix = ""

    def __init__(self, host: str, port: int, tls: Tls) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self.authority = f"{host}:{port}"

    async def connect(self, factory: Callable[[], P]) -> tuple[asyncio.Transport, P]:
        loop = asyncio.get_running_loop()
        name = self._tls.server_name or self._host
        async with asyncio.timeout(CONNECT_SECONDS):
            return await loop.create_connection(
                factory, self._host, self._port, ssl=self._tls.context, server_hostname=name
            )


async def opened(backend: Backend) -> upgraded.Pipe:
    """A connection to talk over by hand."""
    return (await _streamed(backend)).pipe()


async def _streamed(backend: Backend) -> _Stream:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=upgraded.CHUNK, loop=loop)
    transport, protocol = await backend.connect(lambda: asyncio.StreamReaderProtocol(reader, loop=loop))
    return _Stream(transport, protocol, reader)


def _speaking(transport: asyncio.Transport, factory: Callable[[], P]) -> tuple[asyncio.Transport, P]:
    """Another protocol on a connection over which nothing has come yet."""
    protocol = factory()
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    transport.resume_reading()
    return transport, protocol


async def body_of(reader: asyncio.StreamReader, headers: list[tuple[str, str]], *, limit: int = 1 << 20) -> bytes:
    """The body of a short answer. Raises ConnectionError when it ends early or is not short."""
    fields = {name.lower(): value for name, value in headers}
    try:
        if "chunked" in fields.get("transfer-encoding", "").lower():
            return await _unchunked(reader, limit)
        if "content-length" in fields:
            size = int(fields["content-length"])
            if size > limit:
                raise ConnectionResetError("the answer is too long")
            return await reader.readexactly(size)
    except (asyncio.IncompleteReadError, ValueError) as error:
        raise ConnectionResetError("EOF") from error
    return await reader.read(limit)


async def _unchunked(reader: asyncio.StreamReader, limit: int) -> bytes:
    body = b""
    while size := int((await reader.readline()).partition(b";")[0], 16):
        if len(body) + size > limit:
            raise ConnectionResetError("the answer is too long")
        body += await reader.readexactly(size)
        await reader.readline()
    return body


class Connector(aiohttp.BaseConnector):
    """Lets aiohttp's client speak to one backend, whatever host a URL names."""

    def __init__(self, backend: Backend) -> None:
        super().__init__(force_close=True)
        self._backend = backend

    async def _create_connection(
        self, req: aiohttp.ClientRequest, traces: list[aiohttp.tracing.Trace], timeout: aiohttp.ClientTimeout
    ) -> ResponseHandler:
        _ = (req, traces, timeout)
        _, protocol = await self._backend.connect(self._factory)
        return protocol
