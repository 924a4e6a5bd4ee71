"""Port-forward: joins the engine's WebSocket to the runtime's stream server, which enters the pod's network.

Clients ask in one of two ways. kubectl tunnels: the messages hold what it would say to a SPDY server, and go on as
they are. The older channel protocol names its ports in the request, and each gets two channels: data and errors.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog
from aiohttp import WSMsgType, web

from apimachinery.aio.tasks import TaskScope
from apimachinery.objects.errors import BadRequest
from nodeagent.server import spdy, streams

log = structlog.get_logger(__name__)
TUNNEL = "SPDY/3.1+portforward.k8s.io"
PROTOCOLS = (TUNNEL, *streams.PROTOCOLS)
_RUNTIME_PROTOCOL = "portforward.k8s.io"
_ALIVE_SECONDS = 1.0
_CHUNK = 64 * 1024


def asked_ports(texts: Sequence[str]) -> list[int]:
    """The ports of a request in the channel protocol. Raises BadRequest."""
    if not texts:
        raise BadRequest('query parameter "port" is required')
    ports: list[int] = []
    for text in texts:
        if not text.isdecimal():
            raise BadRequest(f'unable to parse "{text}" as a port')
        if not 0 < int(text) < 65536:
            raise BadRequest(f'port "{text}" must be between 1 and 65535')
        ports.append(int(text))
    return ports


async def serve(
    request: web.Request, dial: Callable[[str], Awaitable[streams.Pipe]], alive: Callable[[], bool]
) -> web.WebSocketResponse:
    """Carry bytes until either side leaves or the pod is no longer `alive`. Raises StatusError before it answers."""
    client = web.WebSocketResponse(protocols=PROTOCOLS, max_msg_size=streams.MAX_MESSAGE, heartbeat=30)
    ready = client.can_prepare(request)
    tunnelled = ready.protocol == TUNNEL
    ports = [] if tunnelled else asked_ports(request.query.getall("port", []))
    reader, writer = await dial(_RUNTIME_PROTOCOL)
    try:
        await client.prepare(request)
        async with TaskScope("port-forward") as scope:
            if tunnelled:
                inward = scope.spawn("inward", _into_tunnel(client, writer))
                outward = scope.spawn("outward", _out_of_tunnel(client, reader))
            else:
                channels = Channels(client, writer, ports)
                await channels.open()
                inward = scope.spawn("inward", channels.inward())
                outward = scope.spawn("outward", channels.outward(reader))
            ended = scope.spawn("alive", until_dead(alive))
            await asyncio.wait((inward, outward, ended), return_when=asyncio.FIRST_COMPLETED)
    finally:
        writer.close()
        await client.close()
    return client


async def until_dead(alive: Callable[[], bool]) -> None:
    """Return once the pod is no longer alive."""
    while True:
        await asyncio.sleep(_ALIVE_SECONDS)
        if not alive():
            return


async def _into_tunnel(client: web.WebSocketResponse, writer: asyncio.StreamWriter) -> None:
    try:
        async for message in client:
            if message.type is WSMsgType.BINARY:
                writer.write(message.data)
                await writer.drain()
    except ConnectionError as error:
        log.debug("tunnel ended", error=str(error))


async def _out_of_tunnel(client: web.WebSocketResponse, reader: asyncio.StreamReader) -> None:
    try:
        while chunk := await reader.read(_CHUNK):
            await client.send_bytes(chunk)
    except ConnectionError as error:
        log.debug("tunnel ended", error=str(error))


class Channels:
    """The channel protocol: port number i has its data on channel 2i and its errors on channel 2i + 1."""

    def __init__(self, client: web.WebSocketResponse, writer: asyncio.StreamWriter, ports: Sequence[int]) -> None:
        self._client = client
        self._writer = writer
        self._ports = ports
        self._frames = spdy.Connection()
        self._streams: list[int] = []

    async def open(self) -> None:
        """Ask for every port, and name it to the client on both of its channels."""
        for index, port in enumerate(self._ports):
            about = {"port": str(port), "requestid": str(index)}
            error, error_opening = self._frames.open_stream({"streamtype": "error", **about})
            data, data_opening = self._frames.open_stream({"streamtype": "data", **about})
            # Nobody tells the runtime of errors: that direction is closed at once, as kubectl does.
            self._writer.write(error_opening + self._frames.data(error, b"", last=True) + data_opening)
            self._streams += [data, error]
            for channel in (2 * index, 2 * index + 1):
                await self._client.send_bytes(bytes([channel]) + port.to_bytes(2, "little"))
        await self._writer.drain()

    async def inward(self) -> None:
        try:
            async for message in self._client:
                if message.type is not WSMsgType.BINARY or not message.data:
                    continue
                channel, payload = message.data[0], message.data[1:]
                if channel == streams.CLOSE and payload:
                    await self._send(payload[0], b"", last=True)
                else:
                    await self._send(channel, payload)
        except ConnectionError as error:
            log.debug("port-forward ended", error=str(error))

    async def outward(self, reader: asyncio.StreamReader) -> None:
        """Until the runtime has ended every stream, data and errors in either order, or the connection."""
        going = set(self._streams)
        try:
            while going and (chunk := await reader.read(_CHUNK)):
                for frame in self._frames.receive(chunk):
                    if isinstance(frame, spdy.Data):
                        if frame.payload and frame.stream in self._streams:
                            channel = self._streams.index(frame.stream)
                            await self._client.send_bytes(bytes([channel]) + frame.payload)
                        if frame.last:
                            going.discard(frame.stream)
                    elif isinstance(frame, spdy.Reset):
                        going.discard(frame.stream)
                    elif isinstance(frame, spdy.Reply):
                        self._writer.write(frame.payload)
        except ConnectionError as error:
            log.debug("port-forward ended", error=str(error))

    async def _send(self, channel: int, payload: bytes, *, last: bool = False) -> None:
        if channel < len(self._streams) and channel % 2 == 0:
            self._writer.write(self._frames.data(self._streams[channel], payload, last=last))
            await self._writer.drain()
