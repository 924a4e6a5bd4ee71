"""Schedules in cron's notation, with the grammar and the complaints of github.com/robfig/cron/v3 (ParseStandard)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_EVERY = "@every "
_DURATION = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class _Field:
    lowest: int
    highest: int
    names: tuple[str, ...] = ()
    first_name: int = 0


_FIELDS = (_Field(0, 59), _Field(0, 23), _Field(1, 31), _Field(1, 12, _MONTHS, 1), _Field(0, 6, _DAYS))


@dataclass(frozen=True, slots=True)
class Schedule:
    """The minutes, hours, days, months and weekdays (0 is Sunday) at which something is due.

    A day must suit both days and weekdays when one of them was written as `*`, else either is enough.
    `every` is the interval in seconds of an `@every` schedule, whose sets are empty.
    """

    minutes: frozenset[int] = frozenset()
    hours: frozenset[int] = frozenset()
    days: frozenset[int] = frozenset()
    months: frozenset[int] = frozenset()
    weekdays: frozenset[int] = frozenset()
    both_days: bool = False
    every: int = 0


def parse(text: str) -> Schedule:
    """Read a schedule. Raises ValueError in upstream's words."""
    if not text:
        raise ValueError("empty spec string")
    if text.startswith("@"):
        if text.startswith(_EVERY):
            return Schedule(every=max(1, int(_seconds(text))))
        if text not in _DESCRIPTORS:
            raise ValueError(f"unrecognized descriptor: {text}")
        text = _DESCRIPTORS[text]
    parts = text.split()
    if len(parts) != len(_FIELDS):
        raise ValueError(f"expected exactly 5 fields, found {len(parts)}: [{' '.join(parts)}]")
    minutes, hours, days, months, weekdays = (_values(part, field) for part, field in zip(parts, _FIELDS, strict=True))
    starred = any(term[0] in "*?" for part in (parts[2], parts[4]) for term in part.split(",") if term)
    return Schedule(minutes, hours, days, months, weekdays, starred)


def _values(part: str, field: _Field) -> frozenset[int]:
    found: set[int] = set()
    for term in part.split(","):
        if term:
            found |= set(_range(term, field))
    return frozenset(found)


def _range(term: str, field: _Field) -> range:
    span, *steps = term.split("/")
    if len(steps) > 1:
        raise ValueError(f"too many slashes: {term}")
    low, *highs = span.split("-")
    if low in {"*", "?"}:
        start, end = field.lowest, field.highest
    else:
        if len(highs) > 1:
            raise ValueError(f"too many hyphens: {term}")
        start = _number(low, field)
        # `N/2` means from N to the end by twos.
        end = _number(highs[0], field) if highs else field.highest if steps else start
    step = _integer(steps[0]) if steps else 1
    if start < field.lowest:
        raise ValueError(f"beginning of range ({start}) below minimum ({field.lowest}): {term}")
    if end > field.highest:
        raise ValueError(f"end of range ({end}) above maximum ({field.highest}): {term}")
    if start > end:
        raise ValueError(f"beginning of range ({start}) beyond end of range ({end}): {term}")
    if not step:
        raise ValueError(f"step of range should be a positive number: {term}")
    return range(start, end + 1, step)


def _number(text: str, field: _Field) -> int:
    name = text.lower()
    return field.names.index(name) + field.first_name if name in field.names else _integer(text)


def _integer(text: str) -> int:
    if not re.fullmatch("[+-]?[0-9]+", text):
        raise ValueError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    if int(text) < 0:
        raise ValueError(f"negative number ({int(text)}) not allowed: {text}")
    return int(text)


def _seconds(text: str) -> float:
    duration = text.removeprefix(_EVERY)
    if not re.fullmatch(rf"(?:{_DURATION.pattern})+", duration):
        raise ValueError(f'failed to parse duration {text}: time: invalid duration "{duration}"')
    return sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(duration))
