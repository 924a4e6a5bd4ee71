"""The rows of a table: which are shown, in which order, how wide the columns are. Pure; costs follow the changes.

The shown rows are one sorted list of (sort key, namespace, name, uid): a changed row moves by bisection, so a flood
of changes among ten thousand rows never sorts them all again.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from rich.cells import cell_len

from tui.ages import human_duration
from tui.rows import Cell, Column, Moment, Row
from tui.widgets.filterexpr import Filter

Entry = tuple[tuple[int, float, str], str, str, str]
"""What rows are ordered by; the last element is the uid."""

_NO_KEY = (0, 0.0, "")

MAX_WIDTH = 160
BY_NAME = -1
"""The sort column that is none: rows stand by namespace and name, as the server lists them."""


@dataclass(slots=True)
class _Held:
    row: Row
    entry: Entry
    texts: tuple[str, ...] | None = None
    haystack: str = ""
    changed_at: float = 0.0


@dataclass(slots=True)
class TableModel:
    """`now` gives seconds since the epoch: ages are texts of the moment they are asked for."""

    now: Callable[[], float]
    columns: tuple[Column, ...] = ()
    sort_column: int = BY_NAME
    descending: bool = False
    filter: Filter = field(default_factory=Filter)
    _held: dict[str, _Held] = field(default_factory=dict[str, _Held])
    _shown: list[Entry] = field(default_factory=list[Entry])
    _widths: list[int] = field(default_factory=list[int])

    def __len__(self) -> int:
        return len(self._shown)

    @property
    def total(self) -> int:
        return len(self._held)

    # what is there

    def row_at(self, index: int) -> Row:
        return self._held[self._shown[index][3]].row

    def get(self, uid: str) -> Row | None:
        held = self._held.get(uid)
        return held.row if held else None

    def index_of(self, uid: str) -> int | None:
        """The row's place on the screen; None while the filter hides it or it is gone."""
        held = self._held.get(uid)
        if held is None:
            return None
        at = bisect_left(self._shown, held.entry)
        return at if at < len(self._shown) and self._shown[at] == held.entry else None

    def rows(self) -> Iterable[Row]:
        """All rows held, shown or not."""
        return (held.row for held in self._held.values())

    def texts_at(self, index: int) -> tuple[str, ...]:
        held = self._held[self._shown[index][3]]
        return self._texts(held)

    def changed_at(self, uid: str) -> float:
        """When the row last changed (epoch seconds); 0 for never since it was first listed."""
        held = self._held.get(uid)
        return held.changed_at if held else 0.0

    def width(self, column: int) -> int:
        return self._widths[column] if column < len(self._widths) else 0

    # what changes

    def set_columns(self, columns: tuple[Column, ...]) -> None:
        """New columns start with no rows: cells of the old ones mean nothing under the new."""
        self.columns = columns
        self._held.clear()
        self._shown.clear()
        self._widths = [cell_len(column.name) + 1 for column in columns]
        if self.sort_column >= len(columns):
            self.sort_column = BY_NAME

    def apply(self, upserts: Iterable[Row], removed: Iterable[str], *, first: bool = False) -> None:
        """`first` marks rows of the initial list: they are not news."""
        moment = 0.0 if first else self.now()
        fresh: list[Entry] = []
        for uid in removed:
            self._hide(uid)
            self._held.pop(uid, None)
        for row in upserts:
            old = self._held.get(row.uid)
            held = _Held(row, self._entry(row), changed_at=moment if old is None or old.row.cells != row.cells else 0.0)
            if old is not None:
                if held.changed_at == 0.0:
                    held.changed_at = old.changed_at
                if old.entry != held.entry or not self.filter.everything:
                    self._hide(row.uid)
                    old = None
            self._held[row.uid] = held
            self._grow(row)
            if old is None and self._passes(held):
                fresh.append(held.entry)
        if len(fresh) > 64:
            self._shown.extend(fresh)
            self._shown.sort()
        else:
            for entry in fresh:
                insort(self._shown, entry)

    def set_filter(self, wanted: Filter) -> None:
        self.filter = wanted
        self._rebuild()

    def sort_by(self, column: int, *, descending: bool = False) -> None:
        self.sort_column = column
        self.descending = descending
        for held in self._held.values():
            held.entry = self._entry(held.row)
        self._rebuild()

    def clear(self) -> None:
        self._held.clear()
        self._shown.clear()

    # below

    def _rebuild(self) -> None:
        held = self._held.values()
        if self.filter.everything:
            self._shown = [one.entry for one in held]
        else:
            self._shown = [one.entry for one in held if self._passes(one)]
        self._shown.sort()

    def _hide(self, uid: str) -> None:
        at = self.index_of(uid)
        if at is not None:
            del self._shown[at]

    def _passes(self, held: _Held) -> bool:
        if self.filter.everything:
            return True
        texts = self._texts(held)
        if not held.haystack:
            pairs = zip(texts, held.row.cells, strict=False)
            held.haystack = "\x00".join(text for text, cell in pairs if not isinstance(cell, Moment)).lower()
        return self.filter.matches(held.row, held.haystack, texts)

    def _texts(self, held: _Held) -> tuple[str, ...]:
        """The cells as text; kept, unless one of them is an age and so changes by itself."""
        if held.texts is not None:
            return held.texts
        now, ages = 0.0, False
        texts: list[str] = []
        for cell in held.row.cells:
            if isinstance(cell, Moment):
                now, ages = now or self.now(), True
                texts.append(human_duration(now - cell))
            else:
                texts.append(text_of(cell))
        result = tuple(texts)
        if not ages:
            held.texts = result
        return result

    def _grow(self, row: Row) -> None:
        widths = self._widths
        for index, cell in enumerate(row.cells[: len(widths)]):
            if isinstance(cell, str):
                width = len(cell) if cell.isascii() else cell_len(cell)
            else:
                width = 6 if isinstance(cell, Moment) else len(text_of(cell))
            if width > widths[index]:
                widths[index] = min(width, MAX_WIDTH)

    def _entry(self, row: Row) -> Entry:
        if self.sort_column == BY_NAME:
            return (_NO_KEY, row.namespace, row.name, row.uid)
        cell = row.cells[self.sort_column] if self.sort_column < len(row.cells) else None
        return (sort_key(cell, descending=self.descending), row.namespace, row.name, row.uid)


def text_of(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    text = cell if isinstance(cell, str) else str(cell)
    return text if text.isprintable() else "".join(char if char.isprintable() else " " for char in text)


def sort_key(cell: Cell, *, descending: bool = False) -> tuple[int, float, str]:
    """Numbers before texts, "3 (5m ago)" and "2/3" by their leading number, empty last.

    An age sorts by how long ago it was, so ascending means youngest first. Texts descend by complement of their
    characters: one sorted list then serves both directions.
    """
    number, text, rank = 0.0, "", 1
    if isinstance(cell, Moment):
        number, rank = -float(cell), 0
    elif isinstance(cell, int | float):
        number, rank = float(cell), 0
    elif cell in (None, "", "<none>", "<unknown>"):
        rank = 2
    else:
        head = cell.split(None, 1)[0].split("/", 1)[0] if cell[:1].isdigit() else ""
        if head.isdigit():
            number, rank, text = float(head), 0, cell
        else:
            text = cell
    if not descending:
        return (rank, number, text)
    return (rank, -number, _complement(text))


def _complement(text: str) -> str:
    # chr(0xFFFF) closes the text so that a prefix sorts after the longer word, as it must when descending.
    return "".join(chr(0xFFFE - ord(char)) if ord(char) < 0xFFFE else "\x00" for char in text) + "\uffff"
