"""A table as it was: back through its recorded changes, and what has become of each row since."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace

from textual.binding import Binding
from textual.widget import Widget

from tui.ages import human_duration
from tui.document import EMPTY, Line, Span
from tui.feeds.record import TableRecord, differing
from tui.feeds.state import FeedState, Phase
from tui.kinds.catalog import lens_for
from tui.rows import Cell, Column, Moment, Row
from tui.screens.base import ClusterScreen
from tui.screens.browse import counted
from tui.target import Target, View
from tui.tones import Tone
from tui.widgets.filterexpr import parse_filter
from tui.widgets.hints import Hint
from tui.widgets.table import VirtualTable
from tui.widgets.timeline import Stretch, TimeLine, clock_text

SINCE = Column("Since")
GONE, CHANGED, NEW = "gone", "changed", "new"
_TONES = {GONE: Tone.BAD, CHANGED: Tone.WARN, NEW: Tone.OK}
ARROW = " → "


class PastTable(VirtualTable):
    """Sideways is through time here."""

    BINDINGS = [
        Binding("left", "screen.step(-1)", show=False),
        Binding("right", "screen.step(1)", show=False),
        Binding("home", "screen.begin", show=False),
        Binding("end", "screen.now", show=False),
    ]


class PastScreen(ClusterScreen):
    BINDINGS = [
        Binding("left", "step(-1)", "To the change before", show=False, key_display="←"),
        Binding("right", "step(1)", "To the next change", show=False, key_display="→"),
        Binding("less_than_sign", "leap(-60)", "A minute back", show=False, key_display="<"),
        Binding("greater_than_sign", "leap(60)", "A minute on", show=False, key_display=">"),
        Binding("home", "begin", "To where the record begins", show=False, key_display="Home"),
        Binding("end", "now", "Back to now, and on with it", show=False, key_display="End"),
        Binding("x", "difference", "Only what differs from now, or all", show=False, key_display="x"),
    ]

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.feed_state = FeedState(phase=Phase.LIVE)
        self._filter = target.filter
        self._at: float | None = None
        self._only_differing = False
        self._shown: dict[str, tuple[str, str, bool]] = {}
        self._counts: dict[str, int] = {}

    # body

    def body(self) -> Sequence[Widget]:
        self.lens = lens_for(self.session.aliases.refined(self.target.resource))
        self.record: TableRecord = self.session.records.table(self.target.table_key)
        self.line = TimeLine()
        self.table = PastTable(
            now=self._moment, tone=self._tone, preferred=self.lens.preferred, spared=self.lens.spared
        )
        return [self.line, self.table]

    def main_widget(self) -> Widget:
        return self.table

    def on_mount(self) -> None:
        super().on_mount()
        self._columns: tuple[Column, ...] = ()
        self._show()

    def tick(self) -> None:
        self._show()
        self.table.repaint()

    # where in time

    def _moment(self) -> float:
        return self.session.now() if self._at is None else self._at

    def _go(self, at: float | None) -> None:
        begins = self.record.begins
        if begins is None:
            return
        at = None if at is None or at >= self.session.now() else max(at, begins)
        if at is not None and at == self._at == begins:
            self.notify(self._where_it_begins())
        self._at = at
        self._show()

    def action_step(self, step: int) -> None:
        moments = self.record.moments()
        at = self._moment()
        if step > 0:
            place = bisect_right(moments, at)
            self._go(moments[place] if place < len(moments) else None)
            return
        # What is shown came with the newest change that is not taken back; before it, with the one before.
        place = bisect_right(moments, at) - 1
        self._go(moments[place - 1] if place >= 1 else self.record.begins)

    def action_leap(self, seconds: int) -> None:
        self._go(self._moment() + seconds)

    def action_begin(self) -> None:
        self._go(self.record.begins)

    def action_now(self) -> None:
        self._go(None)

    def action_difference(self) -> None:
        self._only_differing = not self._only_differing
        self._show()

    def on_time_line_moved(self, event: TimeLine.Moved) -> None:
        self._go(event.at)

    # what is shown

    def _show(self) -> None:
        record, now = self.record, self.session.now()
        if record.begins is None:
            self.table.show_placeholder([(("Nothing is recorded yet", Tone.MUTED),)])
            return
        if self._at is not None and self._at < record.begins:
            self._at = record.begins
        if record.columns != self._columns:
            self._columns, self._shown = record.columns, {}
            self.table.set_columns((SINCE, *record.columns))
            self.table.set_filter(parse_filter(self._filter, self.table.model.columns))
        self.line.show(
            Stretch(
                begins=record.begins, ends=now, at=self._at, changes=tuple(change.at for change in record.changes),
                gaps=tuple((gap.start, now if gap.end is None else gap.end) for gap in record.gaps),
            )
        )  # fmt: skip
        self._show_rows(record.at(self._moment()), record.rows)
        self.table.show_placeholder(self._nothing())
        self.tell()

    def _show_rows(self, then: dict[str, Row], now: dict[str, Row]) -> None:
        self._counts = {GONE: 0, CHANGED: 0, NEW: 0}
        wanted: dict[str, tuple[str, str, bool]] = {}
        upserts: list[Row] = []
        for uid in {**then, **now} if self._only_differing else then:
            old, new = then.get(uid), now.get(uid)
            kind = _kind(old, new)
            if self._only_differing and not kind:
                continue
            wanted[uid] = (_version(old), _version(new), self._only_differing)
            if self._shown.get(uid) != wanted[uid]:
                upserts.append(self._row(old or now[uid], new, kind))
        for uid in {**then, **now}:
            if kind := _kind(then.get(uid), now.get(uid)):
                self._counts[kind] += 1
        removed = [uid for uid in self._shown if uid not in wanted]
        self._shown = wanted
        self.table.apply(upserts, removed, first=True)

    def _row(self, then: Row, now: Row | None, kind: str) -> Row:
        cells: tuple[Cell, ...] = then.cells
        if kind == NEW:
            # It had no age then.
            cells = tuple(None if isinstance(cell, Moment) else cell for cell in cells)
        if self._only_differing and now is not None:
            changed = set(differing(then, now))
            cells = tuple(
                f"{then.cells[at]}{ARROW}{now.cells[at]}" if at in changed else cell for at, cell in enumerate(cells)
            )
        return replace(then, cells=(kind, *cells))

    def _tone(self, row: Row, column: Column, text: str) -> Tone:
        if column.name == SINCE.name:
            return _TONES.get(text, Tone.MUTED)
        return Tone.WARN if ARROW in text else self.lens.tone(row, column, text)

    def _nothing(self) -> list[Line]:
        kind = self.target.resource.plural
        if self._only_differing:
            return [((f"No {kind} differ from now", Tone.MUTED),), EMPTY, (("←", Tone.KEY), (" goes back", Tone.FAINT))]
        return [((f"There were no {kind} then", Tone.MUTED),)]

    def _where_it_begins(self) -> str:
        if not self.record.trimmed:
            return "The record begins here: nobody looked at this table before."
        age = self.session.records.most_age / 60
        return f"The record begins here: older changes were let go, after {age:.0f} minutes or for want of room."

    # what is said

    def status(self) -> Span:
        if self._at is None:
            return ("● now", Tone.OK)
        return (f"◷ {clock_text(self._at)} UTC, {human_duration(self.session.now() - self._at)} ago", Tone.ACCENT)

    def notes(self) -> Sequence[Span]:
        spans: list[Span] = []
        if self._at is not None and self.record.gap_at(self._at) is not None:
            spans += [("not watched then: as last heard", Tone.WARN), ("  ", Tone.MUTED)]
        for kind, count in self._counts.items():
            if count:
                spans += [(f"{count:,} {kind}", _TONES[kind]), ("  ", Tone.MUTED)]
        if self._filter:
            spans.append((f"/{self._filter}  ", Tone.ACCENT))
        return [*spans, (counted(len(self.table.model), self.target.resource), Tone.MUTED)]

    def own_crumbs(self, *, first: bool) -> list[str]:
        del first
        return ["back in time"]

    def hints(self) -> Sequence[Hint]:
        return [
            Hint("← →", "change by change", "step(-1)"),
            Hint("< >", "a minute", "leap(-60)"),
            Hint("Home", "begin", "begin"),
            Hint("End", "now", "now"),
            Hint("x", "all" if self._only_differing else "difference", "difference"),
            Hint("⏎", "describe", ""),
            Hint("?", "help", "help"),
        ]

    def filter_text(self) -> str:
        return self._filter

    def on_filter(self, text: str) -> None:
        self._filter = text.strip()
        self.filter_table(self.table, text)
        self.tell()

    def on_virtual_table_activated(self, event: VirtualTable.Activated) -> None:
        row = self.record.rows.get(event.row.uid)
        if row is None:
            self.notify(f"{event.row.name} is gone: the record has no more of it than this row.")
            return
        self.open_target(
            Target(
                resource=self.lens.resource, view=View.DESCRIBE, namespace=row.namespace or None, name=row.name,
                title=f"{row.name} describe", context=row.cluster,
            )
        )  # fmt: skip


def _kind(then: Row | None, now: Row | None) -> str:
    """What has become of a row since; empty when it says the same."""
    if then is None:
        return NEW
    if now is None:
        return GONE
    return CHANGED if differing(then, now) or then.deleting != now.deleting else ""


def _version(row: Row | None) -> str:
    return "" if row is None else row.resource_version or "?"
