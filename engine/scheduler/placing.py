"""Placing pods of one shape: each on the best machine that may take it, or the reasons why none does.

A batch of equal pods is one pass over the machines; after each pod placed only what it changed is looked at again. The
outcome is that of placing them one by one.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from engine.scheduler.affinity import Preferred, Required
from engine.scheduler.filters import Refusal
from engine.scheduler.judging import Judge
from engine.scheduler.machine import Machine, Resident
from engine.scheduler.owners import Owners
from engine.scheduler.profile import DEFAULT_PROFILE, Profile
from engine.scheduler.scores import MAXIMUM, image_locality, relative
from engine.scheduler.shape import Shape
from engine.scheduler.snapshot import Snapshot
from engine.scheduler.spreading import HardSpread, SoftSpread
from engine.scheduler.storage import Storage, VolumePlan

NO_NODES = "no nodes available to schedule pods"
_SHAPES_KEPT = 128
_CROWD = 8192
"""Between machines of equal points the one with fewer pods is taken, then the first by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A pod to place."""

    uid: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    uid: str
    machine: str
    volumes: VolumePlan = field(default_factory=VolumePlan)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unplaceable:
    """Why: `everywhere` holds for all machines, else each machine's refusal. `count` of machines."""

    uid: str
    count: int
    refusals: Mapping[str, Refusal] = field(default_factory=dict[str, Refusal])
    everywhere: Refusal | None = None

    @property
    def message(self) -> str:
        """Upstream's first sentence: how many machines say no for which reason."""
        if not self.count:
            return NO_NODES
        if self.everywhere is not None:
            return f"0/{self.count} nodes are available: {self.everywhere.reasons[0]}."
        return told(self.count, (reason for one in self.refusals.values() for reason in one.reasons))

    @property
    def plugins(self) -> frozenset[str]:
        """Whose word it was."""
        if self.everywhere is not None:
            return frozenset((self.everywhere.plugin,))
        return frozenset(one.plugin for one in self.refusals.values())


ELSEWHERE = Refusal(("node(s) didn't satisfy plugin(s) [NodeAffinity]",), plugin="NodeAffinity")
Outcome = Placement | Unplaceable


def told(count: int, reasons: Iterable[str]) -> str:
    listed = ", ".join(sorted(f"{number} {reason}" for reason, number in Counter(reasons).items()))
    return f"0/{count} nodes are available: {listed}."


class Placer:
    """Places on the machines of one snapshot, and counts there what it placed."""

    def __init__(self, snapshot: Snapshot, owners: Owners | None = None, storage: Storage | None = None) -> None:
        self.snapshot = snapshot
        self.owners = owners or Owners()
        self.storage = storage or Storage()
        self._judges: OrderedDict[tuple[Shape, str], Judge] = OrderedDict()

    def place(self, shape: Shape, pods: Sequence[Candidate], profile: Profile = DEFAULT_PROFILE) -> list[Outcome]:
        """Place as many of these pods as fit, in order. All must be of this shape."""
        machines = self.snapshot.machines()
        if not machines:
            return [Unplaceable(uid=pod.uid, count=0) for pod in pods]
        outcomes: list[Outcome] = []
        batch: Batch | None = None
        for pod in pods:
            obstacle = self._obstacle(shape, profile)
            if obstacle is not None:
                outcomes.append(Unplaceable(uid=pod.uid, count=len(machines), everywhere=obstacle))
                continue
            if batch is None:
                batch = Batch(self, shape, machines, profile)
            outcomes.append(batch.place(pod))
            if shape.claims:
                # What one pod takes of the volumes may change the verdict on every machine.
                batch = None
        return outcomes

    def take_back(self, placement: Placement) -> None:
        """As if it had never been placed."""
        self.snapshot.pod_gone(placement.uid)
        self.storage.release(placement.volumes)

    def judge(self, shape: Shape, profile: Profile) -> Judge:
        wanted = shape, profile.name
        found = self._judges.get(wanted)
        if found is None or found.profile is not profile:
            found = self._judges[wanted] = Judge(shape, profile)
            if len(self._judges) > _SHAPES_KEPT:
                self._judges.popitem(last=False)
        self._judges.move_to_end(wanted)
        return found

    def hard_spread(self, shape: Shape, machines: Sequence[Machine], profile: Profile) -> HardSpread | None:
        if "PodTopologySpread" in profile.disabled_filters:
            return None
        spreads = shape.hard_spread
        if not shape.spreads:
            spreads = self.owners.spreads(shape, profile.spread, hard=True)
        return HardSpread(self.snapshot, machines, shape, spreads) if spreads else None

    def required(self, shape: Shape, profile: Profile) -> Required | None:
        if "InterPodAffinity" in profile.disabled_filters:
            return None
        found = Required(self.snapshot, shape)
        return None if found.idle else found

    def _obstacle(self, shape: Shape, profile: Profile) -> Refusal | None:
        if shape.only is not None and not shape.only and "NodeAffinity" not in profile.disabled_filters:
            return Refusal(("pod affinity terms conflict",), plugin="NodeAffinity")
        if not shape.claims or "VolumeBinding" in profile.disabled_filters:
            return None
        return self.storage.obstacle(shape)


