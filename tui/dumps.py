"""Tables saved to files, in the state folder, readable by their owner alone."""

import csv
import os
import re
from datetime import UTC, datetime
from pathlib import Path

from tui.memory import state_file
from tui.widgets.tablemodel import TableModel


def save_table(model: TableModel, context: str, title: str, now: float) -> Path:
    """Rows and columns as they stand, in a new file. Raises OSError."""
    folder = state_file().parent / "dumps" / _plain(context)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d-%H%M%S")
    file = folder / f"{_plain(title)}-{stamp}.csv"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow([column.name for column in model.columns])
        writer.writerows(model.texts_at(index) for index in range(len(model)))
    return file


def _plain(text: str) -> str:
    """A name that no folder takes for more than a name."""
    return re.sub(r"[^\w.-]+", "-", text).strip(".-") or "table"
