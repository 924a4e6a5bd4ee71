"""When the machine has too little of something: signals, thresholds and the node's conditions. Pure.

Rules are those of upstream's pkg/kubelet/eviction/helpers.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from apimachinery.objects import quantity

MEMORY, DISK, INODES, PIDS = "memory.available", "nodefs.available", "nodefs.inodesFree", "pid.available"
IMAGE_DISK, IMAGE_INODES = "imagefs.available", "imagefs.inodesFree"
RESOURCES: Mapping[str, str] = {
    MEMORY: "memory",
    DISK: "ephemeral-storage",
    IMAGE_DISK: "ephemeral-storage",
    INODES: "inodes",
    IMAGE_INODES: "inodes",
    PIDS: "pids",
}
CONDITIONS: Mapping[str, str] = {
    MEMORY: "MemoryPressure",
    DISK: "DiskPressure",
    IMAGE_DISK: "DiskPressure",
    INODES: "DiskPressure",
    IMAGE_INODES: "DiskPressure",
    PIDS: "PIDPressure",
}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """How much there is of a signal's resource, and how much is left: bytes, or a count."""

    available: int
    capacity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """Less than this is too little. `value` is a quantity or a percentage; `grace` None: at once."""

    signal: str
    value: str
    grace: float | None = None
    reclaim: str = "0"

    def amount(self, capacity: int) -> int:
        return _amount(self.value, capacity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is the matter: thresholds to act on, the most urgent first, and the node's conditions."""

    starved: tuple[Threshold, ...] = ()
    conditions: frozenset[str] = frozenset()


def thresholds(
    hard: Mapping[str, str], soft: Mapping[str, str], graces: Mapping[str, str], reclaim: Mapping[str, str]
) -> tuple[Threshold, ...]:
    """From the settings. Raises ValueError that names the setting."""
    made: list[Threshold] = []
    for signals, is_hard in ((hard, True), (soft, False)):
        for signal, value in signals.items():
            if signal not in RESOURCES:
                raise ValueError(f"unsupported eviction signal {signal}")
            if not is_hard and signal not in graces:
                raise ValueError(f"grace period must be specified for the soft eviction threshold {signal}")
            if _amount(value, 100) == 0:
                continue  # 0 and 0% switch a threshold off
            grace = None if is_hard else duration(graces[signal])
            made.append(Threshold(signal=signal, value=value, grace=grace, reclaim=reclaim.get(signal, "0")))
    return tuple(made)


def duration(text: str) -> float:
    """Seconds of ``1m30s``. Raises ValueError."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"invalid duration {text!r}")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


@dataclass(slots=True)
class Judge:
    """Remembers since when something has been short; asked every few seconds."""

    thresholds: tuple[Threshold, ...]
    transition: float
    """Seconds for which a condition stays after it was last met, so that it does not flutter."""
    _since: dict[Threshold, float] = field(default_factory=dict[Threshold, float])
    _seen: dict[str, float] = field(default_factory=dict[str, float])

    def judge(self, observed: Mapping[str, Observation], now: float) -> Verdict:
        met = [t for t in self.thresholds if t.signal in observed and self._is_met(t, observed[t.signal])]
        self._since = {t: self._since.get(t, now) for t in met}
        for threshold in met:
            self._seen[CONDITIONS[threshold.signal]] = now
        starved = [t for t in met if t.grace is None or now - self._since[t] >= t.grace]
        return Verdict(
            starved=tuple(sorted(starved, key=lambda t: (t.signal != MEMORY, t.grace is not None, t.signal))),
            conditions=frozenset(name for name, at in self._seen.items() if now - at < self.transition or at == now),
        )

    def _is_met(self, threshold: Threshold, observed: Observation) -> bool:
        least = threshold.amount(observed.capacity)
        if threshold in self._since:  # once met, until there is some room besides
            least += _amount(threshold.reclaim, observed.capacity)
        return observed.available < least


def refusal(conditions: Iterable[str], *, is_critical: bool, is_best_effort: bool, tolerates_memory: bool) -> str:
    """Why a new pod may not start now, in upstream's words; empty: it may."""
    known = sorted(conditions)
    if not known or is_critical:
        return ""
    if known == ["MemoryPressure"] and (not is_best_effort or tolerates_memory):
        return ""
    return f"The node had condition: [{' '.join(known)}]. "


def _amount(value: str, capacity: int) -> int:
    if value.endswith("%"):
        return int(capacity * float(value[:-1]) / 100)
    return quantity.value(value)
