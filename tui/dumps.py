"""Tables saved to files, in the state folder, readable by their owner alone."""

import contextlib
import csv
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from tui.memory import state_file
from tui.widgets.tablemodel import TableModel


def save_table(model: TableModel, context: str, title: str, now: float) -> Path:
    """Rows and columns as they stand, in a new file. Raises OSError."""
    file = _new_file(context, title, now, "csv")
    with _opened(file) as opened:
        writer = csv.writer(opened)
        writer.writerow([column.name for column in model.columns])
        writer.writerows(model.texts_at(index) for index in range(len(model)))
    return file


def save_text(text: str, context: str, title: str, now: float, suffix: str) -> Path:
    """A document as it stands, in a new file. Raises OSError."""
    file = _new_file(context, title, now, suffix)
    with _opened(file) as opened:
        opened.write(text)
    return file


@dataclass(frozen=True, slots=True)
class Saved:
    """A file that was saved: `at` is when it was last changed, `size` its bytes."""

    path: Path
    context: str
    size: int
    at: float


def saved() -> list[Saved]:
    """All of them, the newest first."""
    folder = state_file().parent / "dumps"
    found: list[Saved] = []
    for path in folder.glob("*/*"):
        with contextlib.suppress(OSError):
            status = path.stat()
            found.append(Saved(path, path.parent.name, status.st_size, status.st_mtime))
    return sorted(found, key=lambda one: (-one.at, one.path))


def beginning(path: Path, most: int) -> str:
    """The file as text, at most so many bytes of it; raises OSError."""
    with path.open("rb") as file:
        return file.read(most).decode("utf-8", "replace")


def _new_file(context: str, title: str, now: float, suffix: str) -> Path:
    folder = state_file().parent / "dumps" / _plain(context)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d-%H%M%S")
    return folder / f"{_plain(title)}-{stamp}.{suffix}"


def _opened(file: Path) -> TextIO:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    return os.fdopen(descriptor, "w", newline="", encoding="utf-8")


def _plain(text: str) -> str:
    """A name that no folder takes for more than a name."""
    return re.sub(r"[^\w.-]+", "-", text).strip(".-") or "table"
