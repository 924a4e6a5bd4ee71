"""A client that sends bytes as they are and reads whatever comes back."""

import asyncio
import contextlib
import re
import ssl
from dataclasses import dataclass, field

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
_GLANCE = 0.3
_LIMIT = 1 << 26


class Gone(Exception):
    """The connection ended before the answer did."""


@dataclass(slots=True)
class Answer:
    status: int
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""


class Connection:
    """Kept open for as long as the server keeps it."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self._port = port
        self._context = context
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def exchange(self, wire: bytes, *, bodyless: bool, lasting: bool) -> Answer:
        """Send one request and read its answer, of a lasting one only the beginning. Raises Gone."""
        fresh = self._streams is None
        reader, writer = await self._open()
        try:
            writer.write(wire)
            answer = await _read(reader, bodyless=bodyless, lasting=lasting)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError) as error:
            await self.close()
            if fresh:
                raise Gone(str(error)) from error
            # The server may have closed a kept connection as we wrote: that is its right, so ask once more.
            return await self.exchange(wire, bodyless=bodyless, lasting=lasting)
        except BaseException:
            await self.close()
            raise
        if lasting or answer.headers.get("connection", "").lower() == "close":
            await self.close()
        return answer

    async def throw(self, data: bytes) -> list[int]:
        """Send bytes on a connection of their own; the statuses that came back in a moment."""
        await self.close()
        reader, writer = await self._open()
        gathered = b""
        with contextlib.suppress(ConnectionError, ssl.SSLError, TimeoutError):
            writer.write(data)
            while chunk := await asyncio.wait_for(reader.read(1 << 16), _GLANCE):
                gathered += chunk
        await self.close()
        return [int(status) for status in _STATUS.findall(gathered)]

    async def close(self) -> None:
        if self._streams is not None:
            writer = self._streams[1]
            self._streams = None
            # The other side is not worth a farewell.
            writer.transport.abort()
            await asyncio.sleep(0)

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(
                "127.0.0.1", self._port, ssl=self._context, server_hostname="localhost", limit=_LIMIT
            )
        return self._streams


async def _read(reader: asyncio.StreamReader, *, bodyless: bool, lasting: bool) -> Answer:
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        status = int(first[9:12])
        if status >= 200 or status == 101:
            break
    pairs = (line.partition(":") for line in lines if line)
    answer = Answer(status, {name.lower(): value.strip() for name, _, value in pairs})
    if bodyless or status in (101, 204, 304):
        return answer
    if lasting and "chunked" in answer.headers.get("transfer-encoding", ""):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(reader.read(1 << 16), _GLANCE)
    elif "chunked" in answer.headers.get("transfer-encoding", ""):
        while size := int(await reader.readline(), 16):
            answer.body += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
    elif "content-length" in answer.headers:
        answer.body = await reader.readexactly(int(answer.headers["content-length"]))
    else:
        answer.body = await reader.read()
    return answer
