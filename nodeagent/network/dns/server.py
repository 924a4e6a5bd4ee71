"""Listening for DNS questions, over UDP and TCP, on one address."""

import asyncio
import contextlib
import socket
from typing import cast

import structlog

from apimachinery.aio.tasks import TaskScope
from nodeagent.network.dns.resolver import Resolver
from nodeagent.network.sockets import bound_socket

log = structlog.get_logger(__name__)

IDLE_SECONDS = 10.0
MAX_CONNECTIONS = 256


class DnsServer:
    """`run` serves for ever. Raises OSError when the port is taken."""

    def __init__(self, resolver: Resolver, address: str, port: int) -> None:
        self._resolver = resolver
        self._address = address
        self._port = port
        self._connections = 0
        self.listening = asyncio.Event()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        async with TaskScope("dns") as scope:

            def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                scope.spawn("connection", self._connected(reader, writer))

            udp = bound_socket(socket.SOCK_DGRAM, self._address, self._port)
            transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self._resolver, scope), sock=udp)
            try:
                tcp = bound_socket(socket.SOCK_STREAM, self._address, self._port)
                server = await asyncio.start_server(connected, sock=tcp, backlog=64)
                async with server:
                    self.listening.set()
                    await server.serve_forever()
            finally:
                self.listening.clear()
                transport.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        try:
            if self._connections <= MAX_CONNECTIONS:
                await self._converse(reader, writer)
        except (OSError, EOFError, TimeoutError):
            pass  # the client went away, or fell silent
        finally:
            self._connections -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            async with asyncio.timeout(IDLE_SECONDS):
                length = int.from_bytes(await reader.readexactly(2), "big")
                query = await reader.readexactly(length)
            reply = self._resolver.now(query, tcp=True)
            if reply is None:
                reply = await self._resolver.later(query, tcp=True)
            if not reply:
                return
            async with asyncio.timeout(IDLE_SECONDS):
                writer.write(len(reply).to_bytes(2, "big") + reply)
                await writer.drain()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, resolver: Resolver, scope: TaskScope) -> None:
        self._resolver = resolver
        self._scope = scope
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not isinstance: the transports of CPython 3.11 do not inherit from the class that describes them.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        reply = self._resolver.now(data, tcp=False)
        if reply is None:
            self._scope.spawn("forward", self._later(data, addr))
        elif reply:
            self._send(reply, addr)

    async def _later(self, data: bytes, addr: tuple[str, int]) -> None:
        self._send(await self._resolver.later(data, tcp=False), addr)

    def _send(self, reply: bytes, addr: tuple[str, int]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(reply, addr)
