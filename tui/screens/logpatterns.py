"""What a log says again and again: its lines as patterns with counts, the newest lines included as they come."""

import time
from collections.abc import Callable, Sequence

from apimachinery.objects.meta import parse_time
from tui.document import Line, Span
from tui.feeds.logring import NOTE, LogRing
from tui.kinds.logpatterns import HOLE, Pattern, Patterns
from tui.logformat import RANKS, TONES
from tui.rows import Cell, Column, Moment, Row
from tui.screens.listing import ListScreen
from tui.target import Target
from tui.tones import Tone
from tui.widgets.hints import Hint

SLICE = 0.02
"""Seconds of one turn that looking at lines may take."""
PERIOD = 0.1
SHOWN = 0.5
"""Seconds between two pictures while lines are looked at."""


class PatternsScreen(ListScreen):
    """`chosen` is told what finds the lines of the pattern that Enter was pressed on."""

    COLUMNS = (
        Column("Lines", "integer"),
        Column("Share", "number"),
        Column("Level"),
        Column("Pattern"),
        Column("Last"),
        Column("First", priority=1),
        Column("Sources", "integer", priority=1),
    )
    WORD = ("pattern", "patterns")

    def __init__(
        self, target: Target, ring: LogRing, sources: Callable[[], int], chosen: Callable[[str], None]
    ) -> None:
        super().__init__(target)
        self._ring, self._sources, self._chosen = ring, sources, chosen
        self._patterns = Patterns()
        self._at = ring.first
        self._missed = 0
        self._shown_at = 0.0
        self._by_uid: dict[str, Pattern] = {}

    def on_mount(self) -> None:
        if self._begun:
            return
        super().on_mount()
        self.table.sort_by(0, descending=True)
        self.set_interval(PERIOD, self._look)
        self._look()

    def _look(self) -> None:
        """At some of the lines that have come since; keys never wait for all of them."""
        began = time.perf_counter()
        if self._at < self._ring.first:
            self._missed += self._ring.first - self._at
            self._at = self._ring.first
        looked = self._at
        for first, sources, stamps, texts in self._ring.blocks(self._at):
            for i, text in enumerate(texts):
                if sources[i] != NOTE:
                    self._patterns.add(sources[i], stamps[i], text)
                if i % 64 == 63 and time.perf_counter() - began > SLICE:
                    self._at = first + i + 1
                    break
            else:
                self._at = first + len(texts)
                continue
            break
        if self._at != looked and (self._at == self._ring.end or began - self._shown_at > SHOWN):
            self._shown_at = began
            self._renew()

    def _renew(self) -> None:
        found = self._patterns.all()
        self._by_uid = {str(pattern.number): pattern for pattern in found}
        self.show_rows([self._row(pattern) for pattern in found], quiet=True)

    def _row(self, pattern: Pattern) -> Row:
        share = f"{pattern.count / max(1, self._patterns.total):.1%}"
        cells: tuple[Cell, ...] = (
            pattern.count, share, pattern.level, pattern.text, _moment(pattern.last), _moment(pattern.first),
            len(pattern.sources),
        )  # fmt: skip
        return Row(str(pattern.number), "", pattern.text, cells)

    def tone(self, row: Row, column: Column, text: str) -> Tone:
        del text
        rank = RANKS.get(str(row.cells[2]))
        if column.name in ("Level", "Pattern") and rank is not None and (rank > 2 or column.name == "Level"):
            return TONES[rank]
        return Tone.TEXT if column.name in ("Pattern", "Lines") else Tone.MUTED

    def own_crumbs(self, *, first: bool) -> list[str]:
        del first
        return ["patterns"]

    def notes(self) -> Sequence[Span]:
        left = self._ring.end - self._at
        notes: list[Span] = [(f"{self._patterns.total:,} lines in ", Tone.MUTED), *super().notes()]
        if left:
            notes.append((f"  {left:,} to look at", Tone.INFO))
        if self._missed or self._patterns.left_out:
            notes.append((f"  {self._missed + self._patterns.left_out:,} lines not counted", Tone.WARN))
        return notes

    def nothing(self) -> list[Line]:
        return [(("No lines yet", Tone.MUTED),)]

    def own_hints(self) -> Sequence[Hint]:
        return [Hint("⏎", "its lines", "")]

    def entered(self, row: Row) -> None:
        pattern = self._by_uid[row.uid]
        self.conductor.go_back()
        # Holes at the ends find nothing that the words between them do not.
        self._chosen(pattern.filter if any(word != HOLE for word in pattern.words) else "")


def _moment(stamp: str) -> Cell:
    try:
        return Moment(parse_time(stamp).timestamp()) if stamp else None
    except ValueError:
        return None
