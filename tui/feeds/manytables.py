"""One table of several namespaces: a live table each, seen as one."""

from collections.abc import Callable, Sequence

from apimachinery.aio.clock import Clock
from apimachinery.aio.tasks import TaskScope
from apimachinery.client.transport import Transport
from tui.feeds.state import FeedState, Phase
from tui.feeds.tables import Batch, TableFeed
from tui.views import Layout

_WORST = (Phase.LIVE, Phase.LOADING, Phase.CONNECTING, Phase.STALE)
"""What is said of all, when one fares so."""


class ManyTables:
    """Speaks as one TableFeed. One that is refused is left out while others are not."""

    def __init__(
        self,
        transport: Transport,
        paths: Sequence[str],
        *,
        clock: Clock,
        label_selector: str = "",
        field_selector: str = "",
        layout: Layout | None = None,
        on_pending: Callable[[], None] = lambda: None,
        on_state: Callable[[FeedState], None] = lambda _: None,
    ) -> None:
        self._on_state = on_state
        self._columns_told = False
        self._feeds = [
            TableFeed(
                transport, path, clock=clock, label_selector=label_selector, field_selector=field_selector,
                with_namespace=True, layout=layout, on_pending=on_pending, on_state=self._state_changed,
            )
            for path in paths
        ]  # fmt: skip

    @property
    def state(self) -> FeedState:
        states = [feed.state for feed in self._feeds]
        if all(state.phase is Phase.REFUSED for state in states):
            return states[0]
        heard = [state for state in states if state.phase is not Phase.REFUSED]
        return max(heard, key=lambda state: _WORST.index(state.phase))

    def reconnect_now(self) -> None:
        for feed in self._feeds:
            feed.reconnect_now()

    async def run(self) -> None:
        async with TaskScope("namespaces") as scope:
            tasks = [scope.spawn(f"table {number}", feed.run()) for number, feed in enumerate(self._feeds)]
            for task in tasks:
                await task

    def take(self) -> Batch | None:
        """All changes together. The first columns that come are the table's: a kind has the same everywhere."""
        batches = [batch for feed in self._feeds if (batch := feed.take()) is not None]
        if not batches:
            return None
        whole = Batch()
        for batch in batches:
            if batch.columns is not None and not self._columns_told:
                whole.columns = batch.columns
                self._columns_told = True
            whole.upserts += batch.upserts
            whole.removed += batch.removed
        return whole

    def _state_changed(self, state: FeedState) -> None:
        del state
        self._on_state(self.state)
