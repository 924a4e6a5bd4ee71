"""How fast a size may change: stabilisation windows and policies, resting on what was recommended and done before."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from engine.controllers.autoscaling.views import Behavior, Rules

DOWNSCALE_WINDOW = 300


@dataclass(frozen=True, slots=True)
class Entry:
    """`count` replicas at `moment` (steady seconds): recommended, or by how many the size changed."""

    moment: float
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What an autoscaler remembers; its loss after a restart costs a little caution, as upstream's does."""

    recommended: tuple[Entry, ...] = ()
    grown: tuple[Entry, ...] = ()
    shrunk: tuple[Entry, ...] = ()

    def without_old(self, moment: float) -> "Memory":
        def recent(entries: Sequence[Entry]) -> tuple[Entry, ...]:
            return tuple(entry for entry in entries if moment - entry.moment <= 3600)

        return Memory(recommended=recent(self.recommended), grown=recent(self.grown), shrunk=recent(self.shrunk))


@dataclass(frozen=True, slots=True, kw_only=True)
class Paced:
    """`stabilized` and `limited`: (reason, message) of the conditions that tell of it, where they hold."""

    replicas: int
    stabilized: tuple[str, str] | None
    limited: tuple[str, str] | None


TOO_MANY = ("TooManyReplicas", "the desired replica count is more than the maximum replica count")
TOO_FEW = ("TooFewReplicas", "the desired replica count is less than the minimum replica count")
TOO_FAST_UP = ("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate")
TOO_FAST_DOWN = ("ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate")
HIGHEST = (
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
)
LOWEST = (
    "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
)


def paced(
    behavior: Behavior, memory: Memory, current: int, desired: int, *, least: int, most: int, moment: float
) -> Paced:
    """What to do of what is desired."""
    stable = _stabilized(behavior, memory, current, desired, moment)
    told = None if stable == desired else (HIGHEST if stable > desired else LOWEST)
    if stable > current:
        limit = max(current, _limit(behavior.scale_up, memory, current, moment, growing=True))
        ceiling, reason = (limit, TOO_FAST_UP) if most > limit else (most, TOO_MANY)
        if stable > ceiling:
            return Paced(replicas=ceiling, stabilized=told, limited=reason)
    elif stable < current:
        limit = min(current, _limit(behavior.scale_down, memory, current, moment, growing=False))
        floor, reason = (limit, TOO_FAST_DOWN) if least < limit else (least, TOO_FEW)
        if stable < floor:
            return Paced(replicas=floor, stabilized=told, limited=reason)
    return Paced(replicas=stable, stabilized=told, limited=None)


def _stabilized(behavior: Behavior, memory: Memory, current: int, desired: int, moment: float) -> int:
    """Grow to the lowest, shrink to the highest of the recommendations of the window."""

    def recent(seconds: int) -> list[int]:
        return [entry.count for entry in memory.recommended if moment - entry.moment < seconds]

    down = behavior.scale_down.stabilization_window_seconds
    lowest = min([desired, *recent(behavior.scale_up.stabilization_window_seconds or 0)])
    highest = max([desired, *recent(DOWNSCALE_WINDOW if down is None else down)])
    return min(max(current, lowest), highest)


def _limit(rules: Rules, memory: Memory, current: int, moment: float, *, growing: bool) -> int:
    """The size that the policies allow by now."""
    if rules.select_policy == "Disabled":
        return current
    proposals: list[int] = []
    for policy in rules.policies:
        grown, shrunk = (
            sum(entry.count for entry in entries if moment - entry.moment < policy.period_seconds)
            for entries in (memory.grown, memory.shrunk)
        )
        start = current - grown + shrunk
        step = policy.value if policy.type == "Pods" else start * policy.value / 100
        proposals.append(math.ceil(start + step) if growing else math.floor(start - step))
    if not proposals:
        return 2**31 if growing else 0
    furthest = (rules.select_policy != "Min") is growing
    return max(proposals) if furthest else min(proposals)
