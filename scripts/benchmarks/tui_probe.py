"""The terminal app with notes on its paints: `python -m scripts.benchmarks.tui_probe KUBECONFIG NOTES`.

Each line of NOTES is one paint: when (monotonic), how many rows are known, how often the cursor and the filter
moved until then, how many bytes lists took.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from apimachinery.client import kubeconfig
from tui.app import PilothouseApp
from tui.screens.browse import BrowseScreen
from tui.target import Target


class Counting:
    """A transport that counts the bytes of plain answers."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.bytes = 0
        self.stream = inner.stream
        self.websocket = inner.websocket
        self.close = inner.close

    async def request(self, *arguments: Any, **options: Any) -> Any:
        answer = await self.inner.request(*arguments, **options)
        self.bytes += int(answer.headers.get("content-length") or len(answer.body))
        return answer


class CountingScreen(BrowseScreen):
    """Counts the watch events that reach the table's feed."""

    changes = 0
    watched = 0
    """Bytes of the events."""

    def on_mount(self) -> None:
        super().on_mount()
        event = self.feed.event

        def counted(line: bytes) -> str:
            self.changes += 1
            self.watched += len(line) + 1
            return event(line)

        self.feed.event = counted  # type: ignore[method-assign]


class ProbeApp(PilothouseApp):
    def __init__(self, access: kubeconfig.ClusterAccess, notes: str) -> None:
        self.counting = Counting(access.transport())
        super().__init__(access, transport=self.counting)
        self.notes = Path(notes).open("a", buffering=1, encoding="utf-8")  # noqa: SIM115 - open as long as the app
        self.moves = 0
        self.filters = 0
        self.cursor_at = 0
        self.filter_was = ""

    def _root(self, target: Target) -> None:
        self.push_screen(CountingScreen(target))

    def _display(self, screen: Any, renderable: Any) -> None:
        super()._display(screen, renderable)
        if not isinstance(screen, CountingScreen) or not screen.is_mounted:
            return
        table = screen.table
        if table.cursor_index > self.cursor_at:
            self.moves += 1
        self.cursor_at = table.cursor_index
        text = screen.filter_text()
        if text != self.filter_was and len(text) > len(self.filter_was):
            self.filters += 1
        self.filter_was = text
        note = {
            "at": time.monotonic(),
            "rows": table.model.total,
            "cursor": self.moves,
            "filters": self.filters,
            "bytes": self.counting.bytes,
            "changes": screen.changes,
            "watched": screen.watched,
        }
        self.notes.write(json.dumps(note) + "\n")


if __name__ == "__main__":
    ProbeApp(kubeconfig.load(sys.argv[1]), sys.argv[2]).run()
