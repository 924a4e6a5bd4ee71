"""The wire forms a feed reads: Tables with partial metadata, plain lists, watch events. Narrow views only."""

from typing import Any

import msgspec

from apimachinery.objects.errors import StatusError
from apimachinery.objects.meta import parse_time
from tui.ages import parse_human_duration
from tui.rows import Cell, Column, Moment, Row

TABLE_ACCEPT = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


class ColumnDefinition(msgspec.Struct, frozen=True):
    name: str
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0


class RowMeta(msgspec.Struct, frozen=True, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: dict[str, str] | None = None


class RowObject(msgspec.Struct, frozen=True):
    metadata: RowMeta = RowMeta()


class WireRow(msgspec.Struct, frozen=True):
    cells: list[Cell | list[object] | dict[str, object]] = []
    object: RowObject = RowObject()


class ListMeta(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(name="continue", default="")
    remaining_item_count: int | None = None


class WireTable(msgspec.Struct, frozen=True, rename="camel"):
    """A Table, or (a server that knows no Tables) a plain list, of which only the metadata is read."""

    kind: str = ""
    metadata: ListMeta = ListMeta()
    column_definitions: list[ColumnDefinition] | None = None
    rows: list[WireRow] | None = None
    items: list[RowObject] | None = None


class _WholeRow(msgspec.Struct, frozen=True):
    cells: list[Cell | list[object] | dict[str, object]] = []
    object: dict[str, Any] = {}


class _WholeTable(msgspec.Struct, frozen=True, rename="camel"):
    kind: str = ""
    metadata: ListMeta = ListMeta()
    column_definitions: list[ColumnDefinition] | None = None
    rows: list[_WholeRow] | None = None
    items: list[dict[str, Any]] | None = None


class WireEvent(msgspec.Struct, frozen=True):
    type: str
    object: msgspec.Raw


_table = msgspec.json.Decoder(WireTable)
_whole = msgspec.json.Decoder(_WholeTable)
_event = msgspec.json.Decoder(WireEvent)

_NAMESPACE = Column("Namespace")
_PLAIN_COLUMNS = (Column("Name", format="name"), Column("Age"))


def decode_table(body: bytes | msgspec.Raw) -> WireTable:
    return _table.decode(body)


def decode_with_objects(body: bytes | msgspec.Raw) -> tuple[WireTable, list[dict[str, Any]]]:
    """A Table, and the whole object of each row, as far as the server sent it."""
    whole = _whole.decode(body)
    objects = whole.items if whole.items is not None else [row.object for row in whole.rows or ()]
    metas = msgspec.convert(objects, list[RowObject])
    table = WireTable(
        kind=whole.kind,
        metadata=whole.metadata,
        column_definitions=whole.column_definitions,
        rows=None
        if whole.rows is None
        else [WireRow(row.cells, meta) for row, meta in zip(whole.rows, metas, strict=True)],
        items=None if whole.items is None else metas,
    )
    return table, objects


def decode_event(line: bytes) -> WireEvent:
    """One watch line. An ERROR event is raised as the StatusError it carries."""
    event = _event.decode(line)
    if event.type == "ERROR":
        raise StatusError.from_status(bytes(event.object), 500)
    return event


def columns_of(table: WireTable, *, with_namespace: bool = False) -> tuple[Column, ...] | None:
    """The Table's columns; None when it does not repeat them (events after the first).

    `with_namespace` puts the namespace in front, which a Table leaves to its reader.
    """
    if table.items is not None:
        columns = _PLAIN_COLUMNS
    elif table.column_definitions:
        columns = tuple(Column(c.name, c.type, c.format, c.description, c.priority) for c in table.column_definitions)
    else:
        return None
    return (_NAMESPACE, *columns) if with_namespace else columns


def rows_of(table: WireTable, columns: tuple[Column, ...], received: float) -> list[Row]:
    """Projected rows. `received` (seconds since the epoch) anchors relative times such as "Last Seen"."""
    if table.items is not None:
        wire = [WireRow([item.metadata.name, None], item) for item in table.items]
    else:
        wire = table.rows or []
    relative = [index for index, column in enumerate(columns) if column.name in _RELATIVE]
    with_namespace = columns[:1] == (_NAMESPACE,)
    return [_row(row, columns, relative, received, with_namespace) for row in wire]


_RELATIVE = frozenset({"Age", "Last Seen", "First Seen"})


def _row(wire: WireRow, columns: tuple[Column, ...], relative: list[int], received: float, with_namespace: bool) -> Row:
    meta = wire.object.metadata
    created = parse_time(meta.creation_timestamp).timestamp() if meta.creation_timestamp else 0.0
    cells: list[Cell] = [cell if not isinstance(cell, list | dict) else _flat(cell) for cell in wire.cells]
    if with_namespace:
        cells.insert(0, meta.namespace)
    for index in relative:
        if index < len(cells):
            cells[index] = _moment(columns[index].name, cells[index], created, received)
    return Row(
        uid=meta.uid or f"{meta.namespace}/{meta.name}",
        namespace=meta.namespace,
        name=meta.name,
        cells=tuple(cells),
        labels=meta.labels or {},
        created=created,
        resource_version=meta.resource_version,
        deleting=meta.deletion_timestamp is not None,
    )


def _moment(column: str, cell: Cell, created: float, received: float) -> Cell:
    """A Table's ages are texts from the moment it was made; as moments they go on growing on the screen."""
    if column == "Age" and created:
        return Moment(created)
    seconds = parse_human_duration(cell) if isinstance(cell, str) else None
    return cell if seconds is None else Moment(received - seconds)


def _flat(cell: list[object] | dict[str, object]) -> str:
    return msgspec.json.encode(cell).decode()
