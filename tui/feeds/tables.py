"""A live Table: rows of one kind in one scope, as batches of changes that the screen takes when it paints."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from apimachinery.aio.clock import Clock
from apimachinery.client.transport import Transport
from tui.feeds.listwatch import ListWatch, Page
from tui.feeds.state import FeedState
from tui.feeds.wire import TABLE_ACCEPT, WireTable, columns_of, decode_event, decode_table, decode_with_objects, rows_of
from tui.rows import Column, Row
from tui.views import Layout


@dataclass(slots=True)
class Batch:
    """What changed since the last take. `columns` only when they are new."""

    columns: tuple[Column, ...] | None = None
    upserts: list[Row] = field(default_factory=list[Row])
    removed: list[str] = field(default_factory=list[str])


class TableFeed:
    """Collects changes until they are taken, so a flood costs one repaint; `on_pending` is called once per batch.

    `layout` gives the table other columns than the server's.
    """

    def __init__(
        self,
        transport: Transport,
        path: str,
        *,
        clock: Clock,
        label_selector: str = "",
        field_selector: str = "",
        with_namespace: bool = False,
        layout: Layout | None = None,
        on_pending: Callable[[], None] = lambda: None,
        on_state: Callable[[FeedState], None] = lambda _: None,
    ) -> None:
        self._clock = clock
        self._on_pending = on_pending
        self._with_namespace = with_namespace
        self._layout = layout
        self._server_columns: tuple[Column, ...] = ()
        self._columns: tuple[Column, ...] = ()
        self._new_columns = False
        self._known: set[str] = set()
        self._listed: set[str] = set()
        self._pending: dict[str, Row | None] = {}
        query = selectors_query(label_selector, field_selector) | {
            "includeObject": "Object" if layout is not None and layout.reads_objects else "Metadata"
        }
        self._loop = ListWatch(transport, path, self, clock=clock, accept=TABLE_ACCEPT, query=query, on_state=on_state)

    @property
    def state(self) -> FeedState:
        return self._loop.state

    def reconnect_now(self) -> None:
        self._loop.reconnect_now()

    async def run(self) -> None:
        await self._loop.run()

    def take(self) -> Batch | None:
        """The changes since the last call, newest state per row; None when there are none."""
        if not self._pending and not self._new_columns:
            return None
        batch = Batch(columns=self._columns if self._new_columns else None)
        for uid, row in self._pending.items():
            if row is None:
                batch.removed.append(uid)
            else:
                batch.upserts.append(row)
        self._pending = {}
        self._new_columns = False
        return batch

    # Sink

    def begin(self) -> None:
        self._listed = set()

    def page(self, body: bytes) -> Page:
        table, rows = self._read(body)
        for row in rows:
            self._listed.add(row.uid)
            self._put(row)
        return Page(table.metadata.resource_version, table.metadata.continue_, len(rows))

    def end(self) -> None:
        for uid in self._known - self._listed:
            self._drop(uid)
        self._listed = set()

    def event(self, line: bytes) -> str:
        event = decode_event(line)
        if event.type == "BOOKMARK":
            table = decode_table(event.object)
            return table.metadata.resource_version or (
                table.rows[0].object.metadata.resource_version if table.rows else ""
            )
        table, rows = self._read(event.object)
        version = table.metadata.resource_version
        for row in rows:
            if event.type == "DELETED":
                self._drop(row.uid)
            else:
                self._put(row)
            version = row.resource_version
        return version

    def _read(self, body: bytes | msgspec.Raw) -> tuple[WireTable, list[Row]]:
        layout, objects = self._layout, list[dict[str, Any]]()
        if layout is not None and layout.reads_paths:
            table, objects = decode_with_objects(body)
        else:
            table = decode_table(body)
        self._learn_columns(columns_of(table, with_namespace=self._with_namespace))
        server = self._server_columns
        rows = rows_of(table, server, self._clock.now().timestamp())
        if layout is not None:
            rows = [layout.row(row, server, objects[i] if objects else {}) for i, row in enumerate(rows)]
        return table, rows

    def _learn_columns(self, server: tuple[Column, ...] | None) -> None:
        if server is not None and server != self._server_columns:
            self._server_columns = server
            self._columns = self._layout.columns(server) if self._layout is not None else server
            self._new_columns = True
            self._tell()

    def _put(self, row: Row) -> None:
        self._known.add(row.uid)
        self._pending[row.uid] = row
        self._tell()

    def _drop(self, uid: str) -> None:
        self._known.discard(uid)
        self._pending[uid] = None
        self._tell()

    def _tell(self) -> None:
        if len(self._pending) <= 1:
            self._on_pending()


def selectors_query(label_selector: str, field_selector: str) -> dict[str, str]:
    query: dict[str, str] = {}
    if label_selector:
        query["labelSelector"] = label_selector
    if field_selector:
        query["fieldSelector"] = field_selector
    return query
