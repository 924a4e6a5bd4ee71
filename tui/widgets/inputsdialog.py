"""What a plugin wants to know before it runs."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Checkbox, Input, Label, RadioButton, RadioSet, Static

from tui.settings import PluginInput
from tui.widgets.dialogs import FormDialog
from tui.widgets.fields import Field


class InputsDialog(FormDialog[dict[str, str]]):
    """Answers by name, in capitals, as a plugin's arguments name them. What is required must be given."""

    def __init__(self, title: str, inputs: Sequence[PluginInput]) -> None:
        super().__init__()
        self._title, self._inputs = title, list(inputs)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Label(self._title, classes="dialog-title")
            for number, wanted in enumerate(self._inputs):
                words = wanted.label or wanted.name
                if wanted.type == "bool":
                    yield Checkbox(words, value=_truth(wanted.default), compact=True, id=f"input-{number}")
                    continue
                yield Label(f"{words}{' *' if wanted.required else ''}", classes="dialog-label")
                if wanted.type == "dropdown":
                    with RadioSet(compact=True, id=f"input-{number}"):
                        for at, option in enumerate(wanted.options):
                            chosen = option == str(wanted.default) or (at == 0 and not wanted.default)
                            yield RadioButton(option, value=chosen, compact=True)
                else:
                    kind = "number" if wanted.type == "number" else "text"
                    default = str(wanted.default) if wanted.default != "" else ""
                    yield Field(default, type=kind, compact=True, id=f"input-{number}", classes="dialog-input")
            yield Static("", id="inputs-note", classes="dialog-note")
            yield from self.buttons("Run")

    def finish(self) -> None:
        answers: dict[str, str] = {}
        for number, wanted in enumerate(self._inputs):
            value = self._value(number, wanted)
            if wanted.required and not value:
                self.query_one("#inputs-note", Static).update(f"{wanted.label or wanted.name} is needed.")
                self.query_one(f"#input-{number}").focus()
                return
            if wanted.type == "number" and value and not _is_number(value):
                self.query_one("#inputs-note", Static).update(f"{wanted.label or wanted.name} is a number.")
                self.query_one(f"#input-{number}").focus()
                return
            answers[wanted.name.upper().replace(" ", "_")] = value
        self.dismiss(answers)

    def _value(self, number: int, wanted: PluginInput) -> str:
        widget = self.query_one(f"#input-{number}")
        if isinstance(widget, Checkbox):
            return "true" if widget.value else "false"
        if isinstance(widget, RadioSet):
            return wanted.options[widget.pressed_index] if widget.pressed_index >= 0 else ""
        return self.query_one(f"#input-{number}", Input).value.strip()


def _truth(value: str | float | bool) -> bool:
    return value is True or str(value).lower() in ("true", "yes", "1")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
