"""Pods' way to the API server: connections to the `kubernetes` Service end here and go on through the machine's link.

A relay of bytes that knows no TLS: the certificate is checked end to end. One direction may end before the other;
the end is passed on and the other direction goes on.
"""

import asyncio
import socket
import struct

import structlog

from apimachinery.aio.tasks import TaskScope
from nodeagent.network.sockets import bound_socket

log = structlog.get_logger(__name__)

CONNECT_SECONDS = 10.0
MAX_CONNECTIONS = 2048
CHUNK_BYTES = 1 << 16
KEEPALIVE_SECONDS = 60
"""Watches may be silent for hours; only a peer that is gone ends them."""


class Relay:
    """`run` listens and connects each connection to `target` (host, port). Raises OSError when the port is taken."""

    def __init__(self, listen: tuple[str, int], target: tuple[str, int]) -> None:
        self._listen = listen
        self._target = target
        self.connections = 0
        self.listening = asyncio.Event()

    async def run(self) -> None:
        async with TaskScope("relay") as scope:

            def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                scope.spawn("connection", self._carry(reader, writer))

            listener = bound_socket(socket.SOCK_STREAM, *self._listen)
            server = await asyncio.start_server(connected, sock=listener, backlog=256)
            async with server:
                self.listening.set()
                try:
                    await server.serve_forever()
                finally:
                    self.listening.clear()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        ends = [writer]
        try:
            if self.connections > MAX_CONNECTIONS:
                raise ConnectionAbortedError("too many connections")
            async with asyncio.timeout(CONNECT_SECONDS):
                answers, onward = await asyncio.open_connection(*self._target)
            ends.append(onward)
            for end in ends:
                _keep_alive(end)
            await asyncio.gather(_pump(reader, onward), _pump(answers, writer))
        except (OSError, TimeoutError) as error:
            log.debug("connection to the API server broke off", error=str(error))
            for end in ends:
                _reset(end)
        finally:
            self.connections -= 1
            for end in ends:
                end.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on until the end, then the end itself."""
    while data := await reader.read(CHUNK_BYTES):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Break off so that the other side knows: a plain close would look like the end of an answer."""
    connection: socket.socket = writer.get_extra_info("socket")
    if connection.fileno() >= 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _keep_alive(writer: asyncio.StreamWriter) -> None:
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
