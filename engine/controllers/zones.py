"""How fast machines that fall silent are emptied, zone by zone: where many do at once, the fault may be ours.

Upstream's node_lifecycle_controller.go: one machine in ten seconds; in a zone of which more than half is silent, one in
a hundred seconds, and none where the zone is small.
"""

from dataclasses import dataclass
from typing import Literal

EVICTIONS_A_SECOND = 0.1
SLOWED = 0.01
LARGE = 50
"""A zone with more machines is emptied slowly when most of it is silent; a smaller one not at all."""
UNHEALTHY = 0.55
Condition = Literal["Normal", "PartialDisruption", "FullDisruption"]


def condition_of_zone(ready: int, silent: int) -> Condition:
    if ready == 0 and silent > 0:
        return "FullDisruption"
    if silent > 2 and silent / (ready + silent) >= UNHEALTHY:
        return "PartialDisruption"
    return "Normal"


def rate(condition: Condition, size: int) -> float:
    """Machines a second whose pods may be evicted. Zones that are wholly silent go on as usual: others are not."""
    if condition == "PartialDisruption":
        return SLOWED if size > LARGE else 0.0
    return EVICTIONS_A_SECOND


class Census:
    """Which machines of which zone are ready: kept as machines change, since clusters have thousands of them."""

    def __init__(self) -> None:
        self._machines: dict[str, tuple[str, bool]] = {}
        self._counts: dict[str, list[int]] = {}
        """By zone: silent ones, ready ones."""
        self._silent: set[str] = set()

    @property
    def all_silent(self) -> bool:
        return len(self._silent) == len(self._machines)

    @property
    def silent(self) -> tuple[str, ...]:
        return tuple(self._silent)

    def zone(self, zone: str) -> tuple[int, int]:
        """(ready, silent)"""
        silent, ready = self._counts.get(zone, (0, 0))
        return ready, silent

    def note(self, name: str, zone: str, *, ready: bool) -> bool:
        """How a machine is now. Whether that may change what is decided about silent ones."""
        if self._machines.get(name) == (zone, ready):
            return False
        before = self._verdicts(name, zone)
        self._remove(name)
        self._machines[name] = (zone, ready)
        self._counts.setdefault(zone, [0, 0])[ready] += 1
        if not ready:
            self._silent.add(name)
        return before != self._verdicts(name, zone)

    def forget(self, name: str) -> bool:
        """A machine is gone. Whether that may change what is decided about silent ones."""
        if name not in self._machines:
            return False
        zone = self._machines[name][0]
        before = self._verdicts(name, zone)
        self._remove(name)
        return before != self._verdicts(name, zone)

    def _remove(self, name: str) -> None:
        known = self._machines.pop(name, None)
        if known is not None:
            zone, ready = known
            self._counts[zone][ready] -= 1
            self._silent.discard(name)

    def _verdicts(self, name: str, zone: str) -> tuple[bool, set[tuple[str, float]]]:
        zones = {zone, self._machines.get(name, (zone, True))[0]}
        return self.all_silent, {(one, self.rate(one)) for one in zones}

    def rate(self, zone: str) -> float:
        ready, silent = self.zone(zone)
        return rate(condition_of_zone(ready, silent), ready + silent)


@dataclass(slots=True)
class _Turn:
    next_at: float
    """When the next machine may be emptied, by a steady clock."""
    last: str = ""


class Pace:
    """Remembers when each zone last gave a machine up."""

    def __init__(self) -> None:
        self._turns: dict[str, _Turn] = {}

    def wait(self, zone: str, machine: str, allowed: float, steady: float) -> float | None:
        """Seconds until this machine may be emptied; 0 takes the zone's turn; None: not while the zone is as it is.

        `allowed`: machines a second.
        """
        if not allowed:
            return None
        turn = self._turns.setdefault(zone, _Turn(steady))
        if turn.last == machine:
            # Asked again before its own taint was seen.
            return 0.0
        if turn.next_at > steady:
            return turn.next_at - steady
        turn.next_at, turn.last = steady + 1 / allowed, machine
        return 0.0

    def forget(self, machine: str) -> None:
        """It is heard of again: next time it waits for its turn as all others."""
        for turn in self._turns.values():
            if turn.last == machine:
                turn.last = ""
