"""The engine's SSH link to each machine: the agent's way to the API, and the engine's way to the agent.

For every Node that tells how its machine is reached, one connection with the engine's own key is kept. Over it the
machine listens on 127.0.0.1:6443 for its agent and for its pods' `kubernetes` Service, and the engine reaches the
agent's HTTPS port. A link that breaks is made again; a Node that is deleted closes its link.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import structlog

from apimachinery.aio.backoff import Backoff
from apimachinery.aio.clock import Clock, SystemClock
from apimachinery.aio.tasks import TaskScope, cancel_and_wait
from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.client.informer import Informer
from apimachinery.objects.errors import ServiceUnavailable, StatusError
from apimachinery.objects.meta import format_time
from apimachinery.objects.resources import EVENTS, NODES
from engine.fleet.errors import FleetError, PortRefused
from engine.fleet.nodes import NodeView, Way, way_of
from engine.fleet.ssh.connect import Keepalive, Login, connected
from engine.fleet.ssh.connection import Connection
from engine.fleet.ssh.hostkeys import generate_key
from engine.fleet.steps.link import AGENT_PORT, API_PORT, GUARD

log = structlog.get_logger(__name__)

# A cut is noticed after 15 to 20 seconds, well before the node is called NotReady for its missing heartbeats.
KEEPALIVE = Keepalive(seconds=5.0, count=3)
HEALTHY_SECONDS = 60.0
"""A link that lasted this long starts again with the shortest wait."""
_EVENT_AFTER_FAILURES = 3
_PORT_RETRIES = 10


@dataclass(frozen=True, slots=True)
class NodeEndpoint:
    """Where the agent of a node answers, as seen from here."""

    base_url: str
    ssl: ssl.SSLContext


@dataclass(slots=True)
class LinkHealth:
    """How a node's link fares; `error` is empty while it is up."""

    state: Literal["connecting", "up", "down"] = "connecting"
    error: str = ""
    since: float = 0.0
    """On the monotonic clock, when `state` began."""
    failures: int = 0


@dataclass(slots=True)
class _Link:
    way: Way
    health: LinkHealth
    uid: str
    task: asyncio.Task[None] | None = None
    port: int = 0
    up: asyncio.Event = field(default_factory=asyncio.Event)
    wake: asyncio.Event = field(default_factory=asyncio.Event)


