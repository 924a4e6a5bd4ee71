"""One cluster as the app sees it: its client, what it serves, which namespace is chosen, what was changed."""

from collections.abc import Callable

import structlog

from apimachinery.aio.clock import Clock
from apimachinery.client.client import Client
from apimachinery.client.discovery import discover
from apimachinery.client.errors import ConnectionFailed
from apimachinery.client.kubeconfig import ClusterAccess
from apimachinery.client.transport import Transport
from apimachinery.objects.errors import StatusError
from apimachinery.objects.resources import NAMESPACES
from tui.changes import FIELD_MANAGER, Journal
from tui.feeds.history import UsageHistory
from tui.feeds.pulse import Pulse
from tui.feeds.readonly import ReadOnlyTransport
from tui.feeds.record import Recorder
from tui.kinds.aliases import Aliases
from tui.permissions import Permissions

log = structlog.get_logger(__name__)


class Session:
    """`namespace` None means all. `on_change` is told when the header has something new to say."""

    def __init__(
        self,
        access: ClusterAccess,
        transport: Transport,
        *,
        clock: Clock,
        readonly: bool = False,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.access = access
        self.transport: Transport = ReadOnlyTransport(transport) if readonly else transport
        self.client = Client(self.transport, field_manager=FIELD_MANAGER)
        self.clock = clock
        self.readonly = readonly
        self.namespace: str | None = access.namespace or "default"
        self.namespaces: list[str] = []
        self.aliases = Aliases()
        self.journal = Journal()
        self.history = UsageHistory()
        self.records = Recorder()
        self.permissions = Permissions(self.client, clock=clock)
        self.reachable: bool | None = None
        self.trouble = ""
        self.last_sign = clock.monotonic()
        self._on_change = on_change
        self._revived: list[Callable[[], None]] = []
        self.pulse = Pulse(self.transport, clock=clock, on_beat=self._beat)

    def now(self) -> float:
        """Seconds since the epoch, by the session's clock."""
        return self.clock.now().timestamp()

    def when_revived(self, call: Callable[[], None]) -> Callable[[], None]:
        """Have `call` run when the server answers again after silence; returns what ends that."""
        self._revived.append(call)
        return lambda: self._revived.remove(call)

    async def learn(self) -> None:
        """Ask which kinds and namespaces there are. Trouble leaves what is known; it is asked again when needed."""
        try:
            self.aliases = Aliases(await discover(self.client))
        except (StatusError, ConnectionFailed) as error:
            log.warning("discovery failed", error=str(error))
        await self.learn_namespaces()
        self._on_change()

    async def learn_namespaces(self) -> None:
        try:
            page = await self.client.list(NAMESPACES, limit=500)
            self.namespaces = sorted(item["metadata"]["name"] for item in page.items)
        except (StatusError, ConnectionFailed) as error:
            log.warning("namespaces cannot be listed", error=str(error))

    async def close(self) -> None:
        await self.transport.close()

    def _beat(self, alive: bool, detail: str) -> None:
        before = self.reachable
        self.reachable = alive
        self.trouble = detail
        if alive:
            self.last_sign = self.clock.monotonic()
        if alive and before is False:
            for call in list(self._revived):
                call()
        if before is not alive or not alive:
            self._on_change()
