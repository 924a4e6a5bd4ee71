"""What tables looked like before: the changes of the tables that were open, kept in bounds of memory and age.

A record holds the rows as they are and, for each change, the row as it was before: going back is taking changes back
one by one, and letting go of the oldest only moves the point where the record begins. Pure; time is an argument.
"""

from collections import OrderedDict, deque
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field

from tui.rows import Column, Moment, Row

MOST_BYTES = 32 << 20
MOST_AGE = 3600.0
MOST_TABLES = 24
MOST_GAPS = 64
ROW_BYTES = 1200
"""What a row of a dozen columns costs with its labels and its change, measured; its texts come on top."""


@dataclass(frozen=True, slots=True)
class Change:
    """At `at` the row became what it is now, or what the next change of its uid says it was before."""

    at: float
    uid: str
    before: Row | None
    weight: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Nobody listened: what changed in between is known by its outcome only, which counts as come at the end."""

    start: float
    end: float | None = None


@dataclass(slots=True)
class TableRecord:
    """`begins` is None until the table was there as a whole; `trimmed` tells that older changes were let go."""

    columns: tuple[Column, ...] = ()
    begins: float | None = None
    trimmed: bool = False
    rows: dict[str, Row] = field(default_factory=dict[str, Row])
    changes: deque[Change] = field(default_factory=deque[Change])
    gaps: deque[Gap] = field(default_factory=lambda: deque[Gap](maxlen=MOST_GAPS))
    weight: int = 0
    open: bool = False
    _staged: dict[str, Row] | None = None
    _last: float = 0.0

    # what the table tells

    def opened(self) -> None:
        """The table is on the screen again: rows that come now are its first list."""
        self.open = True
        self._staged = {}

    def closed(self, now: float) -> None:
        self.silent(now)
        self.open = False
        self._staged = None

    def silent(self, since: float) -> None:
        """Nothing is heard from here on."""
        if self.begins is not None and not (self.gaps and self.gaps[-1].end is None):
            self.gaps.append(Gap(max(since, self.begins)))

    def heard(self, now: float) -> None:
        if self.gaps and self.gaps[-1].end is None:
            self.gaps[-1] = Gap(self.gaps[-1].start, now)

    def take(
        self, columns: tuple[Column, ...] | None, upserts: Iterable[Row], removed: Iterable[str], now: float,
        *, whole: bool,
    ) -> None:  # fmt: skip
        """A batch; `whole` once the table is known from end to end."""
        now = self._last = max(now, self._last)
        if columns is not None and columns != self.columns:
            self._restart(columns)
        if self._staged is not None:
            self._staged |= {row.uid: row for row in upserts}
            for uid in removed:
                self._staged.pop(uid, None)
            if whole:
                self._listed(self._staged, now)
                self._staged = None
            return
        for row in upserts:
            self._put(row, now)
        for uid in removed:
            self._drop(uid, now)

    def forget(self, before: float) -> None:
        """Let go of what is older."""
        while self.changes and self.changes[0].at < before:
            self.drop_oldest()

    def drop_oldest(self) -> None:
        change = self.changes.popleft()
        self.weight -= change.weight
        self.begins, self.trimmed = change.at, True

    # what is asked

    def at(self, moment: float) -> dict[str, Row]:
        """The rows as they were; the earliest that is known for a moment before the record begins."""
        rows = dict(self.rows)
        for change in reversed(self.changes):
            if change.at <= moment:
                break
            if change.before is None:
                rows.pop(change.uid, None)
            else:
                rows[change.uid] = change.before
        return rows

    def moments(self) -> list[float]:
        """When something changed, oldest first, each once."""
        return sorted({change.at for change in self.changes})

    def gap_at(self, moment: float) -> Gap | None:
        return next((gap for gap in self.gaps if gap.start < moment and (gap.end is None or moment < gap.end)), None)

    # below

    def _restart(self, columns: tuple[Column, ...]) -> None:
        """Rows of other columns cannot be set beside these."""
        self.columns = columns
        self.begins, self.trimmed, self.weight = None, False, 0
        self.rows.clear()
        self.changes.clear()
        self.gaps.clear()
        if self._staged is None:
            self._staged = {}

    def _listed(self, rows: dict[str, Row], now: float) -> None:
        if self.begins is None:
            self.begins, self.rows = now, rows
            return
        self.heard(now)
        for row in rows.values():
            self._put(row, now)
        for uid in [uid for uid in self.rows if uid not in rows]:
            self._drop(uid, now)

    def _put(self, row: Row, now: float) -> None:
        before = self.rows.get(row.uid)
        self.rows[row.uid] = row
        # A list after a lost connection names everything again.
        if before is None or before.resource_version != row.resource_version:
            self._note(row.uid, before, now)

    def _drop(self, uid: str, now: float) -> None:
        before = self.rows.pop(uid, None)
        if before is not None:
            self._note(uid, before, now)

    def _note(self, uid: str, before: Row | None, now: float) -> None:
        weight = weight_of(before)
        self.changes.append(Change(now, uid, before, weight))
        self.weight += weight


class Recorder:
    """The records of one cluster's tables, within bounds that hold for all of them together."""

    def __init__(self, *, most_bytes: int = MOST_BYTES, most_age: float = MOST_AGE, most: int = MOST_TABLES) -> None:
        self._most_bytes, self.most_age, self._most = most_bytes, most_age, most
        self._records: OrderedDict[Hashable, TableRecord] = OrderedDict()

    def table(self, key: Hashable) -> TableRecord:
        """The record of a table; a new one is empty."""
        record = self._records.setdefault(key, TableRecord())
        self._records.move_to_end(key)
        return record

    def bound(self, now: float) -> None:
        """Let go of what is too old or too much: closed tables that were not looked at for longest, then changes."""
        for record in self._records.values():
            record.forget(now - self.most_age)
        closed = [key for key, record in self._records.items() if not record.open]
        while closed and (len(self._records) > self._most or self.weight > self._most_bytes):
            del self._records[closed.pop(0)]
        while self.weight > self._most_bytes:
            oldest = min((one for one in self._records.values() if one.changes), key=lambda one: one.changes[0].at,
                         default=None)  # fmt: skip
            if oldest is None:
                return
            oldest.drop_oldest()

    @property
    def weight(self) -> int:
        """Bytes, about. Rows of an open table are on the screen as well and cost nothing here."""
        return sum(
            record.weight + (0 if record.open else ROW_BYTES * len(record.rows)) for record in self._records.values()
        )


def weight_of(row: Row | None) -> int:
    if row is None:
        return ROW_BYTES // 4
    return ROW_BYTES + sum(len(cell) for cell in row.cells if isinstance(cell, str))


def differing(then: Row, now: Row) -> Sequence[int]:
    """The places of cells that say something else; ages do by themselves and do not count."""
    return [
        at
        for at, (old, new) in enumerate(zip(then.cells, now.cells, strict=False))
        if old != new and not (isinstance(old, Moment) and isinstance(new, Moment))
    ]
