"""Lines of CRI log files: ``2026-01-02T03:04:05.000000006Z stdout F text``. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec


class LogOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a reader asked for; `since` is in seconds since the epoch, 0.0 = from the start."""

    follow: bool = False
    tail: int | None = None
    since: float = 0.0
    timestamps: bool = False
    limit_bytes: int | None = None
    stream: str = ""  # "stdout" or "stderr" alone; empty: both


@dataclass(frozen=True, slots=True)
class Line:
    """`partial`: the runtime cut a long line here; the next record goes on with it."""

    time: bytes
    stream: bytes
    partial: bool
    text: bytes


def parse(record: bytes) -> Line | None:
    """One record without its line end; None for what is no CRI record."""
    parts = record.split(b" ", 3)
    if len(parts) != 4:
        return None
    time, stream, tags, text = parts
    return Line(time, stream, tags.split(b":", 1)[0] == b"P", text)


def rendered(line: Line, options: LogOptions, *, continued: bool) -> bytes:
    """What the reader gets of a line; `continued`: the record before it was cut, so it has its time already."""
    head = line.time + b" " if options.timestamps and not continued else b""
    return head + line.text + (b"" if line.partial else b"\n")


def epoch(time: bytes) -> float:
    """Seconds since the epoch of a record's time; 0.0 for what is no time. Zone offsets are honoured."""
    text = time.decode("ascii", "replace")
    head, fraction, rest = text.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    zone = rest[len(digits) :]
    try:
        moment = datetime.fromisoformat(head + (zone or "Z") if fraction else text)
    except ValueError:
        return 0.0
    return moment.timestamp() + (int(digits) / 10 ** len(digits) if digits else 0.0)
