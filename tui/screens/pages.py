"""A page of lines: which names kinds have."""

from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Label

from tui.document import Document, Line, Span
from tui.session import Session
from tui.tones import Tone
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


def open_aliases(app: App[None], session: Session) -> None:
    app.push_screen(PageScreen("Kinds and their names", alias_lines(session)))


def alias_lines(session: Session) -> list[Line]:
    doc = Document()
    rows: list[list[Span]] = [
        [
            (resource.plural, Tone.KEY),
            (", ".join(resource.short_names), Tone.TEXT),
            (resource.api_version, Tone.MUTED),
        ]
        for resource in session.aliases.resources()
    ]
    doc.table(("KIND", "SHORT", "VERSION"), rows, indent=0)
    return doc.lines
