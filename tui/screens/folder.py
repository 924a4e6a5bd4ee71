"""Manifests on this computer (`:dir PATH`): looked at, edited, applied, their objects deleted."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
from textual.binding import Binding

from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import NotFound, StatusError
from apimachinery.objects.resources import Resource
from tui import amounts, manifests
from tui.changes import FIELD_MANAGER, Change, Deletion, Entry
from tui.document import Line
from tui.manifests import ManifestError
from tui.rows import Column, Moment, Row
from tui.screens import acting, changing
from tui.screens.editor import edit_file
from tui.screens.listing import ListScreen
from tui.screens.text import TextScreen
from tui.tones import Tone
from tui.widgets.dialogs import ChangeDialog, DeleteDialog
from tui.widgets.hints import Hint
from tui.yamltext import comparable, diff_lines, yaml_lines

JSON = dict[str, Any]
APPLY = {"Content-Type": "application/apply-patch+yaml", "Accept": "application/json"}


class FolderScreen(ListScreen):
    BINDINGS = [
        Binding("y", "view", "The file", show=False),
        Binding("e", "edit", "Edit it in $EDITOR", show=False),
        Binding("a", "apply", "Apply its objects, each shown as a difference first", show=False),
        Binding("ctrl+d", "delete", "Delete its objects from the cluster", show=False, key_display="^d"),
    ]
    COLUMNS = (Column("Name"), Column("Size", "number"), Column("Age"))
    WORD = ("entry", "entries")

    @property
    def folder(self) -> Path:
        return Path(self.target.name or ".").expanduser().resolve()

    def on_mount(self) -> None:
        if self._begun:
            return
        super().on_mount()
        self.reconnect()

    def reconnect(self) -> None:
        self.run_worker(self._look(), group="look", exclusive=True)

    async def _look(self) -> None:
        try:
            found = await asyncio.to_thread(manifests.entries, self.folder)
        except OSError as error:
            self.table.show_placeholder([((f"{self.folder}: {error.strerror}", Tone.BAD),)])
            return
        rows = [Row("..", "0", "..", ("..", "", None))] if self.folder.parent != self.folder else []
        for one in found:
            name = f"{one.path.name}/" if one.folder else one.path.name
            size, age = ("", None) if one.folder else (amounts.size(one.size), Moment(one.changed_at))
            # Rows stand by namespace first: folders before files.
            rows.append(Row(str(one.path), "1" if one.folder else "2", one.path.name, (name, size, age)))
        self.show_rows(rows)

    def own_crumbs(self, *, first: bool) -> list[str]:
        del first
        return [str(self.folder)]

    def tone(self, row: Row, column: Column, text: str) -> Tone:
        if column.name != "Name":
            return Tone.MUTED
        return Tone.KEY if text.endswith("/") or row.uid == ".." else Tone.TEXT

    def own_hints(self) -> Sequence[Hint]:
        return [Hint("⏎", "open", ""), Hint("e", "edit", "edit"), Hint("a", "apply", "apply"),
                Hint("^d", "delete", "delete")]  # fmt: skip

    def entered(self, row: Row) -> None:
        path = self.folder.parent if row.uid == ".." else Path(row.uid)
        if path.is_dir():
            self.conductor.go_to(replace(self.target, name=str(path)))
        else:
            self.action_view()

    def _file(self) -> Path | None:
        row = self.current()
        path = Path(row.uid) if row is not None else None
        if path is not None and not path.is_file():
            self.notify("That is a folder.")
            return None
        return path

    def action_view(self) -> None:
        if (path := self._file()) is not None:
            self.run_worker(self._view(path), group="view", exclusive=True)

    async def _view(self, path: Path) -> None:
        try:
            text = await asyncio.to_thread(path.read_text, encoding="utf-8", errors="replace")
        except OSError as error:
            self.notify(f"{path}: {error.strerror}", severity="error")
            return
        self.app.push_screen(TextScreen(replace(self.target, title=path.name), yaml_lines(text)))

    def action_edit(self) -> None:
        if (path := self._file()) is not None:
            edit_file(self, path)

    def action_apply(self) -> None:
        self._work(self._apply)

    def action_delete(self) -> None:
        self._work(self._delete)

    def _work(self, work: Any) -> None:
        if self.session.readonly:
            self.notify(acting.READ_ONLY, severity="warning")
        elif (path := self._file()) is not None:
            self.run_worker(acting.reported(self, self._with_objects(path, work)), group="act", exclusive=True)

    async def _with_objects(self, path: Path, work: Any) -> None:
        try:
            objects = await asyncio.to_thread(manifests.objects_in, path)
            placed = [(*self._place(obj), obj) for obj in objects]
        except ManifestError as error:
            self.notify(str(error), severity="error")
            return
        await work(path, placed)

    def _place(self, obj: JSON) -> tuple[Resource, str | None]:
        """The kind as the server has it, and the namespace that the object is for."""
        for known in self.session.aliases.resources():
            if known.kind == obj["kind"] and known.group == _group(obj["apiVersion"]):
                # In the version that the manifest is written in.
                resource = replace(known, version=obj["apiVersion"].rpartition("/")[2])
                named = obj["metadata"].get("namespace") or self.session.namespace or "default"
                return resource, named if resource.namespaced else None
        raise ManifestError(f"the server has no {obj['kind']} of {obj['apiVersion']}")

    async def _apply(self, path: Path, placed: list[tuple[Resource, str | None, JSON]]) -> None:
        """One after the other; the first that is not wanted ends it."""
        for number, (resource, namespace, obj) in enumerate(placed, start=1):
            name = obj["metadata"]["name"]
            before = await self._before(resource, namespace, name)
            lines: list[Line]
            refused = ""
            try:
                lines = diff_lines(
                    comparable(before), comparable(await self._patch(resource, namespace, obj, dry=True))
                )
            except (StatusError, ConnectionFailed) as error:
                lines, refused = [((str(error), Tone.BAD),)], str(error)
            if not lines:
                self.notify(f"{resource.singular or resource.kind.lower()}/{name}: nothing would change.")
                continue
            consequence = "" if before else "It is new."
            change = Change(title="Apply", resource=resource, name=name, namespace=namespace, patch=obj,
                            consequence=f"{consequence} {number} of {len(placed)} in {path.name}.".strip())  # fmt: skip
            if not await self.app.push_screen_wait(ChangeDialog(change, lines, refused=refused)):
                return
            after = await self._patch(resource, namespace, obj, dry=False)
            self.session.journal.record(Entry(at=self.session.now(), title="Apply", what=change.object_words,
                                              before=before or None, after=after))  # fmt: skip
            self.notify(f"Apply: {change.object_words}")

    async def _before(self, resource: Resource, namespace: str | None, name: str) -> JSON:
        try:
            return await self.session.client.get(resource, name, namespace)
        except NotFound:
            return {}

    async def _patch(self, resource: Resource, namespace: str | None, obj: JSON, *, dry: bool) -> JSON:
        query = {"fieldManager": FIELD_MANAGER, "force": "true"} | ({"dryRun": "All"} if dry else {})
        path = resource.path(namespace, obj["metadata"]["name"])
        body = msgspec.json.encode(obj)
        return msgspec.json.decode(await self.session.client.call("PATCH", path, query=query, headers=APPLY, body=body))

    async def _delete(self, path: Path, placed: list[tuple[Resource, str | None, JSON]]) -> None:
        names = [f"{one.singular or one.kind.lower()}/{obj['metadata']['name']}" for one, _, obj in placed]
        answer = await self.app.push_screen_wait(
            DeleteDialog(f"object of {path.name}", f"objects of {path.name}", names)
        )
        if answer is None:
            return
        # Last made, first gone: what others stand on goes after them.
        for resource, namespace, obj in reversed(placed):
            deletion = Deletion(resource=resource, objects=((namespace, obj["metadata"]["name"], "/"),),
                                propagation=answer.propagation, force=answer.force)  # fmt: skip
            await changing.delete(self, deletion)


def _group(api_version: str) -> str:
    return api_version.rpartition("/")[0]
