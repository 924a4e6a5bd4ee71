"""A shell in a container: the app steps aside and the terminal belongs to the remote side until it ends."""

import asyncio
import os
import shutil
import signal
import sys
import termios
import tty
from collections.abc import Callable
from typing import TYPE_CHECKING

from apimachinery.aio.tasks import TaskScope
from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.client.exec import ExitStatus, RemoteStream, open_exec
from apimachinery.objects.errors import StatusError

if TYPE_CHECKING:
    from tui.screens.base import ClusterScreen

SHELL = (
    "sh",
    "-c",
    'TERM="${TERM:-xterm-256color}"; export TERM; command -v bash >/dev/null 2>&1 && exec bash || exec sh',
)
READ = 64 * 1024


async def open_shell(screen: "ClusterScreen", namespace: str, pod: str, container: str = "") -> None:
    """Suspends the app for the length of the session; says in a notice how it ended if not well."""
    app, session = screen.app, screen.session
    if app.is_headless or not sys.stdin.isatty():
        screen.notify("A shell needs a terminal.", severity="warning")
        return
    trouble = ""
    where = f"{namespace}/{pod}" + (f" {container}" if container else "")
    # While suspended nothing may be painted: batch_update holds the screen back, the feeds run on.
    with app.batch_update(), app.suspend():
        sys.stdout.write(f"\x1b[2J\x1b[H\x1b[2mshell in {where}; exit or ^D ends it\x1b[0m\r\n")
        sys.stdout.flush()
        try:
            status = await run_session(session.client, namespace, pod, container)
            if status is not None and status.code not in (0, 130):
                trouble = status.message or f"the shell ended with code {status.code}"
        except (StatusError, ConnectionFailed) as error:
            trouble = str(error)
    app.refresh(layout=True)
    if trouble:
        screen.notify(trouble, severity="error", title=f"Shell in {pod}")


async def run_session(client: Client, namespace: str, pod: str, container: str) -> ExitStatus | None:
    """The terminal of this process on a remote one, raw, until the command ends."""
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    async with open_exec(client, namespace, pod, command=SHELL, container=container, stdin=True, tty=True) as stream:
        tty.setraw(fd)
        try:
            await _joined(stream, fd)
        finally:
            termios.tcsetattr(fd, termios.TCSADRAIN, before)
        return stream.exit_status


async def _joined(stream: RemoteStream, fd: int) -> None:
    loop = asyncio.get_running_loop()
    typed: asyncio.Queue[bytes] = asyncio.Queue(maxsize=1)
    resized = asyncio.Event()
    resized.set()

    def read() -> None:
        # One piece at a time: what is pasted faster than the wire takes waits in the terminal.
        loop.remove_reader(fd)
        typed.put_nowait(os.read(fd, READ))

    previous = signal.getsignal(signal.SIGWINCH)
    loop.add_signal_handler(signal.SIGWINCH, resized.set)
    try:
        async with TaskScope("shell") as scope:
            scope.spawn("stdin", _send_typed(stream, typed, lambda: loop.add_reader(fd, read)))
            scope.spawn("resize", _send_size(stream, resized))
            async for _, data in stream:
                await asyncio.to_thread(_write, data)
    finally:
        loop.remove_reader(fd)
        loop.remove_signal_handler(signal.SIGWINCH)
        signal.signal(signal.SIGWINCH, previous)


async def _send_typed(stream: RemoteStream, typed: asyncio.Queue[bytes], listen: Callable[[], None]) -> None:
    while True:
        listen()
        data = await typed.get()
        if not data:
            return
        await stream.send_stdin(data)


async def _send_size(stream: RemoteStream, resized: asyncio.Event) -> None:
    while True:
        await resized.wait()
        resized.clear()
        size = shutil.get_terminal_size()
        await stream.resize(size.columns, size.lines)


def _write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
