"""Logs, exec, attach and port-forward: joins a client's connection to the one of the agent on the pod's node.

Messages pass as they are: agents speak the same channel protocol as clients. Knows how to reach a node only through
`NodeConnections`; the one module here that is an HTTP client.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

import aiohttp
from aiohttp import web

from apimachinery.aio.tasks import TaskScope
from apimachinery.objects.errors import BadRequest, InternalError, ServiceUnavailable, StatusError
from engine.apiserver.request import Upgrade

# The newest first; v5 adds the half-close of stdin.
PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
# What kubectl says to forward ports: its SPDY connection, in the messages of a WebSocket.
TUNNEL = "SPDY/3.1+portforward.k8s.io"

_CONNECT_TIMEOUT = 10.0
_FETCH_TIMEOUT = aiohttp.ClientTimeout(total=8.0)
_LARGEST_MESSAGE = 4 << 20
_REFUSAL_SECONDS = 5.0
_REFUSALS_KEPT = 100


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


class NoConnections:
    """What holds while no links to machines run."""

    async def endpoint(self, node_name: str) -> NodeEndpoint:
        raise ServiceUnavailable(f'node "{node_name}" is not connected')


class _Refusals:
    """Why WebSockets were refused a moment ago.

    A client that is refused one tries the older SPDY at once, which we do not speak, and shows only what that was
    answered: it has to be the true reason. Asking the agent again instead might run the command.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, ...], tuple[float, StatusError]] = OrderedDict()

    def remember(self, upgrade: Upgrade, refusal: StatusError) -> None:
        self._kept[_same(upgrade)] = (time.monotonic() + _REFUSAL_SECONDS, refusal)
        while len(self._kept) > _REFUSALS_KEPT:
            self._kept.popitem(last=False)

    def take(self, upgrade: Upgrade) -> StatusError | None:
        until, refusal = self._kept.pop(_same(upgrade), (0.0, None))
        return refusal if time.monotonic() < until else None


def _same(upgrade: Upgrade) -> tuple[str, ...]:
    return (upgrade.node, upgrade.path, *(f"{key}={value}" for key, value in upgrade.query.pairs))


class NodeProxy:
    """Use as an async context manager."""

    def __init__(self, connections: NodeConnections) -> None:
        self.connections = connections
        self._session: aiohttp.ClientSession | None = None
        self._refusals = _Refusals()

    async def __aenter__(self) -> NodeProxy:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT)
        # One connection per stream: a stream lives as long as somebody looks at it.
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        self._session = aiohttp.ClientSession(
            timeout=timeout, connector=connector, auto_decompress=False, raise_for_status=_raise_refusal
        )
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def fetch(self, node: str, path: str) -> bytes:
        """What the node's agent answers to a GET. Raises StatusError."""
        endpoint, session = await self._reach(node)
        try:
            async with session.get(endpoint.base_url + path, ssl=endpoint.ssl, timeout=_FETCH_TIMEOUT) as answer:
                return await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _unreachable(node, error) from error

    async def serve(self, request: web.BaseRequest, upgrade: Upgrade) -> web.StreamResponse:
        """Raises StatusError before anything has been answered."""
        if upgrade.stream == "log":
            return await self._log(request, upgrade)
        known = (TUNNEL, *PROTOCOLS) if upgrade.stream == "portforward" else PROTOCOLS
        protocol = _choose(request, known)
        if not protocol:
            raise self._refusals.take(upgrade) or BadRequest(
                f"Upgrade request required: WebSocket with {' or '.join(known)}"
            )
        try:
            return await self._channels(request, upgrade, protocol)
        except StatusError as refusal:
            self._refusals.remember(upgrade, refusal)
            raise

    async def _log(self, request: web.BaseRequest, upgrade: Upgrade) -> web.StreamResponse:
        if not upgrade.node:
            return web.Response(body=b"", content_type="text/plain")
        endpoint, session = await self._reach(upgrade.node)
        try:
            async with session.get(
                endpoint.base_url + upgrade.path, params=upgrade.query.pairs, ssl=endpoint.ssl
            ) as source:
                response = web.StreamResponse(headers={"content-type": "text/plain"})
                response.enable_chunked_encoding()
                await response.prepare(request)
                async for chunk in source.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
                return response
        except aiohttp.ClientError as error:
            raise _unreachable(upgrade.node, error) from error

    async def _channels(self, request: web.BaseRequest, upgrade: Upgrade, protocol: str) -> web.StreamResponse:
        endpoint, session = await self._reach(upgrade.node)
        # An agent may know only one of the channel protocols; a tunnel is a tunnel at both ends.
        offered = [protocol, *(other for other in PROTOCOLS if other != protocol)] if protocol != TUNNEL else [TUNNEL]
        try:
            node = await session.ws_connect(
                endpoint.base_url + upgrade.path,
                params=upgrade.query.pairs,
                protocols=offered,
                ssl=endpoint.ssl,
                max_msg_size=_LARGEST_MESSAGE,
            )
        except aiohttp.ClientError as error:
            raise _unreachable(upgrade.node, error) from error
        client = web.WebSocketResponse(protocols=[protocol], max_msg_size=_LARGEST_MESSAGE)
        async with node:
            await client.prepare(request)
            await _join(client, node)
        return client

    async def _reach(self, node: str) -> tuple[NodeEndpoint, aiohttp.ClientSession]:
        if self._session is None:
            raise InternalError("the node proxy is not running")
        return await self.connections.endpoint(node), self._session


async def _raise_refusal(answer: aiohttp.ClientResponse) -> None:
    """Raise what the agent says, for streams and refused WebSocket handshakes alike."""
    if answer.status >= 400:
        raise StatusError.from_status(await answer.read(), answer.status)


def _choose(request: web.BaseRequest, known: Sequence[str]) -> str:
    """The protocol to speak with the client; empty when it asks for none of those known."""
    if request.headers.get("upgrade", "").lower() != "websocket":
        return ""
    asked = [name.strip() for name in request.headers.get("sec-websocket-protocol", "").split(",")]
    return next((protocol for protocol in known if protocol in asked), "")


async def _join(client: web.WebSocketResponse, node: aiohttp.ClientWebSocketResponse) -> None:
    """Pass messages both ways until either side ends."""
    async with TaskScope("channels") as scope:
        toward_node = scope.spawn("toward-node", _pump(client, node))
        toward_client = scope.spawn("toward-client", _pump(node, client))
        await asyncio.wait((toward_node, toward_client), return_when=asyncio.FIRST_COMPLETED)
        if toward_client.done() and not toward_node.done():
            await client.close()
    await client.close()


async def _pump(
    source: web.WebSocketResponse | aiohttp.ClientWebSocketResponse,
    target: web.WebSocketResponse | aiohttp.ClientWebSocketResponse,
) -> None:
    try:
        async for message in source:
            if message.type is aiohttp.WSMsgType.BINARY:
                await target.send_bytes(message.data)
            elif message.type is aiohttp.WSMsgType.TEXT:
                await target.send_str(message.data)
    except (ConnectionError, aiohttp.ClientError):
        # Either end may go away at any time; that is the end of the conversation.
        return


def _unreachable(node: str, error: Exception) -> ServiceUnavailable:
    return ServiceUnavailable(f'error dialing backend: node "{node}" cannot be reached: {error}')
