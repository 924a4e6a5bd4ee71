import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from apimachinery.aio.tasks import TaskScope
from nodeagent.network.relay import Relay
from tests.nodeagent.network.dns.test_resolver import free_port

Serving = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def relayed(serving: Serving) -> AsyncIterator[tuple[Relay, int]]:
    """A relay in front of a server, and the relay's port."""
    server = await asyncio.start_server(serving, "127.0.0.1", 0)
    port = free_port()
    relay = Relay(("127.0.0.1", port), server.sockets[0].getsockname())
    async with server, TaskScope("test") as scope:
        scope.spawn("relay", relay.run())
        await relay.listening.wait()
        yield relay, port


async def echo_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers only once the client has said that it is done."""
    writer.write(await reader.read())
    await writer.drain()
    writer.close()


async def converse(port: int, message: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(message)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def settled(relay: Relay) -> None:
    async with asyncio.timeout(5):
        while relay.connections:
            await asyncio.sleep(0.01)


async def test_the_end_of_one_direction_leaves_the_other_open() -> None:
    message = b"x" * 3_000_000
    async with relayed(echo_all) as (relay, port):
        assert await converse(port, message) == message
        await settled(relay)


async def test_many_connections_at_once_do_not_mix() -> None:
    async with relayed(echo_all) as (relay, port):
        messages = [f"{i}".encode() * 1000 for i in range(200)]
        assert await asyncio.gather(*(converse(port, m) for m in messages)) == messages
        await settled(relay)


async def test_a_server_that_ends_first_ends_the_client() -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"bye")
        writer.close()

    async with relayed(greet) as (relay, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b"bye"
        await closed(writer)
        await settled(relay)


async def test_a_client_that_breaks_off_is_gone_for_the_server_too() -> None:
    ended = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await reader.read()
        writer.close()
        ended.set()

    async with relayed(wait) as (relay, port):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"hello")
        await writer.drain()
        writer.transport.abort()
        await closed(writer)
        async with asyncio.timeout(5):
            await ended.wait()
        await settled(relay)


async def test_without_a_server_the_client_is_reset_at_once() -> None:
    port = free_port()
    relay = Relay(("127.0.0.1", port), ("127.0.0.1", free_port()))
    async with TaskScope("test") as scope:
        scope.spawn("relay", relay.run())
        await relay.listening.wait()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with pytest.raises(ConnectionResetError):
            async with asyncio.timeout(5):
                await reader.read()
        await closed(writer)


async def test_connections_end_with_the_relay() -> None:
    async with relayed(echo_all) as (relay, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x")
        async with asyncio.timeout(5):
            while not relay.connections:
                await asyncio.sleep(0.01)
    assert relay.connections == 0
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    await closed(writer)


async def test_the_address_need_not_be_there_yet() -> None:
    with socket.socket() as probe, pytest.raises(OSError):
        probe.bind(("203.0.113.77", 0))
    relay = Relay(("203.0.113.77", free_port()), ("127.0.0.1", 1))
    async with TaskScope("test") as scope:
        scope.spawn("relay", relay.run())
        async with asyncio.timeout(5):
            await relay.listening.wait()
