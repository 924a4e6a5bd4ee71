"""One forwarded connection to a port of a pod, over WebSocket.

Channel protocol (v4.channel.k8s.io, which every server that takes WebSockets for port-forwards speaks; v5 adds the
half-close): data on channel 0, errors on channel 1; the first message of each names the port, little-endian.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.client.exec import CLOSE, PROTOCOLS
from apimachinery.client.transport import WebSocket
from apimachinery.objects.resources import PODS

DATA, ERROR = 0, 1
PORT_BYTES = 2


class ForwardedStream:
    """Bytes to and from one port. Iterate for what the pod sends; its refusal is raised as ConnectionFailed."""

    def __init__(self, socket: WebSocket, port: int) -> None:
        self._socket = socket
        self._port = port
        self._named: set[int] = set()

    async def send(self, data: bytes) -> None:
        await self._socket.send(bytes([DATA]) + data)

    async def close_sending(self) -> bool:
        """Tell the pod that no more comes. False where the protocol has no word for that (v4)."""
        if not self._socket.protocol.startswith("v5"):
            return False
        await self._socket.send(bytes([CLOSE, DATA]))
        return True

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (message := await self._socket.receive()) is not None:
            if not message:
                continue
            channel, payload = message[0], message[1:]
            if channel in (DATA, ERROR) and channel not in self._named:
                self._named.add(channel)
                payload = payload[PORT_BYTES:]
            if not payload:
                continue
            if channel == ERROR:
                raise ConnectionFailed(f"port {self._port}: {payload.decode(errors='replace').strip()}")
            if channel == DATA:
                yield payload


@asynccontextmanager
async def open_forward(client: Client, namespace: str, pod: str, port: int) -> AsyncIterator[ForwardedStream]:
    """A connection to `port` of the pod. Raises StatusError when the server refuses, else ConnectionFailed."""
    path = PODS.path(namespace, pod, "portforward")
    socket = await client.transport.websocket(path, query=[("ports", str(port))], subprotocols=PROTOCOLS)
    try:
        yield ForwardedStream(socket, port)
    finally:
        await socket.close()
