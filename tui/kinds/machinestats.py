"""A kubelet's stats/summary, cut down to what is drawn of a machine. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tui.amounts import bytes_of, milli_of

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """At one moment: thousandths of a core, bytes, bytes a second (None until there are two readings)."""

    at: float
    cpu: float
    cpu_total: float
    memory: float
    memory_total: float
    rx_bytes: int | None = None
    tx_bytes: int | None = None
    received: float | None = None
    sent: float | None = None
    disks: tuple[tuple[str, int, int], ...] = ()
    temperatures: tuple[tuple[str, float, float], ...] = ()
    """Name, degrees, and the degree that is critical (0 where nobody says)."""
    slowed: tuple[str, ...] = ()
    slowed_before: tuple[str, ...] = ()
    """Why the machine is slowed down now, and why it has been since it started."""


def reading(summary: JSON, node: JSON, at: float, before: Reading | None) -> Reading:
    """What a summary says of the machine; rates are over the time since the reading `before`."""
    stats: JSON = summary.get("node") or {}
    capacity: Mapping[str, str] = (node.get("status") or {}).get("capacity") or {}
    memory: JSON = stats.get("memory") or {}
    rx, tx = _network(stats.get("network") or {})
    disks: list[tuple[str, int, int]] = []
    for word, fs in (("Disk", stats.get("fs")), ("Images", (stats.get("runtime") or {}).get("imageFs"))):
        if fs and fs.get("capacityBytes"):
            used = fs["capacityBytes"] - fs["availableBytes"] if "availableBytes" in fs else fs.get("usedBytes", 0)
            disks.append((word, int(used), int(fs["capacityBytes"])))
    working = int(memory.get("workingSetBytes", 0))
    return Reading(
        at=at,
        cpu=int((stats.get("cpu") or {}).get("usageNanoCores", 0)) / 1e6,
        cpu_total=milli_of(capacity.get("cpu")),
        memory=working,
        memory_total=bytes_of(capacity.get("memory")) or working + int(memory.get("availableBytes", 0)),
        rx_bytes=rx,
        tx_bytes=tx,
        received=_rate(before.rx_bytes if before else None, rx, at - before.at if before else 0.0),
        sent=_rate(before.tx_bytes if before else None, tx, at - before.at if before else 0.0),
        disks=tuple(disks),
        temperatures=tuple(
            (str(one.get("name", "sensor")), float(one["celsius"]), float(one.get("critical") or 0))
            for one in stats.get("temperatures") or ()
            if isinstance(one, dict) and "celsius" in one
        ),
        slowed=tuple(map(str, (stats.get("throttling") or {}).get("now") or ())),
        slowed_before=tuple(map(str, (stats.get("throttling") or {}).get("sinceBoot") or ())),
    )


HOT = 80.0
"""Degrees at which boards begin to slow down, where no limit is told."""
MARGIN = 15.0


def is_hot(celsius: float, critical: float) -> bool:
    return celsius >= (critical - MARGIN if critical else HOT)


def _network(network: JSON) -> tuple[int | None, int | None]:
    interfaces = network.get("interfaces") or ([network] if "rxBytes" in network else [])
    if not interfaces:
        return None, None
    return sum(int(one.get("rxBytes", 0)) for one in interfaces), sum(int(one.get("txBytes", 0)) for one in interfaces)


def _rate(before: int | None, now: int | None, seconds: float) -> float | None:
    if before is None or now is None or seconds <= 0 or now < before:
        return None
    return (now - before) / seconds
