"""A table that draws only the rows on the screen: ten thousand rows cost what the visible forty cost."""

from collections.abc import Callable, Sequence
from functools import partial

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual import events
from textual.binding import Binding
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.document import Line
from tui.rows import Column, Row
from tui.tones import Tone
from tui.widgets.columns import Placed, choose, place, total_width
from tui.widgets.filterexpr import Filter
from tui.widgets.tablemodel import BY_NAME, TableModel, text_of
from tui.widgets.textview import highlight
from tui.widgets.toned import TONE_CLASSES, ToneStyles

CellTone = Callable[[Row, Column, str], Tone]
"""The role of one cell: (row, column, text as shown)."""

GUTTER = 2
NEWS_SECONDS = 3.0
"""How long a changed row keeps its mark."""


def _plain(_row: Row, _column: Column, _text: str) -> Tone:
    return Tone.TEXT


class VirtualTable(ScrollView, can_focus=True):
    """The cursor stays with its object (by uid), wherever sorting and changes move it.

    When that object goes away the cursor is lost: `current` is None until the user moves, so that no action
    can hit the row that happened to slide under it.
    """

    COMPONENT_CLASSES = TONE_CLASSES | {
        "table--header",
        "table--sorted",
        "table--cursor",
        "table--lost",
        "table--marked",
        "table--match",
    }
    BINDINGS = [
        Binding("up,k", "move(-1)", "Up", show=False, id="up"),
        Binding("down,j", "move(1)", "Down", show=False, id="down"),
        Binding("pageup,ctrl+b", "page(-1)", "Page up", show=False, id="page_up"),
        Binding("pagedown,ctrl+f", "page(1)", "Page down", show=False, id="page_down"),
        Binding("home,g", "edge(-1)", "First", show=False, id="top"),
        Binding("end,G", "edge(1)", "Last", show=False, id="bottom"),
        Binding("left", "sideways(-8)", "Left", show=False, id="left"),
        Binding("right", "sideways(8)", "Right", show=False, id="right"),
        Binding("enter", "activate", "Open", show=False, id="enter"),
        Binding("space", "mark", "Mark", show=False, id="mark"),
        Binding("ctrl+@,ctrl+space", "mark_range", "Mark range", show=False, id="mark_range"),
        Binding("ctrl+backslash", "clear_marks", "Clear marks", show=False, id="clear_marks"),
        Binding("shift+left", "sort_shift(-1)", "Sort by column to the left", show=False, id="sort_left"),
        Binding("shift+right", "sort_shift(1)", "Sort by column to the right", show=False, id="sort_right"),
        Binding("O", "sort_reverse", "Reverse sort", show=False, id="sort_reverse"),
        Binding("N", "sort_named('Name')", "Sort by name", show=False, id="sort_name"),
        Binding("A", "sort_named('Age')", "Sort by age", show=False, id="sort_age"),
        Binding("C", "sort_named('CPU')", "Sort by CPU", show=False, id="sort_cpu"),
        Binding("M", "sort_named('MEM')", "Sort by memory", show=False, id="sort_memory"),
        Binding("ctrl+z", "faults", "Only what is not well", show=False, id="faults"),
        Binding("ctrl+w", "wide", "Wide columns", show=False, id="wide"),
    ]

    class CursorMoved(Message):
        def __init__(self, row: Row | None) -> None:
            self.row = row
            super().__init__()

    class Activated(Message):
        def __init__(self, row: Row) -> None:
            self.row = row
            super().__init__()

    class Arranged(Message):
        """The user chose another order, or the wide view."""

    class Rearranged(Message):
        """Sorting, marks, filter or width class changed: what is said about the table has to be said anew."""

    def __init__(
        self,
        *,
        now: Callable[[], float],
        tone: CellTone = _plain,
        preferred: frozenset[str] = frozenset(),
        spared: frozenset[str] = frozenset(),
        ails: Callable[[Row], bool] | None = None,
    ) -> None:
        """`preferred` names columns of the wide view that come first where there is room for some.

        `ails` tells which rows are not well; without it, those with a cell in a colour of warning.
        """
        super().__init__()
        self._preferred = preferred
        self._spared = spared
        self.model = TableModel(now)
        self.marked: set[str] = set()
        self.wide = False
        self.faults_only = False
        self._cell_tone = tone
        self._ails = ails or self._coloured
        self._now = now
        self._styles = ToneStyles(self)
        self._placed: list[Placed] = []
        self._cursor = 0
        self._cursor_uid = ""
        self._mark_anchor = 0
        self._placeholder: list[Line] = []
        self._painted: dict[int, tuple[object, ...]] = {}

    # what others ask and tell

    @property
    def current(self) -> Row | None:
        """The row under the cursor; None when there is none, or when it has gone since."""
        return self.model.get(self._cursor_uid) if self.model.index_of(self._cursor_uid) is not None else None

    @property
    def lost(self) -> bool:
        """The cursor's object has gone; the row now at its place has not been chosen by anyone."""
        return bool(self._cursor_uid) and len(self.model) > 0 and self.model.index_of(self._cursor_uid) is None

    @property
    def cursor_index(self) -> int:
        return self._cursor

    def chosen(self) -> list[Row]:
        """The marked rows, in their order on the screen and then the hidden ones; else the current one."""
        if self.marked:
            rows = [row for uid in self.marked if (row := self.model.get(uid)) is not None]
            return sorted(rows, key=lambda row: (row.namespace, row.name))
        return [self.current] if self.current else []

    def set_columns(self, columns: tuple[Column, ...]) -> None:
        self.model.set_columns(columns)
        self._relayout()

    def apply(
        self, upserts: Sequence[Row], removed: Sequence[str], *, first: bool = False, quiet: bool = False
    ) -> None:
        """Take in a batch of changes and keep the cursor's row where the eye has it."""
        before = self._cursor
        self.model.apply(upserts, removed, first=first, quiet=quiet)
        self.marked.difference_update(removed)
        self._follow(before)
        if not self._relayout():
            self.repaint()

    def set_filter(self, wanted: Filter) -> None:
        self.model.set_filter(wanted)
        self._after_sifting()

    def _after_sifting(self) -> None:
        if self.model.index_of(self._cursor_uid) is None:
            self._move_to(0)
        self._follow(self._cursor)
        self._show_cursor()
        self._relayout()
        self.refresh()
        self.post_message(self.Rearranged())

    def repaint(self) -> None:
        """Draw those rows again that no longer look as they were drawn (a change, an age that grew)."""
        top, painted = self.scroll_offset.y, self._painted
        for index in range(top, min(top + self._body_height, max(len(self.model), top + len(painted)))):
            if painted.get(index) != self._look(index):
                self.refresh_line(index + 1)

    def select(self, uid: str) -> None:
        """Put the cursor on an object, if it is shown."""
        at = self.model.index_of(uid)
        if at is not None:
            self._move_to(at)

    def show_placeholder(self, lines: Sequence[Line]) -> None:
        """What stands in the middle while there is no row: loading, nothing here, refused, unreachable."""
        if list(lines) != self._placeholder:
            self._placeholder = list(lines)
            self.refresh()

    # keys

    def action_move(self, step: int) -> None:
        if self.lost:
            # The first key after a loss chooses the row that stands there, it does not skip it.
            step = 0 if step > 0 else -1
        self._move_to(self._cursor + step)

    def action_page(self, direction: int) -> None:
        self._move_to(self._cursor + direction * max(1, self._body_height - 1))

    def action_edge(self, direction: int) -> None:
        self._move_to(0 if direction < 0 else len(self.model) - 1)

    def action_sideways(self, step: int) -> None:
        self.scroll_to(x=max(0, self.scroll_offset.x + step), animate=False)

    def action_activate(self) -> None:
        if self.current is not None:
            self.post_message(self.Activated(self.current))

    def action_mark(self) -> None:
        row = self.current
        if row is None:
            return
        self.marked.symmetric_difference_update({row.uid})
        self._mark_anchor = self._cursor
        self._move_to(self._cursor + 1)
        self.post_message(self.Rearranged())

    def action_mark_range(self) -> None:
        low, high = sorted((min(self._mark_anchor, len(self.model) - 1), self._cursor))
        self.marked.update(self.model.row_at(index).uid for index in range(max(low, 0), high + 1))
        self.refresh()
        self.post_message(self.Rearranged())

    def action_clear_marks(self) -> None:
        self.marked.clear()
        self.refresh()
        self.post_message(self.Rearranged())

    def action_sort_shift(self, step: int) -> None:
        shown = [placed.index for placed in self._placed]
        if not shown:
            return
        at = shown.index(self.model.sort_column) if self.model.sort_column in shown else -1
        self.sort_by(shown[(at + step) % len(shown)])
        self.post_message(self.Arranged())

    def action_sort_reverse(self) -> None:
        column = self.model.sort_column
        if column == BY_NAME:
            self.action_sort_named("Name")
            column = self.model.sort_column
        self.sort_by(column, descending=not self.model.descending)
        self.post_message(self.Arranged())

    def action_sort_named(self, name: str) -> None:
        for index, column in enumerate(self.model.columns):
            if column.name == name:
                same = self.model.sort_column == index
                # Who uses most is what one wants to know first.
                down = column.name in ("CPU", "MEM")
                self.sort_by(index, descending=(not self.model.descending) if same else down)
        self.post_message(self.Arranged())

    def action_wide(self) -> None:
        self.wide = not self.wide
        self._relayout()
        self.post_message(self.Rearranged())
        self.post_message(self.Arranged())

    def action_faults(self) -> None:
        """Only rows with a cell that says that something is not well; again for all."""
        self.faults_only = not self.faults_only
        self.model.set_only(self._ails if self.faults_only else None)
        self._after_sifting()

    def sort_by(self, column: int, *, descending: bool = False) -> None:
        if column == BY_NAME:
            descending = False
        before = self._cursor
        self.model.sort_by(column, descending=descending)
        self._follow(before)
        self._show_cursor()
        self.refresh()
        self.post_message(self.Rearranged())

    def _coloured(self, row: Row) -> bool:
        texts = (text_of(cell) for cell in row.cells)
        tones = (self._cell_tone(row, column, text) for column, text in zip(self.model.columns, texts, strict=False))
        return any(tone in (Tone.BAD, Tone.WARN) for tone in tones)

    # mouse

    def on_click(self, event: events.Click) -> None:
        if event.y == 0:
            self._click_header(event.x + self.scroll_offset.x - GUTTER)
            return
        index = self.scroll_offset.y + event.y - 1
        if index < len(self.model):
            self._move_to(index)
            if event.chain == 2:
                self.action_activate()

    def _click_header(self, x: int) -> None:
        for placed in self._placed:
            if placed.start <= x < placed.start + placed.width + 1:
                same = self.model.sort_column == placed.index
                self.sort_by(placed.index, descending=same and not self.model.descending)
                self.post_message(self.Arranged())

    # drawing

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles.forget()

    def on_resize(self) -> None:
        self._relayout()
        self._show_cursor()

    def render_line(self, y: int) -> Strip:
        return self._line(y).apply_style(self.rich_style)

    def _line(self, y: int) -> Strip:
        width = self.size.width
        if y == 0:
            return self._header_line(width)
        index = self.scroll_offset.y + y - 1
        if y == 1:
            self._painted = {row: look for row, look in self._painted.items() if row >= index}
        self._painted[index] = self._look(index)
        if not len(self.model):
            return self._placeholder_line(y, width)
        if index >= len(self.model):
            return Strip.blank(width)
        return self._row_line(index, width)

    def _header_line(self, width: int) -> Strip:
        over = "table--header"
        segments = [Segment(" " * GUTTER, self._styles.component(over))]
        at = 0
        for placed in self._placed:
            column = self.model.columns[placed.index]
            name = column.name.upper()
            is_sorted = placed.index == self.model.sort_column
            if is_sorted:
                name = f"{name}{'↓' if self.model.descending else '↑'}"
            style = self._styles.component("table--sorted" if is_sorted else over)
            segments.append(Segment(" " * (placed.start - at), self._styles.component(over)))
            segments.append(Segment(_fit(name, placed.width, right=column.numeric), style))
            at = placed.start + placed.width
        return self._cropped(segments, at, width, self._styles.component(over))

    def _row_line(self, index: int, width: int) -> Strip:
        row = self.model.row_at(index)
        texts = self.model.texts_at(index)
        over = self._row_state(row, index)
        base = self._styles.tone(Tone.TEXT, over)
        segments = [self._gutter(row, over)]
        at = 0
        for placed in self._placed:
            if placed.index >= len(texts):
                break
            column, text = self.model.columns[placed.index], texts[placed.index]
            tone = Tone.FAINT if row.deleting else self._cell_tone(row, column, text)
            if placed.start > at:
                segments.append(Segment(" " * (placed.start - at), base))
            shown = _fit(text, placed.width, right=column.numeric)
            segments += self._matched(Segment(shown, self._styles.tone(tone, over)), placed.index)
            at = placed.start + placed.width
        return self._cropped(segments, at, width, base)

    def _matched(self, cell: Segment, column: int) -> list[Segment]:
        """The cell, with what the filter found in it marked."""
        spans = self.model.filter.spans(cell.text, column)
        if not spans:
            return [cell]
        return list(highlight(Strip([cell]), spans, self._styles.component("table--match")))

    def _placeholder_line(self, y: int, width: int) -> Strip:
        number = y - max(1, (self.size.height - len(self._placeholder)) * 2 // 5)
        if not 0 <= number < len(self._placeholder):
            return Strip.blank(width)
        line = self._placeholder[number]
        strip = Strip([Segment(text, self._styles.tone(tone)) for text, tone in line])
        left = max(1, (width - strip.cell_length) // 2)
        return Strip([Segment(" " * left), *strip]).crop_extend(0, width, None)

    def _look(self, index: int) -> tuple[object, ...]:
        """All that decides how a row is drawn, but for the theme."""
        if index >= len(self.model):
            return ()
        row = self.model.row_at(index)
        return (row.uid, self.model.texts_at(index), row.deleting, self._mark(row), self._row_state(row, index))

    def _mark(self, row: Row) -> str:
        if row.uid in self.marked:
            return "● "
        return "• " if self._now() - self.model.changed_at(row.uid) < NEWS_SECONDS else "  "

    def _gutter(self, row: Row, over: str) -> Segment:
        mark = self._mark(row)
        tone = Tone.ACCENT if mark == "● " else Tone.INFO
        return Segment(mark, self._styles.tone(tone, over))

    def _row_state(self, row: Row, index: int) -> str:
        if row.uid == self._cursor_uid:
            return "table--cursor"
        if index == self._cursor and self.lost:
            return "table--lost"
        return "table--marked" if row.uid in self.marked else ""

    def _cropped(self, segments: list[Segment], used: int, width: int, fill: object) -> Strip:
        scroll_x = self.scroll_offset.x
        total = max(used + GUTTER, scroll_x + width)
        segments.append(Segment(" " * (total - used - GUTTER), fill))  # type: ignore[arg-type]
        return Strip(segments, total).crop(scroll_x, scroll_x + width)

    # below

    @property
    def _body_height(self) -> int:
        return max(1, self.size.height - 1)

    def _move_to(self, index: int) -> None:
        count = len(self.model)
        self._cursor = max(0, min(index, count - 1))
        self._cursor_uid = self.model.row_at(self._cursor).uid if count else ""
        self._show_cursor()
        self.repaint()
        self.post_message(self.CursorMoved(self.current))

    def _follow(self, before: int) -> None:
        """Find the cursor's row again after a change, and scroll by as much as it moved."""
        if not self._cursor_uid:
            if len(self.model):
                self._cursor_uid = self.model.row_at(0).uid
                self._cursor = 0
                self.post_message(self.CursorMoved(self.current))
            return
        at = self.model.index_of(self._cursor_uid)
        if at is None:
            self._cursor = max(0, min(self._cursor, len(self.model) - 1))
            return
        self._cursor = at
        if at != before and self.scroll_offset.y > 0:
            self.call_after_refresh(partial(self._scroll_rows, self.scroll_offset.y + at - before))

    def _scroll_rows(self, y: int) -> None:
        self.scroll_to(y=max(0, y), animate=False)

    def _show_cursor(self) -> None:
        top, height = self.scroll_offset.y, self._body_height
        if self._cursor < top:
            self.scroll_to(y=self._cursor, animate=False)
        elif self._cursor >= top + height:
            self.scroll_to(y=self._cursor - height + 1, animate=False)

    def _relayout(self) -> bool:
        """Share out the width; True when that led to drawing everything again."""
        columns = self.model.columns
        widths = [max(self.model.width(index), cell_len(column.name) + 1) for index, column in enumerate(columns)]
        available = self.size.width - GUTTER - 1
        preferred = [index for index, column in enumerate(columns) if column.name in self._preferred]
        priorities = [column.priority for column in columns]
        # A column of the wide view that says nothing takes no room from one that does.
        quiet = frozenset(index for index in range(len(columns)) if not self.model.tells(index))
        wanted = choose(priorities, widths, available, wide=self.wide, preferred=preferred, quiet=quiet)
        spared = frozenset(index for index, column in enumerate(columns) if column.name in self._spared)
        placed = place(wanted, available, spared=spared)
        size = Size(max(total_width(placed) + GUTTER, 1), len(self.model) + 1)
        if placed == self._placed and size == self.virtual_size:
            return False
        self._placed = placed
        if size != self.virtual_size:
            self.virtual_size = size
        self.refresh()
        return True


def _fit(text: str, width: int, *, right: bool = False) -> str:
    """Exactly `width` cells: padded, or cut with an ellipsis."""
    length = len(text) if text.isascii() else cell_len(text)
    if length > width:
        return set_cell_size(text, max(0, width - 1)) + "…"
    if not text.isascii():
        return set_cell_size(text, width)
    return text.rjust(width) if right else text.ljust(width)
