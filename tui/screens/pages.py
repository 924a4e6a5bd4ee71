"""A page of lines in front of everything else."""

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Label

from tui.document import Line
from tui.widgets.textview import TextView


class PageScreen(ModalScreen[None]):
    BINDINGS = [Binding("escape,q", "dismiss", "Close", show=False)]

    def __init__(self, title: str, lines: list[Line]) -> None:
        super().__init__()
        self._title, self._lines = title, lines

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -wide"):
            yield Label(self._title, classes="dialog-title")
            view = TextView(self._lines)
            view.styles.height = len(self._lines)
            view.styles.max_height = max(4, self.app.size.height - 8)
            yield view
