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

Entry = tuple[int, float, str, str, str, str]
"""What rows are ordered by: sort key, namespace, name, uid."""

UID = 5
_NO_KEY = (0, 0.0, "")

MAX_WIDTH = 160
NOTHING = (None, "", "<none>", "<unknown>", "<unset>")
"""Cells by which a server says that there is nothing to say."""

MANY = 64
"""From so many new rows on, sorting once is cheaper than placing each (the old part is in order already)."""

BY_NAME = -1
"""The sort column that is none: rows stand by namespace and name, as the server lists them."""


@dataclass(slots=True)
class _Held:
    row: Row
    entry: Entry
    texts: tuple[str, ...] | None = None
    """The cells as text; an age's place is empty, for it changes by itself."""
    moments: tuple[int, ...] = ()
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
    only: Callable[[Row], bool] | None = None
    """What a shown row must satisfy besides the filter."""
    _held: dict[str, _Held] = field(default_factory=dict[str, _Held])
    _order: list[Entry] = field(default_factory=list[Entry])
    """All rows, sorted; `_shown` is this very list while nothing is filtered."""
    _shown: list[Entry] = field(default_factory=list[Entry])
    _widths: list[int] = field(default_factory=list[int])
    _telling: set[int] = field(default_factory=set[int])

    def __len__(self) -> int:
        return len(self._shown)

    @property
    def total(self) -> int:
        return len(self._held)

    # what is there

    def row_at(self, index: int) -> Row:
        return self._held[self._shown[index][UID]].row

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
        """The cells as they stand on the screen now."""
        held = self._held[self._shown[index][UID]]
        texts = _texts(held)
        if not held.moments:
            return texts
        now, shown = self.now(), list(texts)
        for at in held.moments:
            shown[at] = human_duration(now - float(held.row.cells[at] or 0))
        return tuple(shown)

    def changed_at(self, uid: str) -> float:
        """When the row last changed (epoch seconds); 0 for never since it was first listed."""
        held = self._held.get(uid)
        return held.changed_at if held else 0.0

    def width(self, column: int) -> int:
        return self._widths[column] if column < len(self._widths) else 0

    def tells(self, column: int) -> bool:
        """Whether any row has had something in this column."""
        return column in self._telling

    def warm(self, most: int) -> bool:
        """Make ready what a filter reads, for at most so many rows; True while there are more."""
        for held in self._held.values():
            if not held.haystack:
                _haystack(held)
                most -= 1
                if most <= 0:
                    return True
        return False

    # what changes

    def set_columns(self, columns: tuple[Column, ...]) -> None:
        """New columns start with no rows: cells of the old ones mean nothing under the new."""
        self.columns = columns
        self.clear()
        self._widths = [cell_len(column.name) + 1 for column in columns]
        self._telling.clear()
        if self.sort_column >= len(columns):
            self.sort_column = BY_NAME

    def apply(
        self, upserts: Iterable[Row], removed: Iterable[str], *, first: bool = False, quiet: bool = False
    ) -> None:
        """`first` marks rows of the initial list, `quiet` changes that are no news."""
        moment = 0.0 if first else self.now()
        fresh: list[_Held] = []
        for uid in removed:
            gone = self._held.pop(uid, None)
            if gone is not None:
                self._take_out(gone.entry)
        for row in upserts:
            old = self._held.get(row.uid)
            held = _Held(row, self._entry(row))
            if old is None:
                held.changed_at = moment
                fresh.append(held)
            else:
                held.changed_at = moment if old.row.cells != row.cells and not quiet else old.changed_at
                if old.entry != held.entry or self._shown is not self._order:
                    self._take_out(old.entry)
                    fresh.append(held)
            self._held[row.uid] = held
            self._grow(row)
        self._put_in(fresh)

    def set_filter(self, wanted: Filter) -> None:
        self.filter = wanted
        self._sift()

    def set_only(self, test: Callable[[Row], bool] | None) -> None:
        self.only = test
        self._sift()

    def sort_by(self, column: int, *, descending: bool = False) -> None:
        self.sort_column = column
        self.descending = descending
        for held in self._held.values():
            held.entry = self._entry(held.row)
        self._order = sorted(held.entry for held in self._held.values())
        self._sift()

    def clear(self) -> None:
        self._held.clear()
        self._order = []
        self._shown = self._order

    # below

    def _sift(self) -> None:
        """Choose the shown rows from the ordered ones."""
        held, tests = self._held, self.filter.haystack_tests()
        if self.filter.everything and self.only is None:
            self._shown = self._order
        elif tests is None or self.only is not None:
            self._shown = [entry for entry in self._order if self._passes(held[entry[UID]])]
        else:
            shown = self._order
            for test in tests:
                shown = [entry for entry in shown if test(held[entry[UID]].haystack or _haystack(held[entry[UID]]))]
            self._shown = list(shown) if shown is self._order else shown

    def _take_out(self, entry: Entry) -> None:
        for entries in self._lists():
            at = bisect_left(entries, entry)
            if at < len(entries) and entries[at] == entry:
                del entries[at]

    def _put_in(self, fresh: list[_Held]) -> None:
        _insert(self._order, [held.entry for held in fresh])
        if self._shown is not self._order:
            _insert(self._shown, [held.entry for held in fresh if self._passes(held)])

    def _lists(self) -> tuple[list[Entry], ...]:
        return (self._order,) if self._shown is self._order else (self._order, self._shown)

    def _passes(self, held: _Held) -> bool:
        if self.only is not None and not self.only(held.row):
            return False
        return self.filter.everything or self.filter.matches(held.row, held.haystack or _haystack(held), _texts(held))

    def _grow(self, row: Row) -> None:
        widths = self._widths
        for index, cell in enumerate(row.cells[: len(widths)]):
            if index not in self._telling and cell not in NOTHING:
                self._telling.add(index)
            if isinstance(cell, str):
                width = len(cell) if cell.isascii() else cell_len(cell)
            else:
                width = 6 if isinstance(cell, Moment) else len(text_of(cell))
            if width > widths[index]:
                widths[index] = min(width, MAX_WIDTH)

    def _entry(self, row: Row) -> Entry:
        if self.sort_column == BY_NAME:
            return (*_NO_KEY, row.namespace, row.name, row.uid)
        cell = row.cells[self.sort_column] if self.sort_column < len(row.cells) else None
        return (*sort_key(cell, descending=self.descending), row.namespace, row.name, row.uid)


def _texts(held: _Held) -> tuple[str, ...]:
    if held.texts is None:
        cells = held.row.cells
        held.moments = tuple(index for index, cell in enumerate(cells) if isinstance(cell, Moment))
        held.texts = tuple(
            [
                cell if type(cell) is str and cell.isprintable() else "" if isinstance(cell, Moment) else text_of(cell)
                for cell in cells
            ]
        )
    return held.texts


def _haystack(held: _Held) -> str:
    held.haystack = "\n".join(_texts(held)).lower()
    return held.haystack


def _insert(entries: list[Entry], fresh: list[Entry]) -> None:
    if len(fresh) > MANY:
        entries.extend(fresh)
        entries.sort()
    else:
        for entry in fresh:
            insort(entries, entry)


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
    elif cell in NOTHING:
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
