"""A name server for tests, on a loopback port."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from dnslib import DNSRecord

Answering = Callable[[DNSRecord, bool], DNSRecord | None]


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, answering: Answering) -> None:
        self.answering = answering
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        reply = self.answering(DNSRecord.parse(data), False)
        if reply is not None and self.transport is not None:
            self.transport.sendto(reply.pack(), addr)


@asynccontextmanager
async def name_server(answering: Answering) -> AsyncIterator[tuple[str, int]]:
    """Answers by `answering(question, over tcp)`, None for silence."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(await reader.readexactly(2), "big")
        reply = answering(DNSRecord.parse(await reader.readexactly(length)), True)
        if reply is not None:
            packed = reply.pack()
            writer.write(len(packed).to_bytes(2, "big") + packed)
        writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    address: tuple[str, int] = server.sockets[0].getsockname()
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Udp(answering), local_addr=address
    )
    async with server:
        try:
            yield address
        finally:
            transport.close()