class Links:
    """Keeps the links while `run` runs; answers where a node's agent is."""

    def __init__(
        self,
        client: Client,
        data_dir: Path,
        api_port: int,
        agent_ssl: ssl.SSLContext,
        *,
        clock: Clock | None = None,
        api_port_on_machine: int = API_PORT,
        agent_port: int = AGENT_PORT,
    ) -> None:
        self._client = client
        self._key_path = data_dir / "pki" / "ssh" / "id_ed25519"
        self._api_port = api_port
        self._agent_ssl = agent_ssl
        self._clock = clock or SystemClock()
        self._listen = ("127.0.0.1", api_port_on_machine)
        self._agent = ("127.0.0.1", agent_port)
        self._links: dict[str, _Link] = {}

    async def run(self) -> None:
        """Follow the Nodes for ever. Ends by cancellation, with every link closed."""
        generate_key(self._key_path, "pilothouse-link")
        changed: asyncio.Queue[str] = asyncio.Queue()
        informer = Informer(self._client, NODES, view=NodeView)

        def note(old: NodeView | None, new: NodeView | None) -> None:
            node = new or old
            if node is not None:
                changed.put_nowait(node.metadata.name)

        informer.on_change(note)
        async with TaskScope("links") as scope:
            scope.spawn("nodes", informer.run())
            try:
                while True:
                    name = await changed.get()
                    await self._follow(scope, name, informer.get(name))
            finally:
                self._links.clear()

    async def endpoint(self, node_name: str, *, patience: float = 2.0) -> NodeEndpoint:
        """Where the node's agent answers; a link that is just being made is waited for, `patience` seconds.

        Raises ServiceUnavailable naming the node and the cause.
        """
        link = self._links.get(node_name)
        if link is None:
            raise ServiceUnavailable(f'node "{node_name}" is not connected')
        if not link.up.is_set():
            link.wake.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await link.up.wait()
        if not link.up.is_set():
            cause = f": {link.health.error}" if link.health.error else ""
            raise ServiceUnavailable(f'node "{node_name}" is not connected{cause}')
        return NodeEndpoint(f"https://127.0.0.1:{link.port}", self._agent_ssl)

    def health(self) -> dict[str, LinkHealth]:
        """The state of every link by node."""
        return {name: link.health for name, link in self._links.items()}

    async def _follow(self, scope: TaskScope, name: str, node: NodeView | None) -> None:
        """Start, restart or close a link so that it fits the Node."""
        way = _way(node)
        link = self._links.get(name)
        if link is not None and (way != link.way or node is None):
            del self._links[name]
            if link.task is not None:
                await cancel_and_wait(link.task)
            link = None
        if link is None and way is not None and node is not None:
            link = _Link(way, LinkHealth(since=self._clock.monotonic()), node.metadata.uid)
            self._links[name] = link
            link.task = scope.spawn(name, self._keep(name, link))

    async def _keep(self, name: str, link: _Link) -> None:
        """Make the link, again and again."""
        backoff = Backoff(initial=1.0, maximum=30.0)
        while True:
            started = self._clock.monotonic()
            try:
                await self._serve(name, link)
                error = "the connection was closed"
            except (FleetError, OSError) as failure:
                error = str(failure)
            except Exception as failure:  # noqa: BLE001 - a supervised loop: one machine must not take the others down
                error = f"{type(failure).__name__}: {failure}"
            link.up.clear()
            if link.health.state == "up" and self._clock.monotonic() - started > HEALTHY_SECONDS:
                backoff.reset()
            await self._note_down(name, link, error)
            link.wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(backoff.next()):
                    await link.wake.wait()  # somebody asks for the node right now

    async def _serve(self, name: str, link: _Link) -> None:
        """One life of a link: from the connection to its end."""
        login = Login(key_files=(str(self._key_path),), user_config=False)
        way = link.way
        async with connected(way.target, login, jump=way.jump, pins=way.pins, keepalive=KEEPALIVE) as connection:
            guard = await connection.hold(GUARD)
            if guard.greeting != "ready":
                raise FleetError(f"{way.target}: its link guard says {guard.greeting or 'nothing'!r}")
            await self._forward_api(connection)
            link.port = (await connection.forward_to_machine(self._agent)).port
            await self._note_up(name, link)
            await connection.wait_closed()

    async def _forward_api(self, connection: Connection) -> None:
        """Take the machine's port; a session that the guard has just ended may need a moment to let go of it."""
        for attempt in range(1, _PORT_RETRIES + 1):
            try:
                await connection.forward_from_machine(self._listen, ("127.0.0.1", self._api_port))
            except PortRefused:
                if attempt == _PORT_RETRIES:
                    raise
                await self._clock.sleep(0.3)
            else:
                return

    async def _note_up(self, name: str, link: _Link) -> None:
        failures = link.health.failures
        link.health = LinkHealth(state="up", since=self._clock.monotonic())
        link.up.set()
        log.info("link up", node=name, address=link.way.target.address)
        if failures >= _EVENT_AFTER_FAILURES:
            await self._event(name, link, "Normal", "LinkUp", f"Connected to {link.way.target.address} by SSH again")

    async def _note_down(self, name: str, link: _Link, error: str) -> None:
        """Logged when it breaks; a few failures in a row are worth an Event, the hundredth is not."""
        health = link.health
        first = health.state != "down"
        since = self._clock.monotonic() if first else health.since
        link.health = LinkHealth(state="down", error=error, since=since, failures=health.failures + 1)
        if first:
            log.warning("link down; connecting again", node=name, error=error)
        if link.health.failures == _EVENT_AFTER_FAILURES:
            await self._event(name, link, "Warning", "LinkDown", f"No SSH connection: {error}")

    async def _event(self, name: str, link: _Link, kind: str, reason: str, message: str) -> None:
        now = format_time(self._clock.now())
        event: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{name}.", "namespace": "default"},
            "involvedObject": {"apiVersion": "v1", "kind": "Node", "name": name, "uid": link.uid},
            "type": kind,
            "reason": reason,
            "message": message,
            "source": {"component": "pilothouse-link", "host": name},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        with suppress(StatusError, ConnectionFailed):
            await self._client.create(EVENTS, event, "default")


def _way(node: NodeView | None) -> Way | None:
    if node is None:
        return None
    try:
        return way_of(node.metadata.annotations)
    except ValueError as error:
        log.error("node's annotations do not tell how to reach it", node=node.metadata.name, error=str(error))
        return None
