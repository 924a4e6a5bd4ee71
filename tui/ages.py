"""How long ago, in the words kubectl uses: `45s`, `3m20s`, `5h12m`, `9d`. Pure."""

import re

_UNITS = {"y": 31_536_000, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_DURATION = re.compile(r"^(?:\d+[ydhms])+$")
_PART = re.compile(r"(\d+)([ydhms])")


def human_duration(seconds: float) -> str:
    """Shortens as upstream's `duration.HumanDuration` does: two units while the first is small, then one."""
    total = int(seconds)
    if total < -1:
        return "<invalid>"
    if total < 0:
        return "0s"
    minutes, hours, days = total // 60, total // 3600, total // 86_400
    if total < 120:
        return f"{total}s"
    if minutes < 10:
        return _two(minutes, "m", total % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return _two(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    years = days // 365
    return _two(years, "y", days % 365, "d") if years < 8 else f"{years}y"


def parse_human_duration(text: str) -> float | None:
    """Seconds of a text made by `human_duration`; None when it is not one (`<unknown>`, empty)."""
    if not _DURATION.match(text):
        return None
    return float(sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(text)))


def _two(first: int, first_unit: str, second: int, second_unit: str) -> str:
    return f"{first}{first_unit}{second}{second_unit}" if second else f"{first}{first_unit}"
