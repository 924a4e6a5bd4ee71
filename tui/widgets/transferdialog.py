"""Which file goes where."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Label, RadioButton, RadioSet, Static

from tui.widgets.dialogs import FormDialog
from tui.widgets.fields import Field


@dataclass(frozen=True, slots=True)
class TransferAnswer:
    upload: bool
    remote: str
    local: Path
    container: str


class TransferDialog(FormDialog[TransferAnswer]):
    def __init__(self, pod: str, containers: Sequence[str], container: str = "") -> None:
        super().__init__()
        self._pod, self._containers = pod, list(containers)
        self._container = container or self._containers[0]

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Label(f"Transfer files, {self._pod}", classes="dialog-title")
            with RadioSet(compact=True, id="direction"):
                yield RadioButton("Out of the container, to here", value=True, compact=True)
                yield RadioButton("Into the container, from here", compact=True)
            for name, label, value in (("remote", "There", ""), ("local", "Here ", f"{Path.cwd()}/")):
                with Horizontal(classes="dialog-line"):
                    yield Label(f"{label}  ", classes="dialog-label")
                    yield Field(value, compact=True, id=name, select_on_focus=False)
            if len(self._containers) > 1:
                yield Label("Container", classes="dialog-label")
                with RadioSet(compact=True, id="container"):
                    for name in self._containers:
                        yield RadioButton(name, value=name == self._container, compact=True)
            yield Static("A file or a whole folder. The container needs tar.", classes="dialog-note", id="note")
            yield from self.buttons("Transfer")

    def on_mount(self) -> None:
        self.query_one("#remote", Input).focus()

    def finish(self) -> None:
        upload = self.query_one("#direction", RadioSet).pressed_index == 1
        remote = self.query_one("#remote", Input).value.strip()
        here = self.query_one("#local", Input).value.strip()
        local = Path(here).expanduser()
        wrong = ""
        if not remote:
            wrong = "There: a path in the container"
        elif not here:
            wrong = "Here: a path on this machine"
        elif upload and not local.exists():
            wrong = f"Here: there is no {local}"
        elif not upload and not local.is_dir() and not local.parent.is_dir():
            wrong = f"Here: there is no folder {local.parent}"
        if wrong:
            self.query_one("#note", Static).update(wrong)
            return
        container = self._container
        if len(self._containers) > 1:
            container = self._containers[max(0, self.query_one("#container", RadioSet).pressed_index)]
        self.dismiss(TransferAnswer(upload, remote, local, container))
