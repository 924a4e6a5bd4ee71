"""The server: judges who comes in, gives out the page, and joins each page's socket to a process of the app."""

import asyncio
import contextlib
import secrets
import signal
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from socket import gethostname
from typing import Any

import msgspec
from aiohttp import WSMsgType, web
from textual_serve.download_manager import DownloadManager

from pilothouse.serving import page
from pilothouse.serving.appprocess import AppProcess
from pilothouse.serving.guard import COOKIE, Guard, is_everywhere

LARGEST_MESSAGE = 1 << 20
"""Bytes of one message of the browser: keys, or what somebody pastes."""
LARGEST_SIDE = 1000
HEARTBEAT = 15.0
STOP_SECONDS = 15.0
CLOSE_SECONDS = 2.0
"""How long a page may take to say goodbye."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """`argv` starts the app; `tls` are certificate and key. Port 0 takes a free one."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    guard: Guard
    host: str
    port: int
    title: str = "Pilothouse"
    pages: int = 8
    tls: tuple[Path, Path] | None = None


@dataclass(slots=True)
class Pages:
    """The pages that are open, and each one's app."""

    most: int
    open: dict[web.WebSocketResponse, AppProcess] = field(default_factory=dict[web.WebSocketResponse, AppProcess])

    async def close(self) -> None:
        """The apps first: they end whether or not their page listens."""
        await asyncio.gather(*(self.end(socket) for socket in list(self.open)))

    async def end(self, socket: web.WebSocketResponse) -> None:
        await self.open[socket].stop()
        self.open.pop(socket, None)
        await socket.close(code=1001, message=b"the app has ended")


def application(serving: Serving, pages: Pages) -> web.Application:
    """What is served, for tests as well."""
    guard, downloads = serving.guard, DownloadManager()
    root = f"/{guard.place}/"

    @web.middleware
    async def judged(request: web.Request, handler: Any) -> web.StreamResponse:
        if refusal := guard.refusal_of_host(request.headers.get("Host", "")):
            return web.Response(status=403, text=f"{refusal}\n", headers=page.HEADERS)
        if request.path != "/" and not guard.admits_cookie(request.cookies.get(COOKIE, "")):
            return web.Response(status=403, text=NO_TOKEN, headers=page.HEADERS)
        try:
            return await handler(request)
        except web.HTTPException as refused:
            refused.headers.update(page.HEADERS)
            raise

    async def enter(request: web.Request) -> web.Response:
        """The token opens the door once; the address that stays in the window and its history has no secret."""
        if not guard.admits_token(request.query.get("token", "")):
            return web.Response(status=403, text=NO_TOKEN, headers=page.HEADERS)
        answer = web.Response(status=303, headers={**page.HEADERS, "Location": root})
        answer.set_cookie(
            COOKIE, guard.cookie, path=root, httponly=True, samesite="Strict", secure=serving.tls is not None
        )
        return answer

    async def shown(request: web.Request) -> web.Response:
        nonce = secrets.token_urlsafe(16)
        return web.Response(
            text=page.page(serving.title, nonce, _number(request.query.get("fontsize", ""), 16, 6, 64)),
            content_type="text/html",
            headers={**page.HEADERS, "Content-Security-Policy": page.content_policy(nonce)},
        )

    async def joined(request: web.Request) -> web.StreamResponse:
        origin, host = request.headers.get("Origin", ""), request.headers.get("Host", "")
        if refusal := guard.refusal_of_origin(origin, host):
            return web.Response(status=403, text=f"{refusal}\n")
        if len(pages.open) >= pages.most:
            return web.Response(status=503, text=f"{pages.most} pages are open; --pages allows more.\n")
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT, max_msg_size=LARGEST_MESSAGE, timeout=CLOSE_SECONDS)
        process = pages.open[socket] = AppProcess(
            serving.argv, serving.environment,
            write_bytes=_until_closed(socket.send_bytes), write_str=_until_closed(socket.send_str),
            close=socket.close, downloads=downloads,
        )  # fmt: skip
        try:
            await socket.prepare(request)
            await _carry(process, socket, request.query)
        finally:
            # Though the page be cut off in the middle of it: until its app is gone, the page counts as open.
            await asyncio.shield(pages.end(socket))
        return socket

    async def close_pages(_: web.Application) -> None:
        await pages.close()

    app = web.Application(middlewares=[judged])
    app.router.add_get("/", enter)
    app.router.add_get(root, shown)
    app.router.add_get(f"{root}ws", joined)
    app.router.add_static(f"{root}static", Path(str(files("textual_serve"))) / "static")
    app.on_shutdown.append(close_pages)
    return app


NO_TOKEN = "Open the address that `pilothouse serve` has printed: it carries the token.\n"


async def _carry(process: AppProcess, socket: web.WebSocketResponse, query: Mapping[str, str]) -> None:
    """Keys in, pictures out, until either side ends."""
    await process.start(
        _number(query.get("width", ""), 80, 1, LARGEST_SIDE), _number(query.get("height", ""), 24, 1, LARGEST_SIDE)
    )
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await _obey(process, socket, message.data)


async def _obey(process: AppProcess, socket: web.WebSocketResponse, text: str) -> None:
    """One message of the page. What is none is left alone: a browser's extension may speak here too."""
    try:
        envelope = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return
    match envelope:
        case ["stdin", str(keys)]:
            await process.send_bytes(keys.encode())
        case ["resize", {"width": int(width), "height": int(height)}] if width > 0 and height > 0:
            await process.set_terminal_size(min(width, LARGEST_SIDE), min(height, LARGEST_SIDE))
        case ["ping", str(data)]:
            await socket.send_json(["pong", data])
        case ["focus"]:
            await process.focus()
        case ["blur"]:
            await process.blur()
        case _:
            pass


def _until_closed(send: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The app paints on while its page goes: what is said to nobody is no error."""

    async def sent(data: Any) -> None:
        with contextlib.suppress(ConnectionError):
            await send(data)

    return sent


def _number(text: str, default: int, least: int, most: int) -> int:
    return min(max(int(text), least), most) if text.isascii() and text.isdigit() else default


async def run(serving: Serving, *, tell: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; `tell` is given the address, with its token, once it answers."""
    context = None
    if serving.tls is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*serving.tls)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    runner = web.AppRunner(
        application(serving, Pages(serving.pages)), access_log=None, shutdown_timeout=STOP_SECONDS, handle_signals=False
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, serving.host, serving.port, ssl_context=context).start()
        tell(address(serving, runner.addresses[0][1]))
        await stopped.wait()
    finally:
        await runner.cleanup()


def address(serving: Serving, port: int) -> str:
    host = gethostname() if is_everywhere(serving.host) else serving.host
    host = f"[{host}]" if ":" in host else host
    scheme = "https" if serving.tls is not None else "http"
    return f"{scheme}://{host}:{port}/?token={serving.guard.token}"
