"""What a container said when it ended: its termination message, or the end of its log."""

from __future__ import annotations

from pathlib import Path

from nodeagent.cri.types import Container as Ran
from nodeagent.pods.view import Container

MAX_BYTES = 4096
MAX_LOG_BYTES, MAX_LOG_LINES = 2048, 80


def termination_message(container: Container | None, ran: Ran, file: Path) -> str:
    """The file's content; with policy FallbackToLogsOnError the log's end after a failure that left no file."""
    text = _head(file)
    if text or container is None or container.termination_message_policy != "FallbackToLogsOnError":
        return text
    return _log_tail(Path(ran.log_path)) if ran.exit_code != 0 and ran.log_path else ""


def _head(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_BYTES).decode(errors="replace")
    except OSError:
        return ""


def _log_tail(file: Path) -> str:
    """Content of the last lines of a CRI log file."""
    try:
        with file.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(0, size - 4 * MAX_LOG_BYTES))
            lines = stream.read().splitlines()[-MAX_LOG_LINES:]
    except OSError:
        return ""
    # Each line is: time, stream, tag, content.
    content = b"\n".join(parts[3] for line in lines if len(parts := line.split(b" ", 3)) == 4)
    return content[-MAX_LOG_BYTES:].decode(errors="replace")
