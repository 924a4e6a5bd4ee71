"""Editing an object as YAML: the server checks it, the difference is shown, and the text is never lost on the way."""

import asyncio
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Any

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Label, Static, TextArea

from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import Conflict, StatusError
from apimachinery.objects.resources import Resource
from tui.changes import Change, Entry
from tui.editing import NotUsable, changed_meanwhile, patch_of, text_of
from tui.screens import changing
from tui.screens.base import ClusterScreen
from tui.screens.editor import editor_command
from tui.screens.ending import EndingScreen
from tui.widgets.dialogs import ChangeDialog
from tui.widgets.fields import Area
from tui.yamltext import comparable, diff_lines

JSON = dict[str, Any]
KEYS = "^s check and show the difference   ^e your $EDITOR   Esc leave"


class EditScreen(ModalScreen[None], EndingScreen[None]):
    BINDINGS = [
        Binding("ctrl+s", "save", "Check it and show the difference", show=False, priority=True),
        Binding("ctrl+e", "editor", "Edit in $EDITOR", show=False, priority=True),
        Binding("escape", "leave", "Leave", show=False, priority=True),
    ]

    def __init__(self, over: ClusterScreen, resource: Resource, obj: JSON) -> None:
        super().__init__()
        self._over, self._resource = over, resource
        self._original: JSON = {"apiVersion": resource.api_version, "kind": resource.kind, **obj}
        self._text = text_of(self._original)
        self._leaving = False

    def compose(self) -> ComposeResult:
        meta = self._original["metadata"]
        with Vertical(classes="dialog -editor"):
            yield Label(f"Edit {self._resource.kind} {meta['name']}", classes="dialog-title")
            yield Area(self._text, show_line_numbers=True, soft_wrap=False, tab_behavior="indent", compact=True)
            yield Static(KEYS, classes="dialog-note", id="edit-note")

    def on_mount(self) -> None:
        self.query_one(TextArea).focus()

    def on_text_area_changed(self) -> None:
        self._leaving = False

    def note(self, text: str) -> None:
        self.query_one("#edit-note", Static).update(text)

    def action_leave(self) -> None:
        if self.query_one(TextArea).text == self._text or self._leaving:
            self.dismiss()
            return
        self._leaving = True
        self.note("There are changes. Esc again throws them away; ^s shows the difference.")

    def action_save(self) -> None:
        self.run_worker(self._save(), group="save", exclusive=True)

    async def _save(self) -> None:
        """What the server says against it is shown under the text, which stays as it is."""
        try:
            patch = patch_of(self._original, self.query_one(TextArea).text)
        except NotUsable as error:
            self.note(f"Not usable: {error}")
            return
        if not patch:
            self.note("Nothing is changed yet.")
            return
        try:
            if await self._made(patch):
                self.dismiss()
        except Conflict:
            self.note("Somebody changed it in this very moment. ^s tries again with your text on the newest version.")
        except (StatusError, ConnectionFailed) as error:
            self.note(f"Refused: {error}")

    async def _made(self, patch: JSON) -> bool:
        """The patch goes onto the newest version, and onto no other: what others changed elsewhere stays."""
        session, meta = self._over.session, self._original["metadata"]
        name, namespace = meta["name"], meta.get("namespace")
        latest = await session.client.get(self._resource, name, namespace)
        others = changed_meanwhile(self._original, latest, patch)
        guard = {"resourceVersion": latest["metadata"]["resourceVersion"]}
        patch = patch | {"metadata": {**(patch.get("metadata") or {}), **guard}}
        after = await session.client.patch(self._resource, name, patch, namespace, dry_run=True)
        lines = diff_lines(comparable(latest), comparable(after))
        if not lines:
            self.note("The server would change nothing.")
            return False
        change = Change(title="Edit", resource=self._resource, name=name, namespace=namespace, patch=patch,
                        consequence=_said(others))  # fmt: skip
        change = changing.with_owners(change, latest)
        if not await self.app.push_screen_wait(ChangeDialog(change, lines)):
            return False
        made = await session.client.patch(self._resource, name, patch, namespace)
        session.journal.record(Entry(at=session.now(), title=change.title, what=change.object_words, before=latest,
                                     after=made, change=change))  # fmt: skip
        self._over.notify(f"Edit: {change.object_words}")
        return True

    def action_editor(self) -> None:
        self.run_worker(self._outside(), group="editor", exclusive=True)

    async def _outside(self) -> None:
        command = editor_command()
        if self.app.is_headless or not sys.stdin.isatty():
            self.note("An editor of your own needs a terminal.")
            return
        area = self.query_one(TextArea)
        with self.app.batch_update(), self.app.suspend():
            text, trouble = await asyncio.to_thread(edit_outside, command, area.text)
        self.app.refresh(layout=True)
        area.load_text(text)
        self.note(trouble or KEYS)


def _said(others: list[str]) -> str:
    return f"Changed by somebody else since you began: {', '.join(others)}." if others else ""


def edit_outside(command: str, text: str) -> tuple[str, str]:
    """The text as the editor left it, and what went wrong; the file is ours alone and removed after."""
    import subprocess

    with tempfile.TemporaryDirectory(prefix="pilothouse-") as folder:
        path = Path(folder) / "object.yaml"
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
        try:
            code = subprocess.run([*shlex.split(command), str(path)], check=False).returncode
        except OSError as error:
            return text, f"{command}: {error.strerror}"
        return path.read_text(encoding="utf-8"), f"{command} ended with code {code}" if code else ""


async def edit(screen: ClusterScreen, resource: Resource, name: str, namespace: str | None) -> None:
    obj = await screen.session.client.get(resource, name, namespace)
    screen.app.push_screen(EditScreen(screen, resource, obj))
