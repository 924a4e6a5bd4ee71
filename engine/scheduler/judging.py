"""What pods of one shape may and would like to do, machine by machine, remembered until a machine changes."""

from collections.abc import Mapping
from dataclasses import dataclass

from engine.scheduler.filters import Refusal, refusal
from engine.scheduler.machine import Machine
from engine.scheduler.profile import Profile
from engine.scheduler.scores import balanced, fit, soft_taints, wishes
from engine.scheduler.shape import Shape
from engine.scheduler.snapshot import Snapshot

ENFORCED = Refusal(("node(s) didn't match scheduler-enforced node affinity",), plugin="NodeAffinity")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of a machine that may take the pod: points that stand by themselves, and two that are compared with others'."""

    points: int
    wishes: int = 0
    soft_taints: int = 0


class Judge:
    """Looks only at each machine by itself, so a verdict holds for as long as that machine stays as it is."""

    def __init__(self, shape: Shape, profile: Profile) -> None:
        self.shape = shape
        self.profile = profile
        self._verdicts: dict[str, Verdict | Refusal] = {}
        self._seen = -1
        weights = profile.weights
        self._fit = weights.get("NodeResourcesFit", 0)
        self._balanced = weights.get("NodeResourcesBalancedAllocation", 0)
        self._ignored = frozenset(
            name
            for name in shape.requests
            if "/" in name and (name in profile.ignored_resources or name.partition("/")[0] in profile.ignored_groups)
        )

    def refresh(self, snapshot: Snapshot) -> Mapping[str, Verdict | Refusal]:
        """Verdicts on all machines, after a look at those that have changed."""
        for machine in snapshot.changed_since(self._seen):
            self._verdicts[machine.name] = self.judge(machine)
        self._seen = snapshot.generation
        return self._verdicts

    def judge(self, machine: Machine) -> Verdict | Refusal:
        shape, profile = self.shape, self.profile
        against = self.refusal(machine)
        if against is not None:
            return against
        points = 0
        if self._fit:
            points += self._fit * fit(shape, machine, profile)
        if self._balanced:
            points += self._balanced * balanced(shape, machine, profile)
        wished = wishes(shape, machine, profile) if shape.preferred or profile.added_preferred else 0
        return Verdict(points, wished, soft_taints(shape, machine))

    def refusal(self, machine: Machine) -> Refusal | None:
        against = refusal(self.shape, machine, self.profile.disabled_filters, self._ignored)
        if against is not None:
            return against
        added = self.profile.added_required
        if added is not None and not any(term.matches(machine.labels, machine.name) for term in added):
            return ENFORCED
        return None
