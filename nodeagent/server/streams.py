"""Exec and attach: joins the engine's WebSocket to the runtime's stream server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import msgspec
import structlog
from aiohttp import WSMsgType, web

from apimachinery.aio.tasks import TaskScope
from apimachinery.objects.errors import InternalError
from nodeagent.server import spdy

log = structlog.get_logger(__name__)
PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
CHUNK = 32 * 1024
MAX_MESSAGE = 4 * 1024 * 1024
Pipe = tuple[asyncio.StreamReader, asyncio.StreamWriter]
SUCCESS = b'{"metadata":{},"status":"Success"}'
"""The last word of a stream that ended well, for runtimes that say nothing then: a client waits for it."""
_NAMES = {ERROR: "error", STDIN: "stdin", STDOUT: "stdout", STDERR: "stderr", RESIZE: "resize"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which streams the client asked for."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool

    def channels(self) -> list[int]:
        """In the order in which the stream server is told of them."""
        chosen = [ERROR]
        chosen += [STDIN] if self.stdin else []
        chosen += [STDOUT] if self.stdout else []
        chosen += [STDERR] if self.stderr and not self.tty else []
        return chosen + ([RESIZE] if self.tty else [])


class Upstream:
    """A connection to the runtime's stream server with one stream for each channel."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, channels: list[int]) -> None:
        self._reader = reader
        self._writer = writer
        self._frames = spdy.Connection()
        self._streams: dict[int, int] = {}
        for channel in channels:
            stream, opening = self._frames.open_stream({"streamtype": _NAMES[channel]})
            self._streams[channel] = stream
            writer.write(opening)
        self._channels = {stream: channel for channel, stream in self._streams.items()}

    async def send(self, channel: int, payload: bytes, *, last: bool = False) -> None:
        """Channels that were not asked for are passed over."""
        stream = self._streams.get(channel)
        if stream is None:
            return
        self._writer.write(self._frames.data(stream, payload, last=last))
        await self._writer.drain()

    async def receive(self) -> list[tuple[int, bytes]] | None:
        """Payloads by channel; None at the end."""
        chunk = await self._reader.read(CHUNK)
        if not chunk:
            return None
        arrived: list[tuple[int, bytes]] = []
        for frame in self._frames.receive(chunk):
            if isinstance(frame, spdy.Data) and frame.payload and frame.stream in self._channels:
                arrived.append((self._channels[frame.stream], frame.payload))
            elif isinstance(frame, spdy.Reply):
                self._writer.write(frame.payload)
        return arrived

    def close(self) -> None:
        self._writer.close()


async def connect(url: str, channels: list[int]) -> Upstream:
    """Open the runtime's one-time URL of a command. Raises InternalError."""
    reader, writer = await dial(url, "v4.channel.k8s.io")
    return Upstream(reader, writer, channels)


async def dial(url: str, protocol: str) -> Pipe:
    """A SPDY connection to the runtime's stream server, past its HTTP handshake. Raises InternalError."""
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    try:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(
            f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
            f"X-Stream-Protocol-Version: {protocol}\r\nContent-Length: 0\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise InternalError(f"error dialing backend: {error}") from error
    status = head.split(b"\r\n", 1)[0].decode(errors="replace")
    if " 101 " not in f"{status} ":
        body = await reader.read(1024)
        writer.close()
        raise InternalError(f"error dialing backend: {status}: {body.decode(errors='replace').strip()}")
    return reader, writer


async def serve(
    request: web.Request, upstream: Upstream, missed: Callable[[], AsyncIterator[tuple[int, bytes]]] | None = None
) -> web.WebSocketResponse:
    """Pass messages both ways until the command has ended or the client has left.

    `missed` gives, by channel, what was said before the client listened; asked when he has heard nothing.
    """
    client = web.WebSocketResponse(protocols=PROTOCOLS, max_msg_size=MAX_MESSAGE, heartbeat=30)
    await client.prepare(request)
    try:
        async with TaskScope("stream") as scope:
            inward = scope.spawn("inward", _inward(client, upstream))
            outward = scope.spawn("outward", _outward(client, upstream, missed))
            await asyncio.wait((inward, outward), return_when=asyncio.FIRST_COMPLETED)
    finally:
        upstream.close()
        await client.close()
    return client


async def _inward(client: web.WebSocketResponse, upstream: Upstream) -> None:
    async for message in client:
        if message.type is WSMsgType.BINARY:
            payload: bytes = message.data
        elif message.type is WSMsgType.TEXT:
            payload = message.data.encode()
        else:
            continue
        if len(payload) >= 2 and payload[0] == CLOSE:
            await upstream.send(payload[1], b"", last=True)
        elif len(payload) > 1:
            await upstream.send(payload[0], payload[1:])


async def _outward(
    client: web.WebSocketResponse,
    upstream: Upstream,
    missed: Callable[[], AsyncIterator[tuple[int, bytes]]] | None,
) -> None:
    heard, word = False, b""
    try:
        while (arrived := await upstream.receive()) is not None:
            for channel, payload in arrived:
                heard = heard or channel in (STDOUT, STDERR)
                if channel == ERROR:
                    # Held back until all is said: a client that has it listens no longer.
                    word += payload
                else:
                    await client.send_bytes(bytes([channel]) + payload)
        if missed is not None and not heard and is_well(word):
            async for channel, payload in missed():
                await client.send_bytes(bytes([channel]) + payload)
        await client.send_bytes(bytes([ERROR]) + (word or SUCCESS))
    except (ConnectionError, RuntimeError) as error:
        log.debug("stream ended", error=str(error))


def is_well(word: bytes) -> bool:
    """Whether a stream's last word, as the runtime put it, tells of no failure; no word at all does not."""
    if not word:
        return True
    try:
        return msgspec.json.decode(word, type=_Word).status == "Success"
    except msgspec.MsgspecError:
        return False


class _Word(msgspec.Struct):
    status: str = ""
