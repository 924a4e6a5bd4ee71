"""A supervised port-forward: a local port that leads to a ready pod for as long as the app runs.

Each connection gets a WebSocket of its own, to the pod that is ready at that moment: pods may restart, be replaced
or move, and the connection to the cluster may break and come back; the local port stays.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from apimachinery.aio.clock import Clock
from apimachinery.aio.tasks import TaskScope
from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.client.portforward import ForwardedStream, open_forward
from apimachinery.objects.errors import Forbidden, StatusError, Unauthorized
from apimachinery.objects.resources import PODS
from tui.feeds.objects import ObjectFeed
from tui.feeds.state import FeedState, Phase
from tui.forwarding import choose_pod, is_running, port_number

JSON = dict[str, Any]
CHUNK = 64 * 1024
PATIENCE = 20.0
"""Seconds that a new connection waits for a pod to become ready."""
AGAIN = 0.5
LINGER = 15.0
"""Seconds of silence after which a connection that the local side has finished is closed (v4 cannot say it)."""
BIND_AGAIN = 3.0


class ForwardPhase(StrEnum):
    STARTING = "starting"
    READY = "ready"
    WAITING = "no pod ready"
    LOST = "cluster lost"
    BLOCKED = "port in use"
    REFUSED = "refused"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardSpec:
    """`what` as people say it (`svc/web`). With `pod` set it leads to that pod alone, else to those selected."""

    context: str
    namespace: str
    what: str
    port: str
    local: int
    address: str = "127.0.0.1"
    pod: str = ""
    label_selector: str = ""


class Forward:
    """`run` until cancelled; the rest is for looking at. `on_change` hears of every change of phase."""

    def __init__(
        self, client: Client, spec: ForwardSpec, *, clock: Clock, on_change: Callable[[], None] = lambda: None
    ) -> None:
        self.spec = spec
        self.phase = ForwardPhase.STARTING
        self.detail = ""
        self.local = spec.local
        self.pod = ""
        self.open = 0
        self.served = 0
        self.received = 0
        self.sent = 0
        self._client = client
        self._clock = clock
        self._on_change = on_change
        self._bound = False
        self._feed = ObjectFeed(
            client.transport,
            PODS,
            spec.namespace,
            clock=clock,
            name=spec.pod,
            label_selector=spec.label_selector,
            on_change=self._look,
            on_state=self._feed_state,
        )

    @property
    def url(self) -> str:
        """Where the local side is; a browser takes it if it is HTTP."""
        host = f"[{self.spec.address}]" if ":" in self.spec.address else self.spec.address
        return f"http://{host}:{self.local}"

    @property
    def same_as(self) -> tuple[str, int]:
        return (self.spec.address, self.local)

    async def run(self) -> None:
        """Serve until cancelled; a port that is taken is tried again until it is free."""
        try:
            async with TaskScope("forward") as scope:
                scope.spawn("pods", self._feed.run())
                while True:
                    try:
                        server = await asyncio.start_server(
                            lambda reader, writer: self._accept(scope, reader, writer), self.spec.address, self.local
                        )
                        break
                    except OSError as error:
                        self._set(ForwardPhase.BLOCKED, error.strerror or str(error))
                        await self._clock.sleep(BIND_AGAIN)
                self._bound = True
                self.local = server.sockets[0].getsockname()[1]
                self._look()
                async with server:
                    await server.serve_forever()
        finally:
            self._bound = False
            self._set(ForwardPhase.STOPPED, "")

    # its state

    def _look(self) -> None:
        if not self._bound:
            return
        pod = self._choose(())
        if pod is not None:
            self.pod = pod["metadata"]["name"]
            self._set(ForwardPhase.READY, "")
        elif self._feed.state.phase is Phase.LIVE or self._feed.synced:
            self._set(ForwardPhase.WAITING, f"no pod of {self.spec.what} is ready")

    def _feed_state(self, state: FeedState) -> None:
        if not self._bound:
            return
        match state.phase:
            case Phase.REFUSED:
                self._set(ForwardPhase.REFUSED, state.detail)
            case Phase.STALE | Phase.CONNECTING if state.detail:
                self._set(ForwardPhase.LOST, state.detail)
            case Phase.LIVE:
                self._look()
            case _:
                pass

    def _set(self, phase: ForwardPhase, detail: str) -> None:
        if (phase, detail) != (self.phase, self.detail):
            self.phase, self.detail = phase, detail
            self._on_change()

    def _choose(self, avoid: tuple[str, ...]) -> JSON | None:
        if self.spec.pod:
            return next((pod for pod in self._feed.objects if is_running(pod)), None)
        return choose_pod(self._feed.objects, last=self.pod, avoid=avoid)

    # its connections

    def _accept(self, scope: TaskScope, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        scope.spawn("connection", self._serve(reader, writer))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.served += 1
        try:
            async with self._stream() as stream:
                await self._join(stream, reader, writer)
        except (StatusError, ConnectionFailed, TimeoutError) as error:
            self.detail = str(error)
            self._on_change()
        except OSError:
            # The local side left in the middle: its right.
            pass
        finally:
            self.open -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    @contextlib.asynccontextmanager
    async def _stream(self) -> AsyncIterator[ForwardedStream]:
        """A way to a pod; other ready pods are tried, and waited for, before it is given up."""
        deadline = asyncio.get_running_loop().time() + PATIENCE
        failed: tuple[str, ...] = ()
        trouble: StatusError | ConnectionFailed = ConnectionFailed(f"no pod of {self.spec.what} became ready")
        while asyncio.get_running_loop().time() < deadline:
            pod = self._choose(failed)
            number = port_number(pod, self.spec.port) if pod is not None else None
            if pod is None:
                failed = ()
                await asyncio.sleep(AGAIN)
                continue
            name = pod["metadata"]["name"]
            if number is None:
                raise ConnectionFailed(f'pod {name} has no port named "{self.spec.port}"')
            context = open_forward(self._client, self.spec.namespace, name, number)
            try:
                stream = await context.__aenter__()
            except (Forbidden, Unauthorized):
                raise
            except (StatusError, ConnectionFailed) as error:
                trouble, failed = error, (*failed, name)
                await asyncio.sleep(AGAIN)
                continue
            self.pod = name
            try:
                yield stream
            finally:
                await context.__aexit__(None, None, None)
            return
        raise trouble

    async def _join(self, stream: ForwardedStream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until the pod's side ends; or the local side has, which the pod cannot be told, and nothing more comes."""
        count = _Count()
        async with TaskScope("join") as scope:
            inward = scope.spawn("inward", self._inward(stream, writer, count))
            outward = scope.spawn("outward", self._outward(stream, reader))
            await asyncio.wait((inward, outward), return_when=asyncio.FIRST_COMPLETED)
            if outward.done() and outward.result():
                await asyncio.wait((inward,))
            while not inward.done():
                before = count.received
                await asyncio.wait((inward,), timeout=LINGER)
                if count.received == before:
                    return

    async def _outward(self, stream: ForwardedStream, reader: asyncio.StreamReader) -> bool:
        """Until the local side has said all; whether the pod could be told so."""
        while chunk := await reader.read(CHUNK):
            await stream.send(chunk)
            self.sent += len(chunk)
        return await stream.close_sending()

    async def _inward(self, stream: ForwardedStream, writer: asyncio.StreamWriter, count: "_Count") -> None:
        async for chunk in stream:
            count.received += len(chunk)
            self.received += len(chunk)
            writer.write(chunk)
            await writer.drain()


@dataclass(slots=True)
class _Count:
    """Of one connection."""

    received: int = 0
