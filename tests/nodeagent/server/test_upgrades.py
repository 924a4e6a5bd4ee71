"""Connections that the agent hands on: SPDY clients to the runtime's stream server, the engine to addresses here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
from aiohttp import web

from apimachinery.objects.errors import BadRequest, Forbidden, StatusError
from nodeagent.server import dialling, portforward, streams, upgrades

KNOWN = upgrades.COMMANDS


@pytest.mark.parametrize(
    ("offered", "protocol"),
    [
        pytest.param(["v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io"], "v4.channel.k8s.io", id="kubectl"),
        pytest.param(["v9.channel.k8s.io", "v2.channel.k8s.io"], "v2.channel.k8s.io", id="first-known"),
    ],
)  # fmt: skip
def test_clients_first_choice_that_is_known_is_spoken(offered: list[str], protocol: str) -> None:
    assert upgrades.chosen(offered, KNOWN) == protocol


def test_client_without_a_common_protocol_is_refused() -> None:
    with pytest.raises(BadRequest, match="X-Stream-Protocol-Version header not found"):
        upgrades.chosen([], KNOWN)
    with pytest.raises(Forbidden, match=r"client supports \[v9\], server accepts \[portforward.k8s.io\]"):
        upgrades.chosen(["v9"], upgrades.PORTS)


@pytest.mark.parametrize(
    ("host", "port", "error"),
    [
        pytest.param("127.0.0.1", "80", Forbidden, id="loopback"),
        pytest.param("::1", "80", Forbidden, id="loopback6"),
        pytest.param("169.254.169.254", "80", Forbidden, id="link-local"),
        pytest.param("0.0.0.0", "80", Forbidden, id="unspecified"),
        pytest.param("192.0.2.1", "80", Forbidden, id="no-business"),
        pytest.param("localhost", "80", BadRequest, id="name"),
        pytest.param("10.42.0.5", "0", BadRequest, id="port-zero"),
        pytest.param("10.42.0.5", "65536", BadRequest, id="port-too-large"),
        pytest.param("10.42.0.5", "http", BadRequest, id="port-name"),
    ],
)
def test_engine_reaches_only_pods_and_endpoints(host: str, port: str, error: type[StatusError]) -> None:
    assert dialling.target_of("10.42.0.5", "80", lambda address: address == "10.42.0.5") == ("10.42.0.5", 80)
    with pytest.raises(error):
        dialling.target_of(host, port, lambda address: address != "192.0.2.1")


@asynccontextmanager
async def runtime(heard: list[bytes]) -> AsyncIterator[str]:
    """A stream server: answers the handshake, then says back what it hears, doubled; the URL of a command."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\nfirst ")
        while chunk := await reader.read(1000):
            writer.write(chunk * 2)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/exec/once"


@asynccontextmanager
async def serving(handler: object) -> AsyncIterator[int]:
    app = web.Application()
    app.router.add_route("*", "/{host}/{port}", handler)  # type: ignore[arg-type]
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def request(path: str, *lines: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: agent", *lines, "", ""]).encode()


async def test_spdy_client_talks_to_the_runtime_itself() -> None:
    heard: list[bytes] = []
    async with runtime(heard) as url:

        async def handler(asked: web.Request) -> web.StreamResponse:
            return await upgrades.serve(asked, KNOWN, partial(streams.dial, url))

        async with serving(handler) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            versions = [f"X-Stream-Protocol-Version: {name}" for name in KNOWN]
            writer.write(request("/a/b", "Connection: Upgrade", "Upgrade: SPDY/3.1", "Content-Length: 0", *versions))
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            assert head.startswith("HTTP/1.1 101 ")
            assert "X-Stream-Protocol-Version: v4.channel.k8s.io\r\n" in head
            assert await reader.readexactly(6) == b"first "
            for _ in range(3):
                writer.write(b"ab")
                assert await reader.readexactly(4) == b"abab"
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()
    assert b"X-Stream-Protocol-Version: v4.channel.k8s.io\r\n" in heard[0]


async def test_spdy_ends_when_the_pod_does() -> None:
    living = [True]
    async with runtime([]) as url:

        async def handler(asked: web.Request) -> web.StreamResponse:
            ended = partial(portforward.until_dead, lambda: living[0])
            return await upgrades.serve(asked, upgrades.PORTS, partial(streams.dial, url), ended)

        async with serving(handler) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(
                request(
                    "/a/b", "Connection: Upgrade", "Upgrade: SPDY/3.1", "X-Stream-Protocol-Version: portforward.k8s.io"
                )
            )
            await reader.readuntil(b"first ")
            living[0] = False
            assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()


async def test_nothing_is_dialled_on_loopback_or_without_an_upgrade() -> None:
    addresses = {"10.42.0.5": True}

    async def handler(asked: web.Request) -> web.StreamResponse:
        try:
            return await dialling.serve(asked, addresses.__contains__)
        except StatusError as error:
            return web.Response(status=error.code, text=error.message)

    async with serving(handler) as port:
        for path, upgrade, status in (("/127.0.0.1/80", "tcp", b"403"), ("/10.42.0.5/80", "websocket", b"400")):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request(path, "Connection: close, Upgrade", f"Upgrade: {upgrade}"))
            assert (await reader.readline()).split()[1] == status
            writer.close()
