"""Columns that the user asks for, in k9s' `views.yaml`: `NAME`, or `NAME:.json.path`, with flags after a `|`. Pure.

Flags: T a point in time, shown as an age; N a number; W only in the wide view; H not shown; L and R the side. A name
alone is a column of the server's. What is not named comes after, in the wide view.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import msgspec

from apimachinery.objects.jsonpath import PathError, compile_path
from apimachinery.objects.meta import parse_time
from tui.rows import Cell, Column, Moment, Row

FLAGS = frozenset("TNWHLRS")
NOTHING = "<none>"
_WHERE = re.compile(r"[^A-Z0-9%/]+")


class View(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """One kind's entry of `views.yaml`; `sort_column` is `NAME`, `NAME:asc` or `NAME:desc`."""

    columns: tuple[str, ...] = ()
    sort_column: str = ""

    def sort(self) -> tuple[str, bool] | None:
        """(column, whether descending)."""
        name, _, order = self.sort_column.partition(":")
        return (name, order.lower() == "desc") if name else None


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """`path` "" means a column of the server's."""

    name: str
    path: str = ""
    flags: frozenset[str] = frozenset()

    @property
    def column(self) -> Column:
        kind = "date" if "T" in self.flags else "number" if self.flags & {"N", "R"} else "string"
        return Column(self.name, kind, description=self.path, priority=1 if "W" in self.flags else 0)

    def cell(self, obj: Any) -> Cell:
        found = [value for value in compile_path(self.path)(obj) if value is not None]
        if not found:
            return NOTHING
        if "T" in self.flags:
            try:
                return Moment(parse_time(str(found[0])).timestamp())
            except ValueError:
                return str(found[0])
        if "N" in self.flags and len(found) == 1 and isinstance(found[0], int | float):
            return found[0]
        return ",".join(_text(value) for value in found)


def parse_column(text: str) -> ColumnSpec:
    """Raises ValueError with what is wrong."""
    name, colon, rest = text.strip().partition(":")
    bare, bar, flags = (rest if colon else name).rpartition("|")
    if not (bar and flags and set(flags) <= FLAGS):
        bare, flags = (rest if colon else name), ""
    if not colon:
        name = bare
    if not name:
        raise ValueError(f'"{text}" names no column')
    path = bare.strip() if colon else ""
    if colon and not path:
        raise ValueError(f'"{text}" has no path after the colon')
    if path:
        path = path if path[0] in ".[{$" else f".{path}"
        try:
            compile_path(path)
        except PathError as error:
            raise ValueError(str(error)) from error
    return ColumnSpec(name.strip(), path, frozenset(flags))


def normal(name: str) -> str:
    """`Nominated Node` and `NOMINATED-NODE` are one column."""
    return _WHERE.sub("-", name.upper()).strip("-")


@dataclass(frozen=True, slots=True)
class Layout:
    """How a kind's Table becomes the table that the user asked for."""

    specs: tuple[ColumnSpec, ...]

    @property
    def reads_objects(self) -> bool:
        """Whether more of the objects is needed than their metadata."""
        return any(spec.path and not spec.path.lstrip("{$").startswith(".metadata") for spec in self.specs)

    @property
    def reads_paths(self) -> bool:
        return any(spec.path for spec in self.specs)

    def columns(self, server: Sequence[Column]) -> tuple[Column, ...]:
        return tuple(column for column, _ in _placed(self.specs, tuple(server)))

    def row(self, row: Row, server: Sequence[Column], obj: Any) -> Row:
        """A server's row with the cells that are asked for."""
        cells: list[Cell] = []
        for _, source in _placed(self.specs, tuple(server)):
            if isinstance(source, ColumnSpec):
                cells.append(source.cell(obj))
            else:
                cells.append(row.cells[source] if source < len(row.cells) else None)
        return replace(row, cells=tuple(cells))


@lru_cache(256)
def _placed(specs: tuple[ColumnSpec, ...], server: tuple[Column, ...]) -> list[tuple[Column, int | ColumnSpec]]:
    """Each column and where its cells come from: a place in the server's row, or a path."""
    at = {normal(column.name): index for index, column in enumerate(server)}
    placed: list[tuple[Column, int | ColumnSpec]] = []
    used: set[int] = set()
    for spec in specs:
        if spec.path:
            if "H" not in spec.flags:
                placed.append((spec.column, spec))
            continue
        index = at.get(normal(spec.name))
        if index is None:
            continue
        used.add(index)
        if "H" not in spec.flags:
            placed.append((replace(server[index], priority=1 if "W" in spec.flags else 0), index))
    rest = [index for index in range(len(server)) if index not in used]
    first = [index for index in rest if server[index].name == "Namespace" and index == 0]
    others = [
        (replace(server[index], priority=max(1, server[index].priority)), index) for index in rest if index not in first
    ]
    return [*((server[index], index) for index in first), *placed, *others]


def layout_of(view: View) -> Layout | None:
    """None when it leaves the columns alone. Raises ValueError."""
    if not view.columns:
        return None
    specs: list[ColumnSpec] = []
    for number, text in enumerate(view.columns):
        try:
            specs.append(parse_column(text))
        except ValueError as error:
            raise ValueError(f"columns[{number}]: {error}") from error
    return Layout(tuple(specs))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return msgspec.json.encode(value).decode() if isinstance(value, dict | list) else str(value)
