"""The log screen with notes on its paints: `python -m scripts.benchmarks.tui_logprobe SERVER NOTES`."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from apimachinery.client.kubeconfig import ClusterAccess
from apimachinery.objects.resources import PODS
from tui.app import PilothouseApp
from tui.screens.logs import LogsScreen
from tui.target import Target, View


class LogProbe(PilothouseApp):
    def __init__(self, access: ClusterAccess, notes: str) -> None:
        super().__init__(access)
        self.notes = Path(notes).open("a", buffering=1, encoding="utf-8")  # noqa: SIM115 - open as long as the app
        self.moves = 0
        self.top = 0
        self.filters = 0
        self.filter_was = ""

    def _root(self, target: Target) -> None:
        del target
        self.open_target(Target(resource=PODS, view=View.LOGS, namespace="default", name="loud", title="loud logs"))

    def _display(self, screen: Any, renderable: Any) -> None:
        super()._display(screen, renderable)
        if not isinstance(screen, LogsScreen) or not screen.is_mounted:
            return
        view, text = screen.view, screen.filter_text()
        if not view.following and view.scroll_offset.y != self.top:
            self.moves += 1
        self.top = view.scroll_offset.y
        if text != self.filter_was and len(text) > len(self.filter_was):
            self.filters += 1
        self.filter_was = text
        note = {
            "at": time.monotonic(),
            "lines": view.ring.end,
            "kept": len(view.ring),
            "cursor": self.moves,
            "filters": self.filters,
            "matches": 0 if view.searching is not None or not text else view.shown,
        }
        self.notes.write(json.dumps(note) + "\n")


if __name__ == "__main__":
    LogProbe(ClusterAccess(context="bench", cluster="bench", user="", server=sys.argv[1]), sys.argv[2]).run()
