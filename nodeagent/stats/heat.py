"""How warm the machine is, and whether it is slowed down for it: from the kernel's files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

JSON = dict[str, Any]

_HOTTEST_SOUND = 150.0
"""Degrees above which a sensor is broken rather than hot."""
_THROTTLED = ("devices/platform/soc/soc:firmware/get_throttled", "devices/platform/raspberrypi-firmware/get_throttled")
_NOW = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}
"""Bits of the Raspberry Pi's firmware; 16 more is that it has happened since the start.
Source: raspberrypi.com/documentation, vcgencmd get_throttled."""


def heat(sys: Path = Path("/sys")) -> JSON:
    """`temperatures` (a name, degrees, and the degree that is critical where the kernel knows it), and `throttling`
    where a board's firmware tells of it: what slows it down `now`, and what has `sinceBoot`."""
    told: JSON = {}
    if sensors := [*_zones(sys), *_chips(sys)]:
        told["temperatures"] = sensors
    if (throttling := _throttling(sys)) is not None:
        told["throttling"] = throttling
    return told


def _zones(sys: Path) -> list[JSON]:
    found: list[JSON] = []
    for zone in sorted((sys / "class/thermal").glob("thermal_zone*")):
        degrees = _degrees(zone / "temp")
        if degrees is None:
            continue
        sensor: JSON = {"name": _text(zone / "type") or zone.name, "celsius": degrees}
        for trip in sorted(zone.glob("trip_point_*_type")):
            if _text(trip) == "critical":
                limit = _degrees(trip.with_name(trip.name.replace("_type", "_temp")))
                sensor |= {"critical": limit} if limit is not None else {}
        found.append(sensor)
    return found


def _chips(sys: Path) -> list[JSON]:
    """Sensors of disks and processors that are no thermal zone."""
    found: list[JSON] = []
    for chip in sorted((sys / "class/hwmon").glob("hwmon*")):
        # A zone shows itself once more as a chip of its own name.
        if (chip / "device/type").exists() and (chip / "device/temp").exists():
            continue
        name = _text(chip / "name") or chip.name
        for reading in sorted(chip.glob("temp*_input")):
            degrees = _degrees(reading)
            if degrees is None:
                continue
            label = _text(reading.with_name(reading.name.replace("_input", "_label")))
            sensor: JSON = {"name": f"{name} {label}" if label else name, "celsius": degrees}
            limit = _degrees(reading.with_name(reading.name.replace("_input", "_crit")))
            found.append(sensor | ({"critical": limit} if limit is not None else {}))
    return found


def _throttling(sys: Path) -> JSON | None:
    for name in _THROTTLED:
        text = _text(sys / name)
        if text:
            try:
                bits = int(text, 16)
            except ValueError:
                return None
            return {
                "now": [words for bit, words in _NOW.items() if bits >> bit & 1],
                "sinceBoot": [words for bit, words in _NOW.items() if bits >> (bit + 16) & 1],
            }
    return None


def _degrees(file: Path) -> float | None:
    text = _text(file)
    try:
        degrees = int(text) / 1000
    except ValueError:
        return None
    return degrees if -50 < degrees < _HOTTEST_SOUND else None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        # A sensor that sleeps answers with an error: it is left out.
        return ""
