"""Tables of things that are no objects of the API: forwards, contexts, releases, what one may do."""

from collections.abc import Sequence

from textual.widget import Widget

from tui.document import Line, Span
from tui.feeds.state import FeedState, Phase
from tui.kinds.words import general_tone
from tui.rows import Column, Row
from tui.screens.base import ClusterScreen
from tui.target import Target
from tui.tones import Tone
from tui.widgets.hints import Hint
from tui.widgets.table import VirtualTable


class ListScreen(ClusterScreen):
    """Subclasses give columns and keys, and call `show_rows` with all rows whenever they change."""

    COLUMNS: tuple[Column, ...] = ()
    WORD = ("entry", "entries")

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._filter = target.filter
        self.feed_state = FeedState(phase=Phase.LIVE)

    def tone(self, row: Row, column: Column, text: str) -> Tone:
        return general_tone(row, column, text)

    def nothing(self) -> list[Line]:
        """What stands in the middle when there is no row."""
        return [((f"No {self.WORD[1]}", Tone.MUTED),)]

    def body(self) -> Sequence[Widget]:
        self.table = VirtualTable(now=self.session.now, tone=self.tone)
        return [self.table]

    def main_widget(self) -> Widget:
        return self.table

    def on_mount(self) -> None:
        if self._begun:
            return
        super().on_mount()
        self.table.set_columns(self.COLUMNS)
        self.table.show_placeholder(self.nothing())

    def show_rows(self, rows: Sequence[Row], *, quiet: bool = False) -> None:
        """All of them; `quiet` when what changed in them is no news."""
        first = not self.table.model.total
        kept = {row.uid for row in rows}
        self.table.apply(
            rows, [row.uid for row in self.table.model.rows() if row.uid not in kept], first=first, quiet=quiet
        )
        if not rows:
            self.table.show_placeholder(self.nothing())
        self.tell()

    def own_crumbs(self, *, first: bool) -> list[str]:
        del first
        return [self.target.title]

    def notes(self) -> Sequence[Span]:
        model = self.table.model
        if self._filter:
            return [(f"/{self._filter}", Tone.ACCENT), (f"  {len(model):,} of {model.total:,}", Tone.MUTED)]
        return [(f"{model.total:,} {self.WORD[0] if model.total == 1 else self.WORD[1]}", Tone.MUTED)]

    def hints(self) -> Sequence[Hint]:
        return [
            *self.own_hints(),
            Hint("/", "filter", "filter"),
            Hint("Esc", "back", "back"),
            Hint("?", "help", "help"),
        ]

    def own_hints(self) -> Sequence[Hint]:
        return ()

    def filter_text(self) -> str:
        return self._filter

    def on_filter(self, text: str) -> None:
        self._filter = text.strip()
        self.filter_table(self.table, text)
        self.tell()

    def tick(self) -> None:
        self.table.repaint()

    def on_virtual_table_rearranged(self) -> None:
        self.tell()

    def on_virtual_table_activated(self, event: VirtualTable.Activated) -> None:
        self.entered(event.row)

    def entered(self, row: Row) -> None:
        """Enter was pressed on a row."""

    def current(self) -> Row | None:
        """The row under the cursor; says so when it has gone."""
        row = self.table.current
        if row is None:
            self.notify("No row is chosen.")
        return row
