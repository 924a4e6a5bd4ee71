"""The form that asks how a new machine is reached."""

from dataclasses import dataclass, field
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Label, Static

from tui.widgets.dialogs import FormDialog
from tui.widgets.fields import Field

_FIELDS = (
    ("host", "Host      ", "name or address"),
    ("user", "User      ", "root"),
    ("port", "Port      ", "22"),
    ("key", "Key file  ", "the SSH agent's, and the usual ones"),
    ("password", "Password  ", "only if it has to be; for sudo too"),
    ("jump", "Jump      ", "user@host:port of a machine in between"),
    ("name", "Node name ", "its hostname"),
    ("labels", "Labels    ", "disk=ssd, room=2"),
)


@dataclass(frozen=True, slots=True)
class JoinAnswer:
    """`words` are the command's, after `node add`; the password goes its own way, never into them."""

    machine: str
    words: tuple[str, ...]
    password: str | None = field(default=None, repr=False)


def join_words(given: dict[str, str]) -> JoinAnswer | str:
    """What the command has to be told, or what is wrong in the form."""
    host, user, port = given["host"], given["user"], given["port"]
    if not host or any(sign in host for sign in " @"):
        return "Host: the name or address of the machine" if not host else "Host: without user; that has its own line"
    if host.startswith("-") or user.startswith("-"):
        return "Host and user cannot begin with a dash"
    if port and not (port.isdigit() and 0 < int(port) < 65536):
        return f"Port: {port} is not between 1 and 65535"
    if given["key"] and not Path(given["key"]).expanduser().is_file():
        return f"Key file: there is no file {given['key']}"
    labels = [word.strip() for word in given["labels"].split(",") if word.strip()]
    for label in labels:
        if "=" not in label or label.startswith("="):
            return f"Labels: {label} is not KEY=VALUE"
    shown_host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    machine = f"{user + '@' if user else ''}{shown_host}{':' + port if port else ''}"
    words = [machine]
    for option, value in (
        ("--key", str(Path(given["key"]).expanduser()) if given["key"] else ""),
        ("--jump", given["jump"]),
        ("--name", given["name"]),
        *(("--label", label) for label in labels),
    ):
        words += [option, value] if value else []
    if given["password"]:
        words.append("--password-stdin")
    return JoinAnswer(machine, tuple(words), given["password"] or None)


class JoinDialog(FormDialog[JoinAnswer]):
    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Label("Join a machine", classes="dialog-title")
            for name, label, hint in _FIELDS:
                with Horizontal(classes="dialog-line"):
                    yield Label(f"{label}  ", classes="dialog-label")
                    yield Field(placeholder=hint, compact=True, id=name, password=name == "password")
            yield Static(
                "It needs SSH and root or sudo; everything else is brought to it.", id="note", classes="dialog-note"
            )
            yield from self.buttons("Join")

    def on_mount(self) -> None:
        self.query_one("#host", Input).focus()

    def finish(self) -> None:
        given = {
            name: self.query_one(f"#{name}", Input).value if name == "password" else self._text(name)
            for name, _, _ in _FIELDS
        }
        answer = join_words(given)
        if isinstance(answer, str):
            self.query_one("#note", Static).update(answer)
        else:
            self.dismiss(answer)

    def _text(self, name: str) -> str:
        return self.query_one(f"#{name}", Input).value.strip()
