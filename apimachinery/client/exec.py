"""Remote commands in containers over WebSocket: stdin, stdout, stderr, resize, exit status.

Channel protocol: v5.channel.k8s.io (v4 with a message that closes one channel), as kubectl speaks it.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from apimachinery.client.client import Client
from apimachinery.client.transport import WebSocket
from apimachinery.objects.resources import PODS

STDIN, STDOUT, STDERR, ERROR, RESIZE = 0, 1, 2, 3, 4
CLOSE = 255
PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")


@dataclass(frozen=True, slots=True)
class ExitStatus:
    """How the command ended: its exit code, and the server's message when that was not a plain exit."""

    code: int
    message: str = ""


class RemoteStream:
    """One running command. Iterate for (channel, bytes) with channel STDOUT or STDERR; then read `exit_status`."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self.exit_status: ExitStatus | None = None

    async def send_stdin(self, data: bytes) -> None:
        await self._socket.send(bytes([STDIN]) + data)

    async def close_stdin(self) -> None:
        """Tell the command that its input has ended. Protocol v4 has no word for that: there it does nothing."""
        if self._socket.protocol.startswith("v5"):
            await self._socket.send(bytes([CLOSE, STDIN]))

    async def resize(self, width: int, height: int) -> None:
        await self._socket.send(bytes([RESIZE]) + msgspec.json.encode({"Width": width, "Height": height}))

    async def __aiter__(self) -> AsyncIterator[tuple[Literal[1, 2], bytes]]:
        while (message := await self._socket.receive()) is not None:
            if not message:
                continue
            channel, data = message[0], message[1:]
            if channel == ERROR:
                self.exit_status = exit_status(data)
            elif data and channel == STDOUT:
                yield STDOUT, data
            elif data and channel == STDERR:
                yield STDERR, data


@asynccontextmanager
async def open_exec(
    client: Client,
    namespace: str,
    pod: str,
    *,
    command: Sequence[str],
    container: str = "",
    stdin: bool = False,
    tty: bool = False,
) -> AsyncIterator[RemoteStream]:
    """Run `command` in a container of the pod. Raises StatusError when the server refuses."""
    query = [("command", word) for word in command]
    query += _streams(container, stdin=stdin, tty=tty)
    async with _opened(client, PODS.path(namespace, pod, "exec"), query) as stream:
        yield stream


@asynccontextmanager
async def open_attach(
    client: Client, namespace: str, pod: str, *, container: str = "", stdin: bool = False, tty: bool = False
) -> AsyncIterator[RemoteStream]:
    """Join the streams of the container's main process."""
    query = _streams(container, stdin=stdin, tty=tty)
    async with _opened(client, PODS.path(namespace, pod, "attach"), query) as stream:
        yield stream


@asynccontextmanager
async def _opened(client: Client, path: str, query: list[tuple[str, str]]) -> AsyncIterator[RemoteStream]:
    socket = await client.transport.websocket(path, query=query, subprotocols=PROTOCOLS)
    try:
        yield RemoteStream(socket)
    finally:
        await socket.close()


def _streams(container: str, *, stdin: bool, tty: bool) -> list[tuple[str, str]]:
    query = [("stdout", "true"), ("stderr", "false" if tty else "true")]
    query += [("stdin", "true")] if stdin else []
    query += [("tty", "true")] if tty else []
    query += [("container", container)] if container else []
    return query


def exit_status(status: bytes) -> ExitStatus:
    """Read the Status object that the server sends when the command has ended."""
    decoded: dict[str, Any] = msgspec.json.decode(status)
    if decoded.get("status") == "Success":
        return ExitStatus(0)
    for cause in (decoded.get("details") or {}).get("causes") or ():
        if cause.get("reason") == "ExitCode":
            return ExitStatus(int(cause.get("message") or 1), decoded.get("message", ""))
    return ExitStatus(1, decoded.get("message", ""))
