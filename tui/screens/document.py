"""Screens that show a document: reading keys, search with n and N, saved to the clipboard."""

from collections.abc import Sequence

from textual.binding import Binding
from textual.widget import Widget

from tui.document import EMPTY, Line, Span
from tui.screens.base import ClusterScreen
from tui.target import Target, View
from tui.tones import Tone
from tui.widgets.hints import Hint
from tui.widgets.textview import TextView


class DocumentScreen(ClusterScreen):
    """`/` searches; subclasses call `show` with lines."""

    BINDINGS = [
        Binding("n", "step(1)", "Next place found (while searching)", show=False),
        Binding("N", "step(-1)", "Place found before", show=False),
        Binding("W", "wrap", "Fold long lines or not", show=False),
        Binding("c", "copy", "Copy all of it", show=False),
    ]

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._search = ""
        self._found = (0, 0)

    def body(self) -> Sequence[Widget]:
        self.view = TextView()
        return [self.view]

    def main_widget(self) -> Widget:
        return self.view

    def show(self, lines: Sequence[Line]) -> None:
        self.view.show(lines)

    def say(self, text: str, detail: str = "") -> None:
        """Instead of a document: what is happening."""
        self.show([EMPTY, (("  " + text, Tone.MUTED),), (("  " + detail, Tone.FAINT),)])

    def filter_text(self) -> str:
        return self._search

    def on_filter(self, text: str) -> None:
        self._search = text.strip()
        self.view.search(text)

    def on_text_view_searched(self, event: TextView.Searched) -> None:
        self._found = (event.matches, event.current)
        self.tell()

    def notes(self) -> Sequence[Span]:
        if not self._search:
            return ()
        matches, current = self._found
        return [
            (f"/{self._search}  ", Tone.ACCENT),
            (f"{current} of {matches}" if matches else "not found", Tone.MUTED),
        ]

    def hints(self) -> Sequence[Hint]:
        search = [Hint("n N", "next, previous")] if self._search else []
        return [Hint("/", "search", "filter"), *search, *self.more_hints(), Hint("W", "wrap", "wrap"),
                Hint("c", "copy", "copy"), Hint("Esc", "back", "back"), Hint("?", "help", "help")]  # fmt: skip

    def more_hints(self) -> Sequence[Hint]:
        return ()

    def action_step(self, direction: int) -> None:
        if self._search:
            self.view.step(direction)
        elif direction > 0:
            self.action_namespace()

    def action_wrap(self) -> None:
        self.view.toggle_wrap()

    def action_save(self) -> None:
        from tui.dumps import save_text

        title, suffix = self.own_crumbs(first=False)[-1], "yaml" if self.target.view is View.YAML else "txt"
        name = f"{self.target.name}-{title}" if self.target.name and self.target.name not in title else title
        try:
            file = save_text(self.view.text + "\n", self.session.access.context, name, self.session.now(), suffix)
        except OSError as error:
            self.notify(f"{error.filename}: {error.strerror}", severity="error", title="Save")
            return
        self.notify(f"Saved to {file}")

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self.view.text)
        self.notify("Copied.")
