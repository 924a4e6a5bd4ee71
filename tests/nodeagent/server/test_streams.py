"""The last word of a stream, and what is told before it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from nodeagent.server import spdy, streams
from nodeagent.server.streams import ERROR, STDOUT, SUCCESS, Wanted

FAILURE = b'{"metadata":{},"status":"Failure","message":"task not found"}'
ATTACH = Wanted(stdin=False, stdout=True, stderr=False, tty=False)


async def missed() -> AsyncIterator[tuple[int, bytes]]:
    yield STDOUT, b"hello\n"


async def told(sent: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """What a client hears of a runtime that sends these payloads by channel and hangs up."""
    frames = spdy.Connection()
    numbers = {channel: 2 * index + 1 for index, channel in enumerate(ATTACH.channels())}

    async def runtime(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
        for _ in numbers:
            opening = await reader.readexactly(8)
            await reader.readexactly(int.from_bytes(opening[5:8], "big"))
        for channel, payload in sent:
            writer.write(frames.data(numbers[channel], payload))
            await writer.drain()
        writer.close()

    listener = await asyncio.start_server(runtime, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/attach"

    async def attach(request: web.Request) -> web.StreamResponse:
        return await streams.serve(request, await streams.connect(url, ATTACH.channels()), missed)

    app = web.Application()
    app.add_routes([web.get("/", attach)])
    async with listener, TestClient(TestServer(app)) as client, client.ws_connect("/") as socket:
        return [(message.data[0], message.data[1:]) async for message in socket]


@pytest.mark.parametrize(
    ("sent", "heard"),
    [
        pytest.param([], [(STDOUT, b"hello\n"), (ERROR, SUCCESS)], id="a silent end"),
        pytest.param([(ERROR, SUCCESS)], [(STDOUT, b"hello\n"), (ERROR, SUCCESS)], id="a silent end, said to be well"),
        pytest.param([(STDOUT, b"x"), (ERROR, SUCCESS)], [(STDOUT, b"x"), (ERROR, SUCCESS)], id="all heard"),
        pytest.param([(ERROR, SUCCESS), (STDOUT, b"x")], [(STDOUT, b"x"), (ERROR, SUCCESS)], id="word before the rest"),
        pytest.param([(ERROR, FAILURE)], [(ERROR, FAILURE)], id="a failure, after which clients read the log"),
    ],
)
async def test_what_was_missed_comes_before_the_word_that_all_is_well(
    sent: list[tuple[int, bytes]], heard: list[tuple[int, bytes]]
) -> None:
    assert await told(sent) == heard