class Batch:
    """Pods of one shape being placed one after the other.

    `self._open` are the machines that no filter but the changing ones (spread, affinity, nominations) turned away,
    by name. What is counted over the feasible machines is kept for as long as these are the same.
    """

    def __init__(self, placer: Placer, shape: Shape, machines: Sequence[Machine], profile: Profile) -> None:
        self._placer = placer
        self._snapshot = placer.snapshot
        self._shape = shape
        self._machines = machines
        self._profile = profile
        self._judge = placer.judge(shape, profile)
        self._refusals: Mapping[str, Refusal] = {}
        self._open: list[Machine] = []
        self._sort(machines)
        self._spread = placer.hard_spread(shape, machines, profile)
        self._required = placer.required(shape, profile)
        self._feasible: list[Machine] = []
        self._fresh = False
        self._soft: SoftSpread | None = None
        self._preferred: Preferred | None = None
        self._relative: list[int] = []
        self._totals: list[int] | None = None
        self._scale: tuple[int, int] | None = None
        self._last = -1
        self._alike = False
        """No machine's points depend on which others are in the running."""
        self._base: list[int] = []
        weights = profile.weights
        self._spread_weight = weights.get("PodTopologySpread", 0) * _CROWD
        self._affinity_weight = weights.get("InterPodAffinity", 0) * _CROWD
        self._wished = bool(shape.preferred or profile.added_preferred) and bool(weights.get("NodeAffinity"))

    def place(self, pod: Candidate) -> Outcome:
        against: dict[str, Refusal] = {}
        feasible = self._allowed(pod, against)
        if not feasible:
            return Unplaceable(uid=pod.uid, count=len(self._machines), refusals={**self._refusals, **against})
        if (not self._fresh or feasible != self._feasible) and not self._narrow(feasible):
            self._compare(feasible)
        nominated = self._snapshot.nominated.get(pod.uid)
        index = -1
        if nominated is not None:
            index = next((i for i, m in enumerate(feasible) if m.name == nominated.machine), -1)
        if index < 0:
            index = self._best()
        return self._take(pod, index)

    def _sort(self, machines: Sequence[Machine]) -> None:
        shape, judge = self._shape, self._judge
        disabled = self._profile.disabled_filters
        if shape.only is not None and "NodeAffinity" not in disabled and len(shape.only) < len(machines) // 4:
            # Pods meant for few machines (a DaemonSet's) should not cost a look at all of them.
            self._refusals = refusals = _Elsewhere(machines)
            for name in sorted(shape.only):
                machine = self._snapshot.machine(name)
                if machine is not None:
                    judge.record(machine, judge.judge(machine))
                    if name in judge.refusals:
                        refusals.known[name] = judge.refusals[name]
                    else:
                        self._open.append(machine)
        else:
            judge.refresh(self._snapshot)
            self._refusals, self._open = judge.refusals, judge.open
        if not shape.claims:
            return
        self._refusals, opened, self._open = dict(self._refusals), self._open, []
        for machine in opened:
            verdict = self._placer.storage.refusal(self._snapshot, shape, machine, disabled)
            if verdict is None:
                self._open.append(machine)
            else:
                self._refusals[machine.name] = verdict

    def _remember(self, machine: Machine, refusal: Refusal) -> None:
        if isinstance(self._refusals, _Elsewhere):
            self._refusals.known[machine.name] = refusal
        elif self._refusals is not self._judge.refusals:
            self._refusals = {**self._refusals, machine.name: refusal}

    def _allowed(self, pod: Candidate, against: dict[str, Refusal]) -> list[Machine]:
        """The machines that this pod may go to now; why not to the others goes to `against`."""
        allowed = self._open
        if self._spread is not None:
            for label, values, others in self._spread.open_values():
                allowed = [
                    m
                    for m in allowed
                    if (value := m.labels.get(label)) in values
                    or (others and value is not None and not self._spread.counts_value(label, value))
                ]
        if self._required is not None:
            if self._required.needs_neighbours():
                allowed = [m for m in allowed if self._required.refusal(m) is None]
            else:
                for label, values in self._required.blocked():
                    allowed = [m for m in allowed if m.labels.get(label) not in values]
        if self._snapshot.nominated:
            allowed = self._beside_nominated(pod, allowed, against)
        if not allowed:
            self._explain(against)
        return allowed

    def _explain(self, against: dict[str, Refusal]) -> None:
        for machine in self._open:
            verdict = self._spread.refusal(machine) if self._spread is not None else None
            if verdict is None and self._required is not None:
                verdict = self._required.refusal(machine)
            if verdict is not None:
                against[machine.name] = verdict

    def _beside_nominated(self, pod: Candidate, allowed: list[Machine], against: dict[str, Refusal]) -> list[Machine]:
        """Without the machines that have no room besides the pods, no less important, that are to come there."""
        waiting = nominated_on(self._snapshot, self._shape, pod.uid)
        kept: list[Machine] = []
        for machine in allowed:
            coming = waiting.get(machine.name)
            verdict = self._with(machine, coming) if coming else None
            if verdict is None:
                kept.append(machine)
            else:
                against[machine.name] = verdict
        return kept

    def _with(self, machine: Machine, coming: Sequence[Resident]) -> Refusal | None:
        supposed = machine.copy()
        for one in coming:
            supposed.add(one)
        verdict = self._judge.refusal(supposed)
        if verdict is not None:
            return verdict
        moving = [part for part in (self._spread, self._required) if part is not None]
        for part in moving:
            for one in coming:
                part.shift(one.shape.kind, machine, 1)
        try:
            return next((against for part in moving if (against := part.refusal(machine)) is not None), None)
        finally:
            for part in moving:
                for one in coming:
                    part.shift(one.shape.kind, machine, -1)

    def _compare(self, feasible: list[Machine]) -> None:
        """Score the machines against each other."""
        self._totals = None
        self._feasible, self._fresh = list(feasible), True
        shape, profile, weights = self._shape, self._profile, self._profile.weights
        known = self._judge.verdicts
        verdicts = [known[m.name] for m in feasible]
        compared = [0] * len(feasible)
        if self._wished:
            weight = weights["NodeAffinity"]
            compared = [weight * points for points in relative([v.wishes for v in verdicts])]
        taints = [v[2] for v in verdicts]
        self._alike = not self._wished and not any(taints)
        if not self._alike and any(taints) and (weight := weights.get("TaintToleration", 0)):
            points = relative(taints, reverse=True)
            compared = [sofar + weight * one for sofar, one in zip(compared, points, strict=True)]
        if weight := weights.get("ImageLocality", 0):
            images = image_locality(shape, self._snapshot.having_image, len(self._machines))
            if images:
                compared = [c + weight * images.get(m.name, 0) for c, m in zip(compared, feasible, strict=True)]
        self._relative = compared
        self._base = [
            (verdict[0] + points) * _CROWD - len(machine.residents)
            for verdict, points, machine in zip(verdicts, compared, feasible, strict=True)
        ]
        self._soft = self._soft_spread(feasible) if self._spread_weight else None
        self._preferred = None
        if self._affinity_weight:
            preferred = Preferred(self._snapshot, feasible, shape, profile)
            self._preferred = None if preferred.idle else preferred

    def _soft_spread(self, feasible: list[Machine]) -> SoftSpread | None:
        shape, profile = self._shape, self._profile
        spreads = shape.soft_spread
        if not shape.spreads:
            spreads = self._placer.owners.spreads(shape, profile.spread, hard=False)
        if not spreads:
            return None
        all_labels = shape.spreads or not profile.system_spread
        return SoftSpread(self._snapshot, feasible, shape, spreads, all_labels=all_labels)

    def _narrow(self, feasible: list[Machine]) -> bool:
        """Whether only the machine taken last has dropped out, so that the rest need not be counted anew."""
        last, before = self._last, self._feasible
        if last < 0 or not self._alike or len(feasible) != len(before) - 1:
            return False
        if feasible[:last] != before[:last] or feasible[last:] != before[last + 1 :]:
            return False
        if self._soft is not None and not self._soft.remove(last):
            return False
        if self._preferred is not None:
            self._preferred.remove(last)
        del self._base[last], self._relative[last]
        self._feasible, self._fresh, self._totals, self._last = list(feasible), True, None, -1
        return True

    def _best(self) -> int:
        if self._totals is None:
            totals = self._base
            if self._soft is not None:
                weight = self._spread_weight
                self._scale = self._soft.scale()
                totals = [base + weight * points for base, points in zip(totals, self._soft.scores(), strict=True)]
            if self._preferred is not None:
                weight = self._affinity_weight
                totals = [base + weight * points for base, points in zip(totals, self._preferred.scores(), strict=True)]
            self._totals = list(totals)
        return self._totals.index(max(self._totals))

    def _update(self, index: int) -> None:
        """A pod was placed on this candidate: its total changes, and those of others that share a domain with it."""
        self._last = index
        changed = self._soft.placed(index) if self._soft is not None else []
        if self._preferred is not None:
            self._preferred.placed(index)
            self._totals = None
        if self._totals is None:
            return
        if self._soft is None:
            self._totals[index] = self._base[index]
            return
        scale = self._soft.scale()
        if scale is None or scale != self._scale or not scale[1]:
            self._totals = None
            return
        (both, highest), raw, weight = scale, self._soft.raw(), self._spread_weight
        for one in {index, *changed}:
            self._totals[one] = self._base[one] + weight * (MAXIMUM * (both - raw[one]) // highest)

    def _take(self, pod: Candidate, index: int) -> Placement:
        machine = self._feasible[index]
        plan = self._placer.storage.plan(self._shape, machine) if self._shape.claims else VolumePlan()
        self._placer.storage.promise(plan, machine.name)
        resident = Resident(
            uid=pod.uid, namespace=pod.namespace, name=pod.name, shape=self._shape, machine=machine.name
        )
        self._snapshot.place(resident)
        for part in (self._spread, self._required):
            if part is not None:
                part.shift(self._shape.kind, machine, 1)
        # Of the rest only the machine that took the pod has changed.
        verdict = self._judge.judge(machine)
        self._judge.record(machine, verdict)
        if isinstance(verdict, Refusal):
            self._open = [one for one in self._open if one is not machine]
            self._fresh = False
            self._remember(machine, verdict)
        else:
            self._base[index] = (verdict.points + self._relative[index]) * _CROWD - machine.pods
        self._update(index)
        return Placement(uid=pod.uid, machine=machine.name, volumes=plan)


class _Elsewhere(Mapping[str, Refusal]):
    """All machines but those `known` are refused for the same reason."""

    def __init__(self, machines: Sequence[Machine]) -> None:
        self._machines = machines
        self.known: dict[str, Refusal] = {}

    def __getitem__(self, name: str) -> Refusal:
        return self.known.get(name, ELSEWHERE)

    def __iter__(self) -> Iterator[str]:
        return (machine.name for machine in self._machines)

    def __len__(self) -> int:
        return len(self._machines)


def nominated_on(snapshot: Snapshot, shape: Shape, uid: str) -> dict[str, list[Resident]]:
    """By machine the pods, no less important than one of this shape, that wait for room there."""
    waiting: dict[str, list[Resident]] = {}
    for other in snapshot.nominated.values():
        if other.uid != uid and other.shape.priority >= shape.priority:
            waiting.setdefault(other.machine, []).append(other)
    return waiting
