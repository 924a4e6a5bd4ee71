"""The scheduler without its hands: told what changes, it decides which pod goes where. No await, no clock, no I/O.

`cycle` takes pods from the queue and answers what to do about each: Bind, Wait, or Evict others first. What was decided
counts at once; `bound` and `not_bound` say how it went.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from apimachinery.objects.meta import key as key_of
from engine.scheduler.configuration import DEFAULTS, SchedulerConfig
from engine.scheduler.hints import (
    ClaimChanged,
    Event,
    MachineChanged,
    NamespaceChanged,
    PodCame,
    PodLeft,
    StorageChanged,
    helps,
)
from engine.scheduler.placing import Candidate, Outcome, Placement, Placer, Unplaceable
from engine.scheduler.preemption import Limit, NoRoom, Preemption, limits, preempt
from engine.scheduler.profile import Profile
from engine.scheduler.queue import SchedulingQueue
from engine.scheduler.shape import Shape, shape_key, shape_of
from engine.scheduler.snapshot import Snapshot, resident_of
from engine.scheduler.storage import VolumePlan
from engine.scheduler.views import Budget, Claim, CsiNode, Namespace, Node, PersistentVolume, Pod, StorageClass

T = TypeVar("T")
SHAPES_KEPT = 4096
POPPED = 2000
"""Pods taken from the queue for one cycle: of equally important ones, those of one shape are placed together."""
TOGETHER = 32
"""Pods placed without a pause."""
GANG = "Coscheduling"


@dataclass(frozen=True, slots=True)
class Waiter:
    """A pod that waits for a machine."""

    pod: Pod
    shape: Shape
    profile: Profile

    @property
    def priority(self) -> int:
        return self.shape.priority


@dataclass(frozen=True, slots=True)
class Reason:
    """Pods of one shape turned away by the same filters: what helps one helps all."""

    shape: Shape
    plugins: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    pod: Pod
    profile: Profile
    placement: Placement


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """`nominated`: the machine on which room is being made; None leaves what the pod says about it."""

    pod: Pod
    profile: Profile
    message: str
    nominated: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evict:
    """Let the victims go, for `pod`."""

    pod: Pod
    profile: Profile
    preemption: Preemption


Decision = Bind | Wait | Evict


class Scheduler:
    def __init__(self, config: SchedulerConfig = DEFAULTS) -> None:
        self._config = config
        self.snapshot = Snapshot()
        self.placer = Placer(self.snapshot)
        self.owners = self.placer.owners
        self.storage = self.placer.storage
        self.queue: SchedulingQueue[Waiter, Reason] = SchedulingQueue(
            first_backoff=config.first_backoff, last_backoff=config.last_backoff
        )
        self._shapes: OrderedDict[bytes, Shape] = OrderedDict()
        self._plans: dict[str, VolumePlan] = {}
        self._gangs: dict[str, set[str]] = {}
        self._budgets: dict[str, Budget] = {}
        self._limits: list[Limit] | None = None
        self._no_room: tuple[object, NoRoom] | None = None
        self._preemptions = 0

    # What changes.

    def pod_changed(self, old: Pod | None, new: Pod | None, now: float) -> None:
        pod = new if new is not None else old
        if pod is None:
            return
        uid = pod.metadata.uid
        if new is None or new.status.phase in ("Succeeded", "Failed"):
            self._pod_gone(pod, now)
        elif new.spec.node_name:
            self._leave_queue(new)
            self._pod_placed(new, now)
        elif self.is_ours(new):
            self._pod_waits(old, new, now)
        else:
            self._leave_queue(new)
            if self.snapshot.resident(uid) is None:
                self._forget_nomination(uid, now)

    def is_ours(self, pod: Pod) -> bool:
        """Pods for another scheduler's name are left to it."""
        spec = pod.spec
        known = spec.scheduler_name in self._config.profiles
        return known and not spec.scheduling_gates and pod.metadata.deletion_timestamp is None

    def machine_changed(self, old: Node | None, new: Node | None, now: float) -> None:
        if new is None:
            if old is not None:
                self.snapshot.node_gone(old.metadata.name)
            return
        if old is not None and _offers(old) == _offers(new):
            return
        self.snapshot.node_changed(new)
        machine = self.snapshot.machine(new.metadata.name)
        if machine is not None and (old is None or _offers(old)[:-1] != _offers(new)[:-1]):
            self.wake(MachineChanged(machine), now)

    def namespace_changed(self, old: Namespace | None, new: Namespace | None, now: float) -> None:
        one = new or old
        if one is None:
            return
        if new is None:
            self.snapshot.namespaces.pop(one.metadata.name, None)
        elif self.snapshot.namespaces.get(one.metadata.name) != new.metadata.labels:
            self.snapshot.namespaces[one.metadata.name] = new.metadata.labels
            self.wake(NamespaceChanged(), now)

    def budget_changed(self, old: Budget | None, new: Budget | None) -> None:
        one = new or old
        if one is not None:
            _keep(self._budgets, key_of(one), new)
            self._limits = None

    def claim_changed(self, old: Claim | None, new: Claim | None, now: float) -> None:
        one = new or old
        if one is not None:
            _keep(self.storage.claims, key_of(one), new)
            self.wake(ClaimChanged(key_of(one)), now)

    def volume_changed(self, old: PersistentVolume | None, new: PersistentVolume | None, now: float) -> None:
        one = new or old
        if one is not None:
            _keep(self.storage.volumes, one.metadata.name, new)
            self.wake(StorageChanged(), now)

    def class_changed(self, old: StorageClass | None, new: StorageClass | None, now: float) -> None:
        one = new or old
        if one is not None:
            _keep(self.storage.classes, one.metadata.name, new)
            self.wake(StorageChanged(), now)

    def csi_node_changed(self, old: CsiNode | None, new: CsiNode | None, now: float) -> None:
        one = new or old
        if one is not None:
            _keep(self.storage.machines, one.metadata.name, new)
            self.wake(StorageChanged(), now)

    def wake(self, event: Event, now: float) -> None:
        """Try those again that this may help."""
        self.queue.wake(lambda why: helps(self.snapshot, event, why.shape, why.plugins), now)

    # What to do about it.

    def cycle(self, now: float) -> list[Decision]:
        """Decide about the pods that are first in the queue."""
        return [decision for decided in self.decide(now) for decision in decided]

    def decide(self, now: float) -> Iterator[list[Decision]]:
        """As `cycle`, in small steps: between them others may run, and tell of changes."""
        self.queue.tick(now)
        popped: list[str] = []
        while len(popped) < POPPED and (uid := self.queue.pop()) is not None:
            popped.append(uid)
        gangs: set[str] = set()
        for uids in self._batches(popped):
            first = self.queue.entry(uids[0])
            if first is not None and first.shape.group and first.shape.group not in gangs:
                gangs.add(first.shape.group)
                mine = [uid for uid in popped if self._group(uid) == first.shape.group]
                yield self._place_gang(first.shape.group, mine, now)
            elif first is None or not first.shape.group:
                for start in range(0, len(uids), TOGETHER):
                    yield self._place(uids[start : start + TOGETHER], now)

    def bound(self, bind: Bind) -> None:
        """The API took it."""
        plan = self._plans.pop(bind.placement.uid, None)
        if plan is not None:
            self.storage.release(plan)
        self._leave_queue(bind.pod)

    def not_bound(self, bind: Bind, current: Pod | None, now: float) -> None:
        """The API refused, or a volume did not come: try again after a while. `current`: the pod as it is now."""
        uid = bind.placement.uid
        resident = self.snapshot.resident(uid)
        self.placer.take_back(bind.placement)
        self._plans.pop(uid, None)
        if current is not None and current.spec.node_name:
            self.pod_changed(None, current, now)
        elif current is not None and self.is_ours(current):
            self.queue.failed(uid, now)
        else:
            self._leave_queue(bind.pod)
        if resident is not None:
            self.wake(PodLeft(resident, self.snapshot.machine(resident.machine)), now)

    def shape(self, pod: Pod) -> Shape:
        wanted = shape_key(pod)
        shape = self._shapes.get(wanted)
        if shape is None:
            shape = self._shapes[wanted] = shape_of(pod)
            if len(self._shapes) > SHAPES_KEPT:
                self._shapes.popitem(last=False)
        else:
            self._shapes.move_to_end(wanted)
        return shape

    def _pod_gone(self, pod: Pod, now: float) -> None:
        uid = pod.metadata.uid
        resident = self.snapshot.resident(uid)
        self._leave_queue(pod)
        self._forget_nomination(uid, now)
        self.snapshot.pod_gone(uid)
        if resident is not None:
            self.wake(PodLeft(resident, self.snapshot.machine(resident.machine)), now)

    def _pod_placed(self, pod: Pod, now: float) -> None:
        uid = pod.metadata.uid
        before = self.snapshot.resident(uid)
        shape = self.shape(pod)
        self._forget_nomination(uid, now, unless=pod.spec.node_name)
        self.snapshot.pod_changed(pod, shape)
        after = self.snapshot.resident(uid)
        if before is None and after is not None:
            self.wake(PodCame(after), now)
        elif before is not None and after is not None and before.shape is not after.shape:
            # Resized in place, other labels, or on its way out.
            self.wake(PodLeft(before, self.snapshot.machine(before.machine)), now)
            self.wake(PodCame(after), now)

    def _pod_waits(self, old: Pod | None, new: Pod, now: float) -> None:
        uid = new.metadata.uid
        waiter = Waiter(new, self.shape(new), self._config.profiles[new.spec.scheduler_name])
        if waiter.shape.group:
            self._gangs.setdefault(waiter.shape.group, set()).add(uid)
        nominated = new.status.nominated_node_name
        if old is not None and old.status.nominated_node_name and not nominated:
            self._forget_nomination(uid, now)
        elif nominated and self.snapshot.resident(uid) is None and uid not in self.snapshot.nominated:
            self.snapshot.nominate(resident_of(new, waiter.shape, nominated))
        if self.snapshot.resident(uid) is not None:
            # It has been placed, and will be bound soon.
            self.queue.update(uid, waiter)
            return
        before = self.queue.entry(uid)
        if before is None or before.shape is not waiter.shape:
            self.queue.add(uid, waiter, now)
        else:
            self.queue.update(uid, waiter)
        if before is None and waiter.shape.group:
            for member in self._gangs[waiter.shape.group]:
                self.queue.activate(member, now)

    def _leave_queue(self, pod: Pod) -> None:
        uid = pod.metadata.uid
        waiter = self.queue.entry(uid)
        if waiter is not None and waiter.shape.group:
            members = self._gangs.get(waiter.shape.group, set())
            members.discard(uid)
            if not members:
                self._gangs.pop(waiter.shape.group, None)
        self.queue.remove(uid)

    def _forget_nomination(self, uid: str, now: float, unless: str = "") -> None:
        nominated = self.snapshot.nominated.pop(uid, None)
        machine = self.snapshot.machine(nominated.machine) if nominated is not None else None
        if machine is not None and machine.name != unless:
            self.wake(MachineChanged(machine), now)

    def _group(self, uid: str) -> str:
        waiter = self.queue.entry(uid)
        return waiter.shape.group if waiter is not None else ""

    def _batches(self, popped: Sequence[str]) -> Iterable[list[str]]:
        """Pods of one shape together, where no more important one stands between them."""
        batches: dict[tuple[int, int], list[str]] = {}
        for uid in popped:
            waiter = self.queue.entry(uid)
            if waiter is not None:
                batches.setdefault((-waiter.priority, id(waiter.shape)), []).append(uid)
        return sorted(batches.values(), key=lambda uids: -self._priority(uids[0]))

    def _priority(self, uid: str) -> int:
        waiter = self.queue.entry(uid)
        return waiter.priority if waiter is not None else 0

    def _place(self, uids: Sequence[str], now: float) -> list[Decision]:
        """Pods of one shape, unless they changed meanwhile."""
        waiters = {uid: waiter for uid in uids if (waiter := self.queue.entry(uid)) is not None}
        by_shape: dict[Shape, list[str]] = {}
        for uid, waiter in waiters.items():
            if self.snapshot.resident(uid) is None:
                by_shape.setdefault(waiter.shape, []).append(uid)
        decisions: list[Decision] = []
        for alike in by_shape.values():
            for outcome in self._outcomes(waiters[alike[0]], alike):
                waiter = waiters[outcome.uid]
                if isinstance(outcome, Placement):
                    decisions.append(self._bind(waiter, outcome))
                else:
                    decisions += self._turned_away(waiter, outcome, now)
        return decisions

    def _outcomes(self, first: Waiter, uids: Sequence[str]) -> list[Outcome]:
        waiters = [waiter for uid in uids if (waiter := self.queue.entry(uid)) is not None]
        candidates = [
            Candidate(uid=m.uid, namespace=m.namespace, name=m.name) for m in (w.pod.metadata for w in waiters)
        ]
        return self.placer.place(first.shape, candidates, first.profile)

    def _bind(self, waiter: Waiter, placement: Placement) -> Bind:
        if not placement.volumes.empty:
            self._plans[placement.uid] = placement.volumes
        return Bind(pod=waiter.pod, profile=waiter.profile, placement=placement)

    def _turned_away(self, waiter: Waiter, failed: Unplaceable, now: float) -> list[Decision]:
        decided = self._make_room(waiter, failed)
        plugins = failed.plugins
        self.queue.unschedulable(failed.uid, Reason(waiter.shape, plugins), now)
        pod, profile = waiter.pod, waiter.profile
        if isinstance(decided, Preemption):
            for one in decided.displaced:
                self._forget_nomination(one.uid, now, unless=decided.machine)
            self.snapshot.nominate(resident_of(pod, waiter.shape, decided.machine))
            return [
                Evict(pod=pod, profile=profile, preemption=decided),
                Wait(pod=pod, profile=profile, message=failed.message, nominated=decided.machine),
            ]
        nominated = None
        if decided is not None and not decided.keep and failed.uid in self.snapshot.nominated:
            self._forget_nomination(failed.uid, now)
            nominated = ""
        message = failed.message if decided is None else f"{failed.message} {decided.message}"
        return [Wait(pod=pod, profile=profile, message=message, nominated=nominated)]

    def _make_room(self, waiter: Waiter, failed: Unplaceable) -> Preemption | NoRoom | None:
        """None where nothing more is said."""
        if not failed.count or not waiter.profile.preempts:
            return None
        snapshot = self.snapshot
        nominated = failed.uid in snapshot.nominated
        situation = (waiter.shape, waiter.profile.name, snapshot.generation, tuple(snapshot.nominated), nominated)
        if self._no_room is not None and self._no_room[0] == situation and not nominated:
            # Nothing has changed since its like found no room.
            return self._no_room[1]
        if self._limits is None:
            self._limits = limits(self._budgets.values())
        self._preemptions += 1
        offset = self._preemptions
        decided = preempt(self.placer, waiter.shape, failed, waiter.profile, budgets=self._limits, offset=offset)
        if isinstance(decided, NoRoom):
            self._no_room = situation, decided
        return decided

    def _place_gang(self, group: str, popped: Sequence[str], now: float) -> list[Decision]:
        """All that wait of a group, at one go: at least its minimum, or none."""
        uids = [
            *popped,
            *(uid for uid in sorted(self._gangs.get(group, ())) if uid not in popped and self.queue.take(uid)),
        ]
        members = {uid: waiter for uid in uids if (waiter := self.queue.entry(uid)) is not None}
        minimum = max((waiter.shape.minimum for waiter in members.values()), default=1)
        running = sum(1 for one in self.snapshot.residents() if one.shape.group == group)
        name = group.partition("/")[2]
        if len(members) + running < minimum:
            there = f"current pods number: {len(members) + running}, minAvailable of group: {minimum}"
            return self._gang_waits(members, f'pod group "{name}" cannot find enough sibling pods, {there}', now)
        by_shape: dict[int, list[str]] = {}
        for uid, waiter in members.items():
            by_shape.setdefault(id(waiter.shape), []).append(uid)
        outcomes = [o for alike in by_shape.values() for o in self._outcomes(members[alike[0]], alike)]
        placed = [outcome for outcome in outcomes if isinstance(outcome, Placement)]
        if len(placed) + running < minimum:
            for placement in placed:
                self.placer.take_back(placement)
            failed = next(outcome for outcome in outcomes if isinstance(outcome, Unplaceable))
            found = f"only {len(placed) + running} of at least {minimum} pods find a place"
            message = f'pod group "{name}": {found}. {failed.message}'
            return self._gang_waits(members, message, now, failed.plugins)
        decisions: list[Decision] = []
        for outcome in outcomes:
            waiter = members[outcome.uid]
            if isinstance(outcome, Placement):
                decisions.append(self._bind(waiter, outcome))
            else:
                decisions += self._turned_away(waiter, outcome, now)
        return decisions

    def _gang_waits(
        self, members: dict[str, Waiter], message: str, now: float, plugins: frozenset[str] = frozenset()
    ) -> list[Decision]:
        for uid, waiter in members.items():
            self.queue.unschedulable(uid, Reason(waiter.shape, plugins | {GANG}), now)
        return [Wait(pod=waiter.pod, profile=waiter.profile, message=message) for waiter in members.values()]


def _offers(node: Node) -> tuple[object, ...]:
    """All by which a machine may become fit for a pod; last what only makes it better."""
    return node.status.allocatable, node.spec, node.metadata.labels, node.status.images


def _keep(kept: dict[str, T], name: str, new: T | None) -> None:
    if new is None:
        kept.pop(name, None)
    else:
        kept[name] = new
