"""The server on a real port: what is refused, what a page gets, and that each page's process ends with it."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, CookieJar, WSMsgType, WSServerHandshakeError
from aiohttp.test_utils import TestServer
from yarl import URL

from pilothouse import datadir
from pilothouse.serving.guard import Guard, own_names
from pilothouse.serving.server import Pages, Serving, application

APP = """
import os, pathlib, subprocess, sys
from textual.app import App
from textual.widgets import Label

class Small(App):
    def compose(self):
        yield Label("size " + str(self.size.width), id="said")
    def on_mount(self):
        child = subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL)
        pathlib.Path(sys.argv[1], str(os.getpid())).write_text(str(child.pid))
    def on_key(self, event):
        self.query_one("#said").update(f"pressed {event.key}")
        if event.key == "q":
            self.exit()

Small().run()
"""

HANGS = """
import pathlib, os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path(sys.argv[1], str(os.getpid())).write_text("0")
print("__GANGLION__", flush=True)
time.sleep(600)
"""


@asynccontextmanager
async def serving(folder: Path, *, app: str = APP, pages: int = 8) -> AsyncIterator[tuple[TestServer, Guard]]:
    guard = Guard(token="the-token-of-this-test", hosts=own_names("127.0.0.1"))
    made = application(
        Serving(
            argv=[sys.executable, "-c", app, str(folder)], environment={}, guard=guard, host="127.0.0.1", port=0,
            pages=pages,
        ),
        Pages(pages),
    )  # fmt: skip
    async with TestServer(made, host="127.0.0.1") as server:
        yield server, guard


@asynccontextmanager
async def browser(server: TestServer, token: str) -> AsyncIterator[ClientSession]:
    """One that has come in by the printed address."""
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
        async with session.get(server.make_url("/"), params={"token": token}) as answer:
            assert answer.status == 200, await answer.text()
            assert "token" not in str(answer.url)
        yield session


def headers(server: TestServer) -> dict[str, str]:
    return {"Origin": str(server.make_url("")).rstrip("/")}


async def eventually(what: Callable[[], bool]) -> None:
    for _ in range(600):
        if what():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not come to pass")


async def test_nothing_is_told_without_the_token(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, guard), ClientSession() as session:
        for path in ("/", "/?token=wrong", f"/{guard.place}/", f"/{guard.place}/ws", f"/{guard.place}/static/js/textual.js",
                     "/nothing"):  # fmt: skip
            async with session.get(server.make_url(path)) as answer:
                assert answer.status == 403, path
                assert "carries the token" in await answer.text()
        with pytest.raises(WSServerHandshakeError) as refused:
            await session.ws_connect(server.make_url(f"/{guard.place}/ws"), headers=headers(server))
        assert refused.value.status == 403
    assert not processes(tmp_path)


async def test_a_name_that_was_made_to_lead_here_is_refused_even_with_the_token(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, guard), browser(server, guard.token) as session:
        for path in ("/", f"/{guard.place}/", f"/{guard.place}/ws"):
            async with session.get(
                server.make_url(path), params={"token": guard.token}, headers={"Host": f"evil.example:{server.port}"}
            ) as answer:
                assert answer.status == 403
                assert 'by the name "evil.example"' in await answer.text()


async def test_a_page_of_another_site_opens_no_connection(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, guard), browser(server, guard.token) as session:
        for origin in ("http://evil.example", f"http://localhost:{server.port}", ""):
            with pytest.raises(WSServerHandshakeError) as refused:
                await session.ws_connect(server.make_url(f"/{guard.place}/ws"), headers={"Origin": origin})
            assert refused.value.status == 403
    assert not processes(tmp_path)


async def test_the_page_loads_nothing_from_elsewhere_and_keeps_its_secret(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, guard), browser(server, guard.token) as session:
        async with session.get(server.make_url(f"/{guard.place}/")) as answer:
            text = await answer.text()
            policy = answer.headers["Content-Security-Policy"]
            assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "http" not in text.replace('protocol === "https:"', "")
        assert guard.token not in text
        assert guard.cookie not in text
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        async with session.get(server.make_url("/"), params={"token": guard.token}, allow_redirects=False) as answer:
            cookie = answer.headers["Set-Cookie"]
        assert f"Path=/{guard.place}/" in cookie
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie


async def test_keys_reach_the_app_and_all_of_it_ends_with_its_page(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, guard), browser(server, guard.token) as session:
        url = server.make_url(f"/{guard.place}/ws?width=90&height=20")
        async with session.ws_connect(url, headers=headers(server)) as socket:
            await painted(socket, b"size 90")
            await socket.send_str("no JSON")
            await socket.send_json({"stdin": 1})
            await socket.send_json(["resize", {"width": -4, "height": "many"}])
            await socket.send_json(["stdin", "x"])
            await painted(socket, b"pressed x")
            ((app, child),) = processes(tmp_path).items()
            assert datadir.is_alive(app)
        await eventually(lambda: not datadir.is_alive(app) and not datadir.is_alive(child))


async def test_an_app_that_is_quit_closes_its_page(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, guard), browser(server, guard.token) as session:
        url = server.make_url(f"/{guard.place}/ws")
        async with session.ws_connect(url, headers=headers(server)) as socket:
            await painted(socket, b"size 80")
            await socket.send_json(["stdin", "q"])
            async with asyncio.timeout(30):
                async for _ in socket:
                    pass
            assert socket.closed


async def test_one_page_too_many_is_refused_and_a_closed_one_makes_room(tmp_path: Path) -> None:
    async with serving(tmp_path, pages=1) as (server, guard), browser(server, guard.token) as session:
        url = server.make_url(f"/{guard.place}/ws")
        async with session.ws_connect(url, headers=headers(server)) as socket:
            await painted(socket, b"size 80")
            with pytest.raises(WSServerHandshakeError) as refused:
                await session.ws_connect(url, headers=headers(server))
            assert refused.value.status == 503
        socket = await let_in(session, url, headers(server))
        await painted(socket, b"size 80")
        await socket.close()


async def test_an_app_that_will_not_end_is_ended_when_the_server_stops(tmp_path: Path) -> None:
    async with (
        serving(tmp_path, app=HANGS) as (server, guard),
        browser(server, guard.token) as session,
        session.ws_connect(server.make_url(f"/{guard.place}/ws"), headers=headers(server)),
    ):
        await eventually(lambda: bool(processes(tmp_path)))
        (app,) = processes(tmp_path)
        assert datadir.is_alive(app)
        await server.close()
        assert not datadir.is_alive(app)


async def let_in(session: ClientSession, url: URL, sent: dict[str, str]) -> ClientWebSocketResponse:
    """Once there is room again."""
    for _ in range(600):
        with contextlib.suppress(WSServerHandshakeError):
            return await session.ws_connect(url, headers=sent)
        await asyncio.sleep(0.05)
    raise AssertionError("a page that was closed still counts")


def processes(folder: Path) -> dict[int, int]:
    """The apps that were started, and the child of each."""
    return {int(file.name): int(file.read_text() or 0) for file in folder.iterdir()}


async def painted(socket: ClientWebSocketResponse, words: bytes) -> None:
    """Wait until the app has sent these words to the page."""
    seen = b""
    async with asyncio.timeout(60):
        while words not in seen:
            message = await socket.receive()
            assert message.type in (WSMsgType.BINARY, WSMsgType.TEXT), message
            if message.type is WSMsgType.BINARY:
                seen += message.data
            else:
                assert isinstance(msgspec.json.decode(message.data), list)
