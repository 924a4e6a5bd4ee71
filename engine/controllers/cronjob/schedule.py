"""Schedules: when a CronJob is due, in its time zone.

Five fields or one of the words that upstream's parser knows: `@hourly`... and `@every 1h30m`.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

_WORDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_ZONE_PREFIX = re.compile(r"^(?:TZ|CRON_TZ)=(\S+)\s+")


class BadSchedule(ValueError):
    """The schedule or the time zone cannot be understood."""


class UnknownZone(BadSchedule):
    pass


@dataclass(frozen=True, slots=True)
class Schedule:
    """Moments on whole seconds, in UTC."""

    fields: str
    zone: tzinfo
    every: timedelta | None = None

    def after(self, moment: datetime) -> datetime | None:
        """The first due moment later than this one; None when none comes (30 February)."""
        if self.every is not None:
            return (moment + self.every).replace(microsecond=0)
        try:
            return next(CronSim(self.fields, moment.astimezone(self.zone))).astimezone(UTC)
        except (StopIteration, CronSimError):
            return None


def parse(text: str, zone: str | None) -> Schedule:
    """Raises BadSchedule. Without a zone the schedule is in UTC, the zone of the engine's clock."""
    prefix = _ZONE_PREFIX.match(text)
    if prefix is not None:
        zone, text = zone or prefix[1], text[prefix.end() :]
    found = _zone(zone)
    text = text.strip()
    if text.startswith("@every "):
        return Schedule("", found, _duration(text.removeprefix("@every ").strip()))
    fields = _WORDS.get(text, text).replace("?", "*")
    try:
        CronSim(fields, datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise BadSchedule(str(error)) from error
    if len(fields.split()) != 5:
        raise BadSchedule(f"expected exactly 5 fields, found {len(fields.split())}: [{text}]")
    return Schedule(fields, found)


def _zone(name: str | None) -> tzinfo:
    if not name:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UnknownZone(f"unknown time zone {name}") from error


def _duration(text: str) -> timedelta:
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise BadSchedule(f"failed to parse duration @every {text}")
    return timedelta(seconds=max(1.0, sum(float(number) * _SECONDS[unit] for number, unit in parts)))


@dataclass(frozen=True, slots=True)
class Due:
    """The latest due moment, if any, and how many there were: counted exactly up to a hundred or so."""

    moment: datetime | None
    missed: int


def due_between(schedule: Schedule, earliest: datetime, now: datetime) -> Due:
    """The moments after `earliest` up to `now`. A long absence is skipped over, not walked through."""
    first = schedule.after(earliest)
    if first is None or first > now:
        return Due(None, 0)
    if schedule.every is not None:
        more = (now - first) // schedule.every
        return Due(first + more * schedule.every, more + 1)
    second = schedule.after(first)
    if second is None or second > now:
        return Due(first, 1)
    # As upstream does: the pace of the first two tells about how many there were.
    missed = int((now - first) // (second - first)) + 1
    latest, window = second, timedelta(hours=1)
    while now - window > second:
        found = schedule.after(now - window)
        if found is not None and found <= now:
            latest = found
            break
        window *= 4
    while (following := schedule.after(latest)) is not None and following <= now:
        latest = following
    return Due(latest, missed)
