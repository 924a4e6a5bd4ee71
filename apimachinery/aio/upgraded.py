"""A connection after the HTTP on it is over: bytes both ways, whatever protocol they are of.

For servers of aiohttp, which by itself lets nothing but a WebSocket follow a request.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager

from aiohttp import web

from apimachinery.aio.tasks import TaskScope

Pipe = tuple[asyncio.StreamReader, asyncio.StreamWriter]
CHUNK = 64 << 10
_LARGEST_HEAD = 64 << 10


@asynccontextmanager
async def taken_over(request: web.BaseRequest, head: bytes) -> AsyncIterator[Pipe]:
    """Answer with `head` and hold the client's connection, which is closed in the end; then return `gone()`.

    The client must wait for the answer before it says anything in the new protocol, as upgrades demand.
    Raises ConnectionResetError when the client is gone already.
    """
    transport, former = request.transport, request.protocol
    if transport is None or transport.is_closing():
        raise ConnectionResetError("client went away")
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=CHUNK, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    writer = asyncio.StreamWriter(transport, protocol, reader, loop)
    try:
        transport.resume_reading()
        writer.write(head)
        yield reader, writer
    finally:
        writer.close()
        # The server's own protocol hears nothing of the connection any more: this is its end for it.
        former.connection_lost(None)


def gone() -> web.Response:
    """What a handler returns after `taken_over`: nobody reads it."""
    return web.Response()


async def join(one: Pipe, other: Pipe, ended: Callable[[], Awaitable[None]] | None = None) -> None:
    """Carry bytes both ways until one side is done, or `ended` returns. What was read before is written before."""
    async with TaskScope("join") as scope:
        ways = [scope.spawn("there", copy(one[0], other[1])), scope.spawn("back", copy(other[0], one[1]))]
        if ended is not None:
            ways.append(scope.spawn("ended", _wait(ended)))
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)


async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Until the source ends or either connection breaks, which is an end like any other."""
    try:
        while chunk := await source.read(CHUNK):
            target.write(chunk)
            await target.drain()
    except (ConnectionError, TimeoutError, ssl.SSLError):
        return


async def _wait(ended: Callable[[], Awaitable[None]]) -> None:
    await ended()


def head_of(status_line: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """The first lines of a request or an answer. Raises ValueError for text that would be more than it says."""
    lines = [status_line, *(f"{name}: {value}" for name, value in headers)]
    if any("\r" in line or "\n" in line or "\0" in line for line in lines):
        raise ValueError("a line break within a header")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")


async def read_head(reader: asyncio.StreamReader) -> tuple[int, str, list[tuple[str, str]]]:
    """(status, reason, headers) of an answer. Raises ConnectionError when that is not what comes."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        raise ConnectionResetError("EOF") from error
    except asyncio.LimitOverrunError as error:
        raise ConnectionResetError("the head of the answer is too long") from error
    first, *lines = head[:-4].decode("utf-8", "surrogateescape").split("\r\n")
    words = first.split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].isdecimal():
        raise ConnectionResetError(f"malformed HTTP response {first[:80]!r}")
    headers = [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    return int(words[1]), words[2] if len(words) > 2 else "", headers
