"""Taking pods of lower priority away to make room: which machine, and who has to go there.

Semantics and texts: pkg/scheduler/framework/preemption and plugins/defaultpreemption.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from apimachinery.objects.selectors import Selector, from_label_selector
from engine.scheduler.affinity import Required
from engine.scheduler.filters import Refusal
from engine.scheduler.machine import Machine, Resident
from engine.scheduler.placing import Placer, Unplaceable, nominated_on, told
from engine.scheduler.profile import Profile
from engine.scheduler.shape import Shape
from engine.scheduler.spreading import HardSpread
from engine.scheduler.views import Budget

NOT_HELPFUL = "Preemption is not helpful for scheduling"
NO_VICTIMS = "No preemption victims found for incoming pod"
NEVER = "not eligible due to preemptionPolicy=Never."
STILL_LEAVING = "not eligible due to a terminating pod on the nominated node."
IN_GROUP = "not eligible due to placement-based pod group scheduling limitation"
_NEVER_STARTED = "~"
"""After every time, as text."""
_LOWEST = 2**31


@dataclass(frozen=True, slots=True, kw_only=True)
class Preemption:
    """`victims` leave the machine for the pod, the most important first; `violations` of them against a budget.

    `displaced`: less important pods that were promised the machine, and now are not.
    """

    machine: str
    victims: tuple[Resident, ...]
    violations: int = 0
    displaced: tuple[Resident, ...] = ()


@dataclass(frozen=True, slots=True)
class NoRoom:
    """The second sentence of what the pod is told. `keep`: what it was promised before still holds."""

    message: str
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Limit:
    """A PodDisruptionBudget: how many more of the pods that it selects may go."""

    namespace: str
    selector: Selector
    allowed: int
    gone_already: frozenset[str]


def limits(budgets: Iterable[Budget]) -> list[Limit]:
    """A budget without a selector, or with an empty one, protects nobody."""
    found: list[Limit] = []
    for budget in budgets:
        selector = from_label_selector(budget.spec.selector)
        if selector.requirements:
            status = budget.status
            gone = frozenset(status.disrupted_pods)
            found.append(Limit(budget.metadata.namespace, selector, status.disruptions_allowed, gone))
    return found


def preempt(
    placer: Placer,
    shape: Shape,
    failed: Unplaceable,
    profile: Profile,
    *,
    budgets: Sequence[Limit] = (),
    offset: int = 0,
) -> Preemption | NoRoom:
    """Room for the pod that found none, or the sentence that says why there is none to be made.

    `offset` says where among the machines to begin, so that not always the same are asked first.
    """
    against = _not_eligible(placer, shape, failed)
    if against is not None:
        return NoRoom(f"preemption: {against}", keep=True)
    helpless = failed.everywhere is not None
    curable = [] if helpless else [name for name, refusal in failed.refusals.items() if refusal.curable]
    attempt = _Attempt(placer, shape, failed.uid, profile, budgets)
    reasons: dict[str, tuple[str, ...]] = {}
    candidates: list[Preemption] = []
    enough = max(len(curable) * profile.candidates_percent // 100, profile.candidates_least)
    for number in range(len(curable)):
        name = curable[(offset + number) % len(curable)]
        found = attempt.on(name)
        if isinstance(found, Preemption):
            candidates.append(found)
            if len(candidates) >= enough and any(not one.violations for one in candidates):
                break
        else:
            reasons[name] = found
    if candidates:
        return best(candidates)
    hopeless = [NOT_HELPFUL] * (failed.count - len(reasons))
    sentence = told(failed.count, (*hopeless, *(r for several in reasons.values() for r in several)))
    return NoRoom(f"preemption: {sentence}")


def best(candidates: Sequence[Preemption]) -> Preemption:
    """Fewest broken budgets, lowest highest victim, lowest sum, fewest victims, those that started last."""
    left = list(candidates)
    for measure in (_violations, _highest, _sum, _count):
        least = min(measure(one) for one in left)
        left = [one for one in left if measure(one) == least]
        if len(left) == 1:
            return left[0]
    return max(left, key=_started)


def _violations(one: Preemption) -> int:
    return one.violations


def _highest(one: Preemption) -> int:
    return one.victims[0].shape.priority


def _sum(one: Preemption) -> int:
    return sum(victim.shape.priority + _LOWEST for victim in one.victims)


def _count(one: Preemption) -> int:
    return len(one.victims)


def _started(one: Preemption) -> str:
    """When the first of the most important victims started."""
    highest = _highest(one)
    return min(victim.started or _NEVER_STARTED for victim in one.victims if victim.shape.priority == highest)


def _not_eligible(placer: Placer, shape: Shape, failed: Unplaceable) -> str | None:
    if not shape.may_preempt:
        return NEVER
    if shape.group:
        return IN_GROUP
    nominated = placer.snapshot.nominated.get(failed.uid)
    if nominated is None:
        return None
    refusal = failed.everywhere or failed.refusals.get(nominated.machine)
    if refusal is None or not refusal.curable:
        return None
    machine = placer.snapshot.machine(nominated.machine)
    leaving = machine is not None and any(
        one.preempted and one.shape.priority < shape.priority for one in machine.residents.values()
    )
    return STILL_LEAVING if leaving else None


class _Attempt:
    """Plays through, machine by machine, who would have to go."""

    def __init__(self, placer: Placer, shape: Shape, uid: str, profile: Profile, budgets: Sequence[Limit]) -> None:
        self._placer = placer
        self._shape = shape
        self._profile = profile
        self._budgets = budgets
        self._judge = placer.judge(shape, profile)
        self._spread = placer.hard_spread(shape, placer.snapshot.machines(), profile)
        self._required = placer.required(shape, profile)
        self._nominated: Mapping[str, Sequence[Resident]] = nominated_on(placer.snapshot, shape, uid)

    def on(self, name: str) -> Preemption | tuple[str, ...]:
        """The fewest that must leave this machine, or the reasons against it."""
        machine = self._placer.snapshot.machine(name)
        if machine is None:
            return (NOT_HELPFUL,)
        potential = [one for one in machine.residents.values() if one.shape.priority < self._shape.priority]
        if not potential:
            return (NO_VICTIMS,)
        supposed = _Supposed(machine, [part for part in (self._spread, self._required) if part is not None])
        try:
            return self._select(supposed, potential)
        finally:
            supposed.undo()

    def _select(self, supposed: "_Supposed", potential: list[Resident]) -> Preemption | tuple[str, ...]:
        for one in potential:
            supposed.remove(one)
        refusal = self._refusal(supposed)
        if refusal is not None:
            return refusal.reasons
        potential.sort(key=_importance)
        violating, others = _by_budget(potential, self._budgets)
        victims: list[Resident] = []
        violations = 0
        for one in (*violating, *others):
            supposed.add(one)
            if self._refusal(supposed) is None:
                continue
            supposed.remove(one)
            victims.append(one)
            violations += one in violating
        if not victims:
            return (NO_VICTIMS,)
        name = supposed.machine.name
        nominated = self._placer.snapshot.nominated.values()
        return Preemption(
            machine=name,
            victims=tuple(sorted(victims, key=_importance)),
            violations=violations,
            displaced=tuple(
                one for one in nominated if one.machine == name and one.shape.priority < self._shape.priority
            ),
        )

    def _refusal(self, supposed: "_Supposed") -> Refusal | None:
        """With the pods, no less important, that are to come there, and without them."""
        coming = self._nominated.get(supposed.machine.name, ())
        if coming:
            for one in coming:
                supposed.add(one)
            verdict = self._judged(supposed)
            for one in coming:
                supposed.remove(one)
            if verdict is not None:
                return verdict
        return self._judged(supposed)

    def _judged(self, supposed: "_Supposed") -> Refusal | None:
        machine = supposed.machine
        verdict = self._judge.refusal(machine)
        if verdict is None and self._shape.claims:
            verdict = self._placer.storage.refusal(
                self._placer.snapshot, self._shape, machine, self._profile.disabled_filters, supposed.gone
            )
        for part in (self._spread, self._required):
            if verdict is None and part is not None:
                verdict = part.refusal(machine)
        return verdict


class _Supposed:
    """A machine as it would be, and the counts over all machines with it, until `undo`."""

    def __init__(self, machine: Machine, parts: Sequence[HardSpread | Required]) -> None:
        self.machine = machine.copy()
        self.gone: set[str] = set()
        self._parts = parts
        self._moves: list[tuple[Resident, int]] = []

    def add(self, one: Resident) -> None:
        self.gone.discard(one.uid)
        self.machine.add(one)
        self._shift(one, 1)

    def remove(self, one: Resident) -> None:
        self.gone.add(one.uid)
        self.machine.remove(one)
        self._shift(one, -1)

    def undo(self) -> None:
        for part in self._parts:
            for one, sign in self._moves:
                part.shift(one.shape.kind, self.machine, -sign)

    def _shift(self, one: Resident, sign: int) -> None:
        self._moves.append((one, sign))
        for part in self._parts:
            part.shift(one.shape.kind, self.machine, sign)


def _importance(one: Resident) -> tuple[int, str, str]:
    """Sorts the most important first: higher priority, then longer running."""
    return -one.shape.priority, one.started or _NEVER_STARTED, one.uid


def _by_budget(pods: Sequence[Resident], budgets: Sequence[Limit]) -> tuple[list[Resident], list[Resident]]:
    """Those whose going would break a budget, and the others."""
    allowed = [budget.allowed for budget in budgets]
    violating: list[Resident] = []
    others: list[Resident] = []
    for pod in pods:
        broken = False
        for number, budget in enumerate(budgets):
            if budget.namespace != pod.namespace or not budget.selector.matches(pod.shape.kind.labels):
                continue
            if pod.name in budget.gone_already:
                continue
            allowed[number] -= 1
            broken = broken or allowed[number] < 0
        (violating if broken else others).append(pod)
    return violating, others
