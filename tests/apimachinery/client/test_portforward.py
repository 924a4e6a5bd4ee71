"""One forwarded connection over a real WebSocket, to a server that speaks the channel protocol as kubelets do."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.client.http import HttpTransport
from apimachinery.client.portforward import open_forward
from apimachinery.objects.errors import Forbidden

Behaviour = Callable[[web.WebSocketResponse], Awaitable[None]]
PORT = (8080).to_bytes(2, "little")


@asynccontextmanager
async def serving(behave: Behaviour, *, protocols: tuple[str, ...]) -> AsyncIterator[Client]:
    async def answer(request: web.Request) -> web.WebSocketResponse:
        assert request.query["ports"] == "8080"
        socket = web.WebSocketResponse(protocols=protocols)
        await socket.prepare(request)
        await socket.send_bytes(b"\x00" + PORT)
        await socket.send_bytes(b"\x01" + PORT)
        await behave(socket)
        await socket.close()
        return socket

    app = web.Application()
    app.router.add_get("/api/v1/namespaces/shop/pods/web/portforward", answer)
    async with TestServer(app) as server:
        transport = HttpTransport(str(server.make_url("/")))
        yield Client(transport)
        await transport.close()


async def echo(socket: web.WebSocketResponse) -> None:
    async for message in socket:
        if message.type is WSMsgType.BINARY:
            if message.data[0] == 255:
                await socket.send_bytes(b"\x00end")
                return
            await socket.send_bytes(message.data)
            if message.data == b"\x00bye":
                return


@pytest.mark.parametrize("protocols", [("v4.channel.k8s.io",), ("v5.channel.k8s.io", "v4.channel.k8s.io")])
async def test_bytes_pass_both_ways_and_the_names_of_the_channels_are_no_data(protocols: tuple[str, ...]) -> None:
    async with serving(echo, protocols=protocols) as client, open_forward(client, "shop", "web", 8080) as stream:
        await stream.send(b"ahoy")
        await stream.send(b"bye")
        received = b"".join([chunk async for chunk in stream])
    assert received == b"ahoybye"


async def test_only_the_newer_protocol_can_say_that_no_more_comes() -> None:
    async with (
        serving(echo, protocols=("v4.channel.k8s.io",)) as client,
        open_forward(client, "shop", "web", 8080) as stream,
    ):
        assert not await stream.close_sending()
    async with (
        serving(echo, protocols=("v5.channel.k8s.io",)) as client,
        open_forward(client, "shop", "web", 8080) as stream,
    ):
        assert await stream.close_sending()
        assert b"".join([chunk async for chunk in stream]) == b"end"


async def test_what_the_pod_says_on_the_error_channel_is_raised() -> None:
    async def refuse(socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(b"\x01connection refused\n")

    async with (
        serving(refuse, protocols=("v4.channel.k8s.io",)) as client,
        open_forward(client, "shop", "web", 8080) as stream,
    ):
        with pytest.raises(ConnectionFailed, match="port 8080: connection refused"):
            async with asyncio.timeout(5):
                assert [chunk async for chunk in stream] == []


async def test_a_refused_forward_says_the_servers_reason() -> None:
    async def refuse(request: web.Request) -> web.Response:
        del request
        return web.json_response(
            {"kind": "Status", "status": "Failure", "reason": "Forbidden", "code": 403, "message": "not yours"},
            status=403,
        )

    app = web.Application()
    app.router.add_get("/api/v1/namespaces/shop/pods/web/portforward", refuse)
    async with TestServer(app) as server:
        transport = HttpTransport(str(server.make_url("/")))
        with pytest.raises(Forbidden, match="not yours"):
            async with open_forward(Client(transport), "shop", "web", 8080):
                pass
        await transport.close()
