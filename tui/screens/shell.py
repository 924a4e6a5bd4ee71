"""Terminals in containers: the app steps aside, and the terminal belongs to the remote side until it ends."""

import asyncio
import os
import shutil
import signal
import sys
import termios
import tty
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apimachinery.aio.tasks import TaskScope
from apimachinery.client.errors import ConnectionFailed
from apimachinery.client.exec import ExitStatus, RemoteStream, open_attach, open_exec
from apimachinery.objects.errors import StatusError

if TYPE_CHECKING:
    from tui.screens.base import ClusterScreen

SHELL = (
    "sh",
    "-c",
    'TERM="${TERM:-xterm-256color}"; export TERM; command -v bash >/dev/null 2>&1 && exec bash || exec sh',
)
READ = 64 * 1024
LEAVE = b"\x1d"
"""^], as telnet has it."""


Opened = Callable[[], AbstractAsyncContextManager[RemoteStream]]


async def open_shell(
    screen: "ClusterScreen", namespace: str, pod: str, container: str = "", *, command: Sequence[str] = SHELL
) -> None:
    """A shell in a container, on this terminal."""
    where = f"{namespace}/{pod}" + (f" {container}" if container else "")
    client = screen.session.client
    await hold_terminal(
        screen,
        f"shell in {where}; exit or ^D ends it",
        lambda: open_exec(client, namespace, pod, command=command, container=container, stdin=True, tty=True),
        what=f"Shell in {pod}",
    )


async def attach(
    screen: "ClusterScreen", namespace: str, pod: str, container: str, *, stdin: bool = True, tty: bool = True
) -> None:
    """The container's own process on this terminal, with its input where it takes any."""
    client = screen.session.client
    await hold_terminal(
        screen,
        f"attached to {namespace}/{pod} {container}; ^] leaves it running",
        lambda: open_attach(client, namespace, pod, container=container, stdin=stdin, tty=tty),
        what=f"Attach to {container}",
        held=Held(leave=True, stdin=stdin, tty=tty),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """How a terminal is held: with `leave`, ^] ends the session and not what runs there; `stdin` and `tty` tell
    whether the other side takes input, and has a terminal of its own."""

    leave: bool = False
    stdin: bool = True
    tty: bool = True


SHELL_HELD = Held()


async def hold_terminal(
    screen: "ClusterScreen", banner: str, opened: Opened, *, what: str, held: Held = SHELL_HELD
) -> None:
    """Suspends the app for the length of the session; says in a notice how it ended if not well."""
    app = screen.app
    if app.is_headless or not sys.stdin.isatty():
        screen.notify(f"{what}: that needs a terminal.", severity="warning")
        return
    trouble = ""
    # While suspended nothing may be painted: batch_update holds the screen back, the feeds run on.
    with app.batch_update(), app.suspend():
        sys.stdout.write(f"\x1b[2J\x1b[H\x1b[2m{banner}\x1b[0m\r\n")
        sys.stdout.flush()
        try:
            status = await run_session(opened, held)
            if status is not None and status.code not in (0, 130):
                trouble = status.message or f"it ended with code {status.code}"
        except (StatusError, ConnectionFailed) as error:
            trouble = str(error)
    app.refresh(layout=True)
    if trouble:
        screen.notify(trouble, severity="error", title=what)


async def run_session(opened: Opened, held: Held = SHELL_HELD) -> ExitStatus | None:
    """The terminal of this process on a remote one, raw, until the command ends."""
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    async with opened() as stream:
        _make_raw(fd, output_too=held.tty)
        try:
            await _joined(stream, fd, held)
        finally:
            termios.tcsetattr(fd, termios.TCSADRAIN, before)
        return stream.exit_status


def _make_raw(fd: int, *, output_too: bool) -> None:
    """Keys go as they are typed. Where no terminal is at the other side, this one goes on ending its lines itself."""
    tty.setraw(fd)
    if not output_too:
        attributes = termios.tcgetattr(fd)
        attributes[1] |= termios.OPOST | termios.ONLCR
        termios.tcsetattr(fd, termios.TCSADRAIN, attributes)


async def _joined(stream: RemoteStream, fd: int, held: Held) -> None:
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
            typing = scope.spawn("stdin", _send_typed(stream, typed, lambda: loop.add_reader(fd, read), held))
            if held.tty:
                scope.spawn("resize", _send_size(stream, resized))
            showing = scope.spawn("output", _show(stream))
            await asyncio.wait((showing, typing) if held.leave else (showing,), return_when=asyncio.FIRST_COMPLETED)
    finally:
        loop.remove_reader(fd)
        loop.remove_signal_handler(signal.SIGWINCH)
        signal.signal(signal.SIGWINCH, previous)


async def _show(stream: RemoteStream) -> None:
    async for _, data in stream:
        await asyncio.to_thread(_write, data)


async def _send_typed(
    stream: RemoteStream, typed: asyncio.Queue[bytes], listen: Callable[[], None], held: Held
) -> None:
    while True:
        listen()
        data = await typed.get()
        if not data or (held.leave and LEAVE in data):
            return
        if held.stdin:
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
