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
        self.candidates = complete

    async def get_suggestion(self, value: str) -> str | None:
        """What can be drawn behind the cursor: only what begins as it was typed."""
        found = self.candidates(value)
        begins = found and found[0] != value and found[0].lower().startswith(value.lower())
        return found[0] if begins else None


class _Line(Field):
    BINDINGS = [
        Binding("tab", "complete(1)", "Complete", show=False, priority=True),
        Binding("shift+tab", "complete(-1)", "Complete", show=False, priority=True),
        Binding("ctrl+f", "accept", "Accept", show=False),
        Binding("up", "recall(-1)", "Older", show=False),
        Binding("down", "recall(1)", "Newer", show=False),
        Binding("escape", "leave", "Leave", show=False),
    ]

    def action_accept(self) -> None:
        self.cursor_position = len(self.value)
        self.action_cursor_right()

    def action_complete(self, step: int) -> None:
        self.post_message(Prompt.Completing(step))

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

    class Completing(Message):
        """The next (or, -1, the one before) of what the line may become."""

        def __init__(self, step: int) -> None:
            self.step = step
            super().__init__()

    class Recall(Message):
        def __init__(self, step: int) -> None:
            self.step = step
            super().__init__()

    def __init__(
        self, complete: Callable[[str], Sequence[str]] | None = None, typed: dict[str, list[str]] | None = None
    ) -> None:
        """`typed` holds what was typed before, by mode, on whichever screen."""
        super().__init__()
        self.mode = Mode.COMMAND
        self._candidates_of = complete or _nothing
        self._completers = {Mode.COMMAND: _Completer(self._candidates_of), Mode.FILTER: _Completer(self._recent)}
        self._typed = ""
        """What was typed by hand, that Tab completes again and again."""
        self._candidates: list[str] = []
        self._chosen = -1
        held = typed if typed is not None else {}
        self._history: dict[Mode, list[str]] = {mode: held.setdefault(mode.value, []) for mode in Mode}
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
        line.suggester = self._completers[mode]
        self._set(text)
        self._candidates, self._chosen = [], -1
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
        self._typed, self._chosen = event.value, -1
        self._candidates = [*self._completers[self.mode].candidates(event.value)]
        if self.mode is Mode.COMMAND:
            self._offer()

    def on_prompt_completing(self, event: Completing) -> None:
        event.stop()
        if not self._candidates:
            return
        self._chosen = (self._chosen + event.step) % len(self._candidates) if self._chosen >= 0 else 0
        self._set(self._candidates[self._chosen])
        if self.mode is Mode.FILTER:
            self.post_message(self.Changed(self._candidates[self._chosen]))
        else:
            self._offer()

    def _offer(self) -> None:
        """What Tab would make of it, at the right end."""
        rest = self._candidates[self._chosen + 1 :] if self._chosen >= 0 else self._candidates
        room = max(0, self.size.width // 2 - 8)
        words: list[str] = []
        for line in rest:
            word = line.rpartition(" ")[2]
            if sum(len(one) + 2 for one in words) + len(word) > room:
                break
            words.append(word)
        self.note(f"⇥ {'  '.join(words)}" if words else "")

    def _set(self, text: str) -> None:
        line = self.query_one(_Line)
        with self.prevent(Input.Changed):
            line.value = text
        line.cursor_position = len(text)

    def _recent(self, typed: str) -> list[str]:
        return [text for text in reversed(self._history[Mode.FILTER]) if typed and text.startswith(typed)]

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


def _nothing(_typed: str) -> Sequence[str]:
    return ()
