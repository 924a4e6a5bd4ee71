"""A terminal that belongs to the remote side: in a real pty, with the remote side played by an echo."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

SCRIPT = """
import asyncio, sys
from contextlib import asynccontextmanager
from apimachinery.client.exec import RemoteStream
from tui.screens.shell import Held, run_session

class Echo:
    protocol = "v5.channel.k8s.io"
    def __init__(self):
        self.messages = asyncio.Queue()
        self.messages.put_nowait(b"\\x01ready\\n")
        self.kinds = set()
    async def send(self, message):
        self.kinds.add(message[0])
        if message[0] == 0:
            self.messages.put_nowait(b"\\x01<" + message[1:] + b">")
            if b"q" in message:
                self.messages.put_nowait(b'\\x03{"status":"Failure","message":"m","details":{"causes":'
                                         b'[{"reason":"ExitCode","message":"7"}]}}')
                self.messages.put_nowait(None)
    async def receive(self):
        return await self.messages.get()
    async def close(self): ...

async def main():
    echo = Echo()
    @asynccontextmanager
    async def opened():
        yield RemoteStream(echo)
    status = await run_session(opened, Held(HELD))
    print("ended", status.code if status else None, sorted(echo.kinds))
asyncio.run(main())
"""


class Pty:
    def __init__(self, held: str) -> None:
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT.replace("HELD", held)], stdin=slave, stdout=slave, stderr=slave
        )
        os.close(slave)
        self.seen = b""

    def shows(self, text: bytes) -> bytes:
        until = time.monotonic() + 30
        while text not in self.seen:
            assert time.monotonic() < until, self.seen
            if select.select([self.master], [], [], 0.2)[0]:
                try:
                    self.seen += os.read(self.master, 4096)
                except OSError:
                    break
        assert text in self.seen, self.seen
        return self.seen

    def type(self, text: bytes) -> None:
        os.write(self.master, text)


@contextmanager
def terminal(held: str) -> Iterator[Pty]:
    made = Pty(held)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.wait()
        os.close(made.master)


def test_keys_go_over_as_they_are_typed_and_the_command_ends_the_session() -> None:
    with terminal("") as made:
        made.shows(b"ready\n")
        made.type(b"\x03\x1d")
        made.shows(b"<\x03\x1d>")
        made.type(b"q")
        made.shows(b"ended 7 [0, 4]")


@pytest.mark.parametrize("held", ["leave=True, stdin=True, tty=True", "leave=True, stdin=True, tty=False"])
def test_leaving_ends_the_session_and_tells_the_other_side_nothing(held: str) -> None:
    with terminal(held) as made:
        made.shows(b"ready")
        made.type(b"a")
        made.shows(b"<a>")
        made.type(b"\x1d")
        seen = made.shows(b"ended None")
        assert b"<\x1d>" not in seen


def test_where_no_terminal_is_over_there_lines_end_as_they_should_here() -> None:
    with terminal("leave=True, stdin=False, tty=False") as made:
        made.shows(b"ready\r\n")
        made.type(b"a")
        made.type(b"\x1d")
        made.shows(b"ended None []")
