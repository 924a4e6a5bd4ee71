"""How fast machines that fall silent are emptied, zone by zone: where many do at once, the fault may be ours.

Upstream's node_lifecycle_controller.go: one machine in ten seconds; in a zone of which more than half is silent, one in
a hundred seconds, and none where the zone is small.
"""

from collections.abc import Iterable
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


@dataclass(slots=True)
class _Turn:
    next_at: float
    """When the next machine may be emptied, by a steady clock."""
    last: str = ""


class Pace:
    """Remembers when each zone last gave a machine up."""

    def __init__(self) -> None:
        self._turns: dict[str, _Turn] = {}

    def wait(self, zone: str, machine: str, machines: Iterable[tuple[str, bool]], steady: float) -> float | None:
        """Seconds until this machine may be emptied; 0 takes the zone's turn; None: not while the zone is as it is.

        `machines`: of each machine its zone, and whether it is ready.
        """
        words = [ready for where, ready in machines if where == zone]
        condition = condition_of_zone(sum(words), len(words) - sum(words))
        allowed = rate(condition, len(words))
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
