"""The user's own editor, on a file of theirs."""

import asyncio
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tui.screens.base import ClusterScreen

EDITORS = ("PILOTHOUSE_EDITOR", "KUBE_EDITOR", "VISUAL", "EDITOR")


def editor_command() -> str:
    return next((os.environ[name] for name in EDITORS if os.environ.get(name)), "vi")


def edit_file(screen: "ClusterScreen", path: Path) -> None:
    """In the terminal, which the app leaves to the editor for as long."""
    if screen.app.is_headless or screen.app.is_web or not sys.stdin.isatty():
        screen.notify("An editor of your own needs a terminal.", severity="warning")
        return
    screen.run_worker(_edit(screen, path), group="editor", exclusive=True)


async def _edit(screen: "ClusterScreen", path: Path) -> None:
    argv = [*shlex.split(editor_command()), str(path)]
    said = ""
    with screen.app.batch_update(), screen.app.suspend():
        try:
            await asyncio.to_thread(subprocess.run, argv, check=False)
        except OSError as error:
            said = f"{argv[0]}: {error.strerror}"
    screen.app.refresh(layout=True)
    if said:
        screen.notify(said, severity="error")
    screen.reconnect()
