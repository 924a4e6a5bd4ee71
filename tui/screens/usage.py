"""Usage columns on a live table: they come when metrics are served, and change without a stir."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from tui.feeds.metrics import MetricsFeed
from tui.rows import Column, Row
from tui.usagecells import UsageColumns

if TYPE_CHECKING:
    from tui.screens.base import ClusterScreen
    from tui.widgets.table import VirtualTable

SLICE = 500
"""So many rows change in one turn, so that keys never wait for all of them."""


class UsageOverlay:
    """Stands between the table's feed and the table. `reset` is called once, when the columns first come."""

    def __init__(
        self,
        screen: "ClusterScreen",
        table: "VirtualTable",
        namespaces: Sequence[str | None],
        reset: Callable[[], None],
    ) -> None:
        target, session = screen.target, screen.session
        self._screen = screen
        self._table = table
        self._reset = reset
        self._columns = UsageColumns(of_pods=target.resource.plural == "pods")
        self._feed = MetricsFeed(
            session.client,
            target.resource,
            namespaces,
            clock=session.clock,
            label_selector=target.label_selector,
            wanted=lambda: [row.key for row in table.model.rows()],
            on_change=self._changed,
        )

    async def run(self) -> None:
        await self._feed.run()

    def columns(self, own: tuple[Column, ...]) -> tuple[Column, ...]:
        return self._columns.columns(own)

    def rows(self, own: Iterable[Row]) -> list[Row]:
        rows = [self._extended(row) for row in own]
        usage, budgets = self._feed.usage, self._feed.budgets
        if any(row.key in usage and row.key not in budgets for row in rows):
            # Once they are in the table: what is wanted is read off it.
            self._screen.call_later(self._feed.rows_came)
        return rows

    def stripped(self, rows: Iterable[Row]) -> list[Row]:
        """The server's rows, of rows as they are in the table."""
        return [self._columns.own(row) for row in rows]

    def show(self) -> None:
        self._columns.shown = True

    def _extended(self, own: Row) -> Row:
        return self._columns.row(own, self._feed.usage.get(own.key), self._feed.budgets.get(own.key))

    def _changed(self) -> None:
        if not self._screen.shown:
            return
        if self._columns.shown:
            self._renew([row.uid for row in self._table.model.rows()])
        elif self._feed.usage:
            self._reset()

    def _renew(self, uids: list[str]) -> None:
        """New numbers for these rows, a slice at a time."""
        if not self._screen.shown:
            return
        changed: list[Row] = []
        for uid in uids[:SLICE]:
            row = self._table.model.get(uid)
            if row is not None:
                renewed = self._extended(self._columns.own(row))
                if renewed.cells != row.cells:
                    changed.append(renewed)
        if changed:
            self._table.apply(changed, [], quiet=True)
        if uids[SLICE:]:
            self._screen.call_later(self._renew, uids[SLICE:])
