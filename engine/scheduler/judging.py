"""What pods of one shape may and would like to do, machine by machine, remembered until a machine changes."""

from bisect import insort
from operator import attrgetter
from typing import NamedTuple

from engine.scheduler.filters import FILTERS, Refusal, node_resources
from engine.scheduler.machine import Machine
from engine.scheduler.profile import Profile
from engine.scheduler.requests import CPU, MEMORY
from engine.scheduler.scores import MAXIMUM, balanced, fit, soft_taints, wishes
from engine.scheduler.shape import Shape
from engine.scheduler.snapshot import Snapshot

ENFORCED = Refusal(("node(s) didn't match scheduler-enforced node affinity",), plugin="NodeAffinity")
_USUAL = (("cpu", 1), ("memory", 1))
_by_name = attrgetter("name")


class Verdict(NamedTuple):
    """Of a machine that may take the pod: points that stand by themselves, and two that are compared with others'."""

    points: int
    wishes: int = 0
    soft_taints: int = 0


class Judge:
    """Looks only at each machine by itself, so a verdict holds for as long as that machine stays as it is.

    `open` are the machines that may take the pod, by name; `verdicts` theirs, `refusals` those of all others.
    """

    def __init__(self, shape: Shape, profile: Profile) -> None:
        self.shape = shape
        self.profile = profile
        self.open: list[Machine] = []
        self.verdicts: dict[str, Verdict] = {}
        self.refusals: dict[str, Refusal] = {}
        self.looks = 0
        """At machines, so far: what the memory is to keep small."""
        self._seen, self._losses = -1, -1
        weights = profile.weights
        self._fit = weights.get("NodeResourcesFit", 0)
        self._balanced = weights.get("NodeResourcesBalancedAllocation", 0)
        self._wishes = bool(shape.preferred or profile.added_preferred)
        self._ignored = frozenset(
            name
            for name in shape.requests
            if "/" in name and (name in profile.ignored_resources or name.partition("/")[0] in profile.ignored_groups)
        )
        wanted = [(name, judge) for name, judge in FILTERS if name not in profile.disabled_filters]
        # Most pods ask nothing that most filters look at.
        self._filters = [judge for name, judge in wanted if self._matters(name)]
        self._unguarded = [judge for name, judge in wanted if self._matters(name) and name not in _OF_GUARDED]
        self._simple = profile.strategy == "LeastAllocated" and profile.resources == _USUAL

    def _matters(self, name: str) -> bool:
        shape = self.shape
        match name:
            case "NodeAffinity":
                return shape.required_nodes_matter
            case "NodePorts":
                return bool(shape.host_ports)
            case _:
                return True

    def refresh(self, snapshot: Snapshot) -> None:
        """Look again at the machines that have changed."""
        if self._seen == snapshot.generation:
            return
        if self._losses != snapshot.losses:
            # Verdicts on machines that are gone must go too.
            self._seen, self._losses = -1, snapshot.losses
            self.open, self.verdicts, self.refusals = [], {}, {}
        first = self._seen < 0
        for machine in snapshot.changed_since(self._seen):
            if machine.node is None:
                continue
            verdict = self.judge(machine)
            if not first:
                self.record(machine, verdict)
            elif isinstance(verdict, Verdict):
                self.verdicts[machine.name] = verdict
                self.open.append(machine)
            else:
                self.refusals[machine.name] = verdict
        if first:
            self.open.sort(key=_by_name)
        self._seen = snapshot.generation

    def record(self, machine: Machine, verdict: Verdict | Refusal) -> None:
        """What is thought of the machine now."""
        if isinstance(verdict, Verdict):
            if machine.name not in self.verdicts:
                self.refusals.pop(machine.name, None)
                # A new list: who works on the old one keeps it.
                self.open = list(self.open)
                insort(self.open, machine, key=_by_name)
            self.verdicts[machine.name] = verdict
        else:
            self._forget(machine)
            self.refusals[machine.name] = verdict

    def _forget(self, machine: Machine) -> None:
        self.refusals.pop(machine.name, None)
        if self.verdicts.pop(machine.name, None) is not None:
            self.open = [one for one in self.open if one.name != machine.name]

    def judge(self, machine: Machine) -> Verdict | Refusal:
        self.looks += 1
        against = self.refusal(machine)
        if against is not None:
            return against
        shape, profile = self.shape, self.profile
        points = 0
        if self._fit:
            points = self._fit * (self._least_allocated(machine) if self._simple else fit(shape, machine, profile))
        if self._balanced:
            points += self._balanced * balanced(shape, machine, profile)
        if not self._wishes and not machine.guarded:
            return Verdict(points)
        return Verdict(points, wishes(shape, machine, profile) if self._wishes else 0, soft_taints(shape, machine))

    def _least_allocated(self, machine: Machine) -> int:
        """`scores.fit`, as nearly all profiles have it."""
        cpu, memory = machine.allocatable.get(CPU, 0), machine.allocatable.get(MEMORY, 0)
        if not cpu or not memory:
            return fit(self.shape, machine, self.profile)
        asked = self.shape.assumed
        free_cpu, free_memory = cpu - machine.assumed_cpu - asked[0], memory - machine.assumed_memory - asked[1]
        total = free_cpu * MAXIMUM // cpu if free_cpu > 0 else 0
        return (total + (free_memory * MAXIMUM // memory if free_memory > 0 else 0)) // 2

    def refusal(self, machine: Machine) -> Refusal | None:
        for judge in self._filters if machine.guarded else self._unguarded:
            if judge is node_resources:
                against = node_resources(self.shape, machine, self._ignored)
            else:
                against = judge(self.shape, machine)
            if against is not None:
                return against
        added = self.profile.added_required
        if added is not None and not any(term.matches(machine.labels, machine.name) for term in added):
            return ENFORCED
        return None


_OF_GUARDED = frozenset(("NodeUnschedulable", "TaintToleration"))
"""Filters that look at taints and cordons alone."""
