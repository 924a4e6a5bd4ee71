"""Which image to look in with, and at which container."""

from collections.abc import Sequence
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Label, RadioButton, RadioSet, Static

from tui.widgets.dialogs import FormDialog
from tui.widgets.fields import Field


@dataclass(frozen=True, slots=True)
class DebugAnswer:
    image: str
    target: str


class DebugDialog(FormDialog[DebugAnswer]):
    """`targets` is empty where there is nothing to choose."""

    def __init__(self, title: str, targets: Sequence[str], target: str, image: str, *, words: str = "") -> None:
        super().__init__()
        self._title, self._targets, self._target, self._image = title, list(targets), target, image
        self._words = words or "It stays in the pod's record after it has ended, and sees the container's processes."

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Label(self._title, classes="dialog-title")
            with Horizontal(classes="dialog-line"):
                yield Label("Image  ", classes="dialog-label")
                yield Field(self._image, compact=True, id="image", select_on_focus=False)
            if self._targets:
                yield Label("Beside", classes="dialog-label")
                with RadioSet(compact=True, id="target"):
                    for name in self._targets:
                        yield RadioButton(name, value=name == self._target, compact=True)
            yield Static(self._words, classes="dialog-note")
            yield from self.buttons("Open")

    def on_mount(self) -> None:
        self.query_one("#image", Input).focus()

    def finish(self) -> None:
        image = self.query_one("#image", Input).value.strip()
        if not image:
            return
        target = self._targets[max(0, self.query_one(RadioSet).pressed_index)] if self._targets else ""
        self.dismiss(DebugAnswer(image, target))
