"""The files that were saved from the app: tables, documents, logs. Looked at, edited, deleted."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from textual.binding import Binding

from tui import amounts, dumps
from tui.rows import Column, Moment, Row
from tui.screens.editor import edit_file
from tui.screens.listing import ListScreen
from tui.screens.machinework import YesDialog
from tui.screens.text import TextScreen
from tui.target import Target, View
from tui.tones import Tone
from tui.widgets.hints import Hint

MOST_SHOWN = 2_000_000
"""Bytes of a file that are put on the screen."""


class DumpsScreen(ListScreen):
    BINDINGS = [
        Binding("e", "edit", "Open it in $EDITOR", show=False),
        Binding("c", "copy", "Copy its path", show=False),
        Binding("ctrl+d", "delete", "Delete it", show=False, key_display="^d"),
    ]
    COLUMNS = (Column("Name"), Column("Context"), Column("Size", "number"), Column("Age"), Column("Path", priority=1))
    WORD = ("file", "files")

    def on_mount(self) -> None:
        super().on_mount()
        self.reconnect()

    def reconnect(self) -> None:
        self.run_worker(self._look(), group="look", exclusive=True)

    async def _look(self) -> None:
        found = await asyncio.to_thread(dumps.saved)
        self.show_rows([
            Row(str(one.path), "", one.path.name,
                (one.path.name, one.context, amounts.size(one.size), Moment(one.at), str(one.path)))
            for one in found
        ])  # fmt: skip

    def tone(self, row: Row, column: Column, text: str) -> Tone:
        del row, text
        return Tone.TEXT if column.name == "Name" else Tone.MUTED

    def own_hints(self) -> Sequence[Hint]:
        return [Hint("⏎", "show", ""), Hint("e", "edit", "edit"), Hint("c", "copy path", "copy"),
                Hint("^d", "delete", "delete")]  # fmt: skip

    def entered(self, row: Row) -> None:
        self.run_worker(self._open(Path(row.uid)), group="open", exclusive=True)

    async def _open(self, path: Path) -> None:
        try:
            text = await asyncio.to_thread(dumps.beginning, path, MOST_SHOWN)
        except OSError as error:
            self.notify(f"{path}: {error.strerror}", severity="error")
            return
        target = Target(resource=self.target.resource, view=View.DUMPS, title=path.name)
        self.app.push_screen(TextScreen(target, [((line, Tone.TEXT),) for line in text.splitlines()]))

    def action_edit(self) -> None:
        if (row := self.current()) is not None:
            edit_file(self, Path(row.uid))

    def action_copy(self) -> None:
        if (row := self.current()) is not None:
            self.app.copy_to_clipboard(row.uid)
            self.notify(f"Copied {row.uid}.")

    def action_delete(self) -> None:
        rows = self.table.chosen()
        if rows:
            self.run_worker(self._delete([Path(row.uid) for row in rows]), group="delete", exclusive=True)

    async def _delete(self, paths: list[Path]) -> None:
        what = paths[0].name if len(paths) == 1 else f"these {len(paths)} files"
        if not await self.app.push_screen_wait(
            YesDialog(f"Delete {what}?", "\n".join(path.name for path in paths[:8]), "Delete", danger=True)
        ):
            return
        for path in paths:
            await asyncio.to_thread(path.unlink, missing_ok=True)
        self.reconnect()
