"""The line that opens above the hints for `:` commands and `/` filters."""

from collections.abc import Callable, Sequence
from enum import StrEnum

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input, Static

from tui.widgets.fields import Field

HISTORY = 30


class Mode(StrEnum):
    COMMAND = ":"
    FILTER = "/"


class _Completer(Suggester):
    def __init__(self, complete: Callable[[str], Sequence[str]]) -> None:
        super().__init__(use_cache=False, case_sensitive=False)
        self._complete = complete

    async def get_suggestion(self, value: str) -> str | None:
        found = self._complete(value)
        return found[0] if found and found[0] != value else None


class _Line(Field):
    BINDINGS = [
        Binding("tab", "cursor_right_or_accept", "Complete", show=False, priority=True),
        Binding("up", "recall(-1)", "Older", show=False),
        Binding("down", "recall(1)", "Newer", show=False),
        Binding("escape", "leave", "Leave", show=False),
    ]

    def action_cursor_right_or_accept(self) -> None:
        self.cursor_position = len(self.value)
        self.action_cursor_right()

    def action_recall(self, step: int) -> None:
        self.post_message(Prompt.Recall(step))

    def action_leave(self) -> None:
        self.post_message(Prompt.Left())


class Prompt(Horizontal):
    """Hidden until opened. Tells every change of a filter at once, a command when Enter is pressed."""

    class Changed(Message):
        """The filter as it stands after this key."""

        def __init__(self, text: str) -> None:
            self.text = text
            super().__init__()

    class Submitted(Message):
        def __init__(self, mode: Mode, text: str) -> None:
            self.mode = mode
            self.text = text
            super().__init__()

    class Left(Message):
        """Escape was pressed."""

    class Recall(Message):
        def __init__(self, step: int) -> None:
            self.step = step
            super().__init__()

    def __init__(self, complete: Callable[[str], Sequence[str]] | None = None) -> None:
        super().__init__()
        self.mode = Mode.COMMAND
        self._complete = _Completer(complete) if complete else None
        self._history: dict[Mode, list[str]] = {mode: [] for mode in Mode}
        self._recalled = 0
        self.display = False

    @property
    def opened(self) -> bool:
        return self.display

    def compose(self) -> ComposeResult:
        yield Static(":", id="prompt-sign")
        yield _Line(id="prompt-line", compact=True, select_on_focus=False)
        yield Static("", id="prompt-note")

    def open(self, mode: Mode, text: str = "") -> None:
        self.mode = mode
        line = self.query_one(_Line)
        self.query_one("#prompt-sign", Static).update(mode.value)
        line.suggester = self._complete if mode is Mode.COMMAND else None
        with self.prevent(Input.Changed):
            line.value = text
        line.cursor_position = len(text)
        self._recalled = len(self._history[mode])
        self.note("")
        # At once, not on the next turn: keys typed ahead belong to the prompt already.
        self.display = True
        self.screen.set_focus(line)

    def close(self) -> None:
        self.display = False

    def note(self, text: str) -> None:
        """A word at the right end: how many match, or what cannot be understood."""
        self.query_one("#prompt-note", Static).update(text, layout=False)

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if self.mode is Mode.FILTER:
            self.post_message(self.Changed(event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        text = event.value
        if text.strip():
            history = self._history[self.mode]
            if text in history:
                history.remove(text)
            history.append(text)
            del history[:-HISTORY]
        self.post_message(self.Submitted(self.mode, text))

    def on_prompt_recall(self, event: Recall) -> None:
        event.stop()
        history = self._history[self.mode]
        self._recalled = max(0, min(self._recalled + event.step, len(history)))
        line = self.query_one(_Line)
        line.value = history[self._recalled] if self._recalled < len(history) else ""
        line.cursor_position = len(line.value)
