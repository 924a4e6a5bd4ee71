"""What a log line says when it is more than text: JSON, logfmt, klog. Pure."""

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from tui.tones import Tone

TIMES = ("time", "ts", "timestamp", "@timestamp", "t", "datetime", "date")
LEVELS = ("level", "lvl", "severity", "log.level", "loglevel", "levelname", "l")
MESSAGES = ("msg", "message", "event", "text", "body", "m")
RANKS = {"trace": 0, "debug": 1, "info": 2, "notice": 2, "warn": 3, "warning": 3, "error": 4, "err": 4, "critical": 5,
         "fatal": 5, "panic": 5, "alert": 5, "emergency": 5, "dpanic": 5}  # fmt: skip
NUMBERED = {10: "trace", 20: "debug", 30: "info", 40: "warn", 50: "error", 60: "fatal"}
"""The levels of pino and bunyan."""
TONES = (Tone.FAINT, Tone.FAINT, Tone.INFO, Tone.WARN, Tone.BAD, Tone.BAD)
_LOGFMT = re.compile(r'([\w.@/-]+)=("(?:[^"\\]|\\.)*"|[^\s"]*)(?:\s+|$)')
_KLOG = re.compile(r"^([IWEF])\d{4} (\d\d:\d\d:\d\d\.\d{1,6})\s+\d+ ([^\]]+)\] ?(.*)$")
_WORD = re.compile(r"\b(TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|ERR|CRITICAL|FATAL|PANIC)\b", re.IGNORECASE)
_KLOG_LEVELS = {"I": "info", "W": "warn", "E": "error", "F": "fatal"}
_LEADING = 200
"""Characters among which a level written as a word is looked for."""


@dataclass(frozen=True, slots=True)
class Entry:
    """`level` is lower-case, "" where none is named; `fields` are the others, in their order."""

    message: str
    level: str = ""
    time: str = ""
    fields: tuple[tuple[str, str], ...] = ()

    @property
    def tone(self) -> Tone:
        rank = RANKS.get(self.level)
        return Tone.TEXT if rank is None else TONES[rank]


def parse(text: str) -> Entry | None:
    """None for a line that is just text."""
    start = text.lstrip()
    if start.startswith("{"):
        return _from_json(start)
    if start[:1] in _KLOG_LEVELS and (klog := _KLOG.match(start)) is not None:
        return Entry(klog[4], _KLOG_LEVELS[klog[1]], klog[2], (("at", klog[3]),))
    if "=" in start:
        return _from_logfmt(start)
    return None


def level_of(text: str) -> str:
    """The level of any line, by its fields or by a word near its start; "" when it has none."""
    entry = parse(text)
    if entry is not None and entry.level:
        return entry.level
    found = _WORD.search(text[:_LEADING])
    return found[1].lower() if found else ""


def at_least(text: str, level: str) -> bool:
    """Whether a line is of that level or above."""
    return RANKS.get(level_of(text), -1) >= RANKS.get(level, 0)


def pretty(text: str) -> list[str]:
    """A line in full: JSON indented, other fields one a line, text as it is."""
    start = text.strip()
    if start.startswith("{"):
        try:
            return msgspec.json.format(start, indent=2).splitlines()
        except msgspec.DecodeError:
            return [text]
    entry = parse(text)
    if entry is None:
        return [text]
    named = [("time", entry.time), ("level", entry.level), ("message", entry.message), *entry.fields]
    return [f"{name}: {value}" for name, value in named if value]


def _from_json(text: str) -> Entry | None:
    try:
        found = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    if not isinstance(found, dict) or not found:
        return None
    return _entry({str(key): _said(value) for key, value in found.items()})


def _from_logfmt(text: str) -> Entry | None:
    pairs: dict[str, str] = {}
    at = 0
    while at < len(text):
        match = _LOGFMT.match(text, at)
        if match is None:
            return None
        value = match[2]
        pairs[match[1]] = value[1:-1].replace('\\"', '"') if value[:1] == '"' else value
        at = match.end()
    return _entry(pairs) if len(pairs) > 1 else None


def _entry(pairs: dict[str, str]) -> Entry:
    lowered = {name.lower(): name for name in pairs}

    def taken(names: tuple[str, ...]) -> str:
        name = next((lowered[one] for one in names if one in lowered), None)
        return pairs.pop(name) if name is not None else ""

    time, level, message = taken(TIMES), taken(LEVELS), taken(MESSAGES)
    if level.isdigit():
        level = NUMBERED.get(int(level), level)
    return Entry(message, level.lower(), time, tuple(pairs.items()))


def _said(value: Any) -> str:
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()
