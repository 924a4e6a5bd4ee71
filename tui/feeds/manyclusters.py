"""One table of several clusters: each connected, watched and failing on its own."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from apimachinery.aio.backoff import Backoff
from apimachinery.aio.clock import Clock
from apimachinery.aio.tasks import TaskScope
from apimachinery.client.errors import KubeconfigError
from tui.feeds.manytables import ManyTables
from tui.feeds.state import FeedState, Phase
from tui.feeds.tables import Batch, TableFeed
from tui.rows import Cell, Column, Row

CLUSTER = Column("Cluster")

Tables = TableFeed | ManyTables
Opened = Callable[[str], Awaitable[Callable[[Callable[[], None], Callable[[FeedState], None]], Tables]]]
"""The way into one cluster; then its feed, once it is told whom to tell. Raises KubeconfigError."""


@dataclass(slots=True)
class _One:
    name: str
    state: FeedState
    feed: Tables | None = None
    columns: tuple[Column, ...] = ()
    places: tuple[int | None, ...] | None = None
    """Where the table's columns are among this cluster's own; None when they are the same."""
    kick: asyncio.Event = field(default_factory=asyncio.Event)


class ManyClusters:
    """Speaks as one TableFeed. Rows carry their cluster, and keys that no two clusters share.

    The first columns that come are the table's; a cluster of another version has its cells put under them by name.
    """

    def __init__(
        self,
        names: Sequence[str],
        opened: Opened,
        *,
        clock: Clock,
        on_pending: Callable[[], None] = lambda: None,
        on_state: Callable[[str, FeedState], None] = lambda *_: None,
    ) -> None:
        self._opened = opened
        self._clock = clock
        self._on_pending = on_pending
        self._on_state = on_state
        self._columns: tuple[Column, ...] = ()
        connecting = FeedState(phase=Phase.CONNECTING, since=clock.monotonic())
        self._all = {name: _One(name, connecting) for name in names}

    @property
    def states(self) -> dict[str, FeedState]:
        return {one.name: one.state for one in self._all.values()}

    @property
    def state(self) -> FeedState:
        """That of the best: while one cluster answers there is a table."""
        order = (Phase.LIVE, Phase.STALE, Phase.LOADING, Phase.CONNECTING, Phase.REFUSED)
        states = [one.state for one in self._all.values()]
        return min(states, key=lambda state: order.index(state.phase), default=FeedState(phase=Phase.LIVE))

    def reconnect_now(self) -> None:
        for one in self._all.values():
            one.kick.set()
            if one.feed is not None:
                one.feed.reconnect_now()

    async def run(self) -> None:
        async with TaskScope("clusters") as scope:
            for task in [scope.spawn(name, self._run_one(one)) for name, one in self._all.items()]:
                await task

    def take(self) -> Batch | None:
        whole, heard = Batch(), False
        for one in self._all.values():
            batch = one.feed.take() if one.feed is not None else None
            if batch is None:
                continue
            heard = True
            if batch.columns is not None:
                one.columns = batch.columns
                if not self._columns:
                    self._columns = batch.columns
                    whole.columns = (CLUSTER, *batch.columns)
                one.places = _places(self._columns, batch.columns)
            whole.upserts += [_of_cluster(row, one.name, one.places) for row in batch.upserts]
            whole.removed += [f"{one.name}:{uid}" for uid in batch.removed]
        return whole if heard else None

    async def _run_one(self, one: _One) -> None:
        backoff = Backoff(1.0, 30.0)
        while one.feed is None:
            try:
                made = await self._opened(one.name)
            except KubeconfigError as error:
                delay = backoff.next()
                now = self._clock.monotonic()
                self._set(one, FeedState(phase=Phase.REFUSED, since=now, detail=str(error), retry_at=now + delay))
                one.kick.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(delay):
                        await one.kick.wait()
                continue
            one.feed = made(self._on_pending, lambda state: self._set(one, state))
        await one.feed.run()

    def _set(self, one: _One, state: FeedState) -> None:
        one.state = state
        self._on_state(one.name, state)


def uid_in_cluster(row: Row) -> Row:
    """The row as its own cluster knows it."""
    return replace(row, uid=row.uid.removeprefix(f"{row.cluster}:"))


def _of_cluster(row: Row, cluster: str, places: tuple[int | None, ...] | None) -> Row:
    cells = row.cells if places is None else tuple(_cell(row, place) for place in places)
    return replace(row, uid=f"{cluster}:{row.uid}", cluster=cluster, cells=(cluster, *cells))


def _cell(row: Row, place: int | None) -> Cell:
    return row.cells[place] if place is not None and place < len(row.cells) else None


def _places(wanted: tuple[Column, ...], own: tuple[Column, ...]) -> tuple[int | None, ...] | None:
    names = [column.name for column in own]
    if names == [column.name for column in wanted]:
        return None
    return tuple(names.index(column.name) if column.name in names else None for column in wanted)
