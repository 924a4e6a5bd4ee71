"""The scheduler as a whole, without an API: what it is told, and what it decides."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.scheduler.configuration import SchedulerConfig
from engine.scheduler.profile import Profile
from engine.scheduler.scheduler import Bind, Decision, Evict, Scheduler, Wait
from engine.scheduler.shape import GROUP_LABEL, MINIMUM_LABEL
from engine.scheduler.views import Pod
from tests.engine.scheduler.objects import asking, node, pod

Json = dict[str, Any]


def scheduler(*names: str, cpu: str = "4", config: SchedulerConfig | None = None) -> Scheduler:
    made = Scheduler(config) if config is not None else Scheduler()
    for name in names:
        made.machine_changed(None, node(name, cpu=cpu), 0.0)
    return made


def add(to: Scheduler, *pods: Pod, now: float = 0.0) -> None:
    for one in pods:
        to.pod_changed(None, one, now)


def changed(one: Pod, **fields: Any) -> Pod:
    """The pod with other values, by dotted names."""
    raw = msgspec.to_builtins(one)
    for path, value in fields.items():
        target = raw
        *parts, last = path.split("__")
        for part in parts:
            target = target[part]
        target[last] = value
    return msgspec.convert(raw, Pod)


def outcome(decisions: list[Decision]) -> dict[str, str | None]:
    """By pod its machine, None for those that wait."""
    found: dict[str, str | None] = {}
    for one in decisions:
        if isinstance(one, Bind):
            found[one.pod.metadata.name] = one.placement.machine
        elif isinstance(one, Wait):
            found[one.pod.metadata.name] = None
    return found


def waits(decisions: list[Decision]) -> list[str]:
    return [one.message for one in decisions if isinstance(one, Wait)]


def big(name: str, cpu: str = "3", **more: Any) -> Pod:
    return pod(name, containers=[asking(cpu)], **more)


def test_more_important_pod_is_placed_first_though_it_came_later() -> None:
    it = scheduler("m1")
    add(it, big("first"), big("urgent", priority=10))
    assert outcome(it.cycle(0.0)) == {"urgent": "m1", "first": None}


def test_pod_that_waited_is_placed_when_room_comes() -> None:
    it = scheduler("m1")
    add(it, big("first", nodeName="m1"), big("second"))
    assert waits(it.cycle(0.0)) == [
        "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: "
        "1 No preemption victims found for incoming pod."
    ]
    it.pod_changed(big("first", nodeName="m1"), None, 5.0)
    assert outcome(it.cycle(5.0)) == {"second": "m1"}


def test_pod_is_not_tried_again_for_what_cannot_help_it() -> None:
    it = scheduler("m1")
    add(it, big("there", nodeName="m1"), big("other", "100m", nodeName="m1"), big("waiting"))
    it.cycle(0.0)
    it.pod_changed(big("other", "100m", nodeName="m1"), None, 5.0)
    it.machine_changed(node("m1"), node("m1", labels={"seen": "yes"}, spec={"unschedulable": True}), 5.0)
    assert it.cycle(5.0) == []
    it.machine_changed(None, node("m2"), 6.0)
    assert outcome(it.cycle(6.0)) == {"waiting": "m2"}


def test_heartbeats_wake_nobody() -> None:
    it = scheduler("m1")
    generation = it.snapshot.generation
    it.machine_changed(node("m1"), node("m1"), 1.0)
    assert it.snapshot.generation == generation


def test_pods_of_another_scheduler_are_left_alone_but_counted() -> None:
    it = scheduler("m1")
    foreign = big("foreign", schedulerName="my-own")
    add(it, foreign)
    assert it.cycle(0.0) == []
    it.pod_changed(foreign, changed(foreign, spec__nodeName="m1"), 1.0)
    add(it, big("ours"))
    assert outcome(it.cycle(1.0)) == {"ours": None}


def test_gated_pod_waits_until_its_gates_are_gone() -> None:
    it = scheduler("m1")
    gated = big("gated", schedulingGates=[{"name": "example.com/wait"}])
    add(it, gated)
    assert it.cycle(0.0) == []
    it.pod_changed(gated, changed(gated, spec__schedulingGates=[]), 1.0)
    assert outcome(it.cycle(1.0)) == {"gated": "m1"}


def test_each_profile_places_by_its_own_rules() -> None:
    spread, pack = Profile(name="spread"), Profile(name="pack", strategy="MostAllocated")
    it = scheduler("m1", "m2", config=SchedulerConfig(profiles={"spread": spread, "pack": pack}))
    add(it, pod("there", containers=[asking("2", "4Gi")], nodeName="m2", schedulerName="x"))
    add(it, big("p1", "100m", schedulerName="spread"), big("p2", "100m", schedulerName="pack"))
    add(it, big("default", "100m"))
    assert outcome(it.cycle(0.0)) == {"p1": "m1", "p2": "m2"}


def test_important_pod_evicts_is_promised_the_room_and_gets_it() -> None:
    it = scheduler("m1")
    victim, urgent = big("victim", nodeName="m1"), big("urgent", priority=10)
    add(it, victim, urgent)
    decisions = it.cycle(0.0)
    evict, wait = decisions
    assert isinstance(evict, Evict)
    assert isinstance(wait, Wait)
    assert [one.name for one in evict.preemption.victims] == ["victim"]
    assert (wait.message, wait.nominated) == ("0/1 nodes are available: 1 Insufficient cpu.", "m1")
    add(it, big("sneaky", "3", priority=5), now=1.0)
    leaving = changed(victim, metadata__deletionTimestamp="2026-01-01T00:00:00Z")
    it.pod_changed(victim, leaving, 1.0)
    assert outcome(it.cycle(1.0)) == {"sneaky": None}
    it.pod_changed(leaving, None, 2.0)
    assert outcome(it.cycle(2.0))["urgent"] == "m1"
    assert not it.snapshot.nominated


def test_promise_that_helps_no_more_is_taken_back() -> None:
    it = scheduler("m1")
    add(it, big("victim", nodeName="m1"), big("urgent", priority=10))
    it.cycle(0.0)
    it.machine_changed(node("m1"), node("m1", spec={"unschedulable": True}), 1.0)
    it.queue.activate("urgent", 5.0)
    (wait,) = it.cycle(5.0)
    assert isinstance(wait, Wait)
    assert wait.nominated == ""
    assert not it.snapshot.nominated


def test_binding_that_failed_is_undone_and_tried_again() -> None:
    it = scheduler("m1")
    one = big("one")
    add(it, one)
    (bind,) = it.cycle(0.0)
    assert isinstance(bind, Bind)
    it.not_bound(bind, one, 0.0)
    assert it.cycle(0.5) == []
    assert outcome(it.cycle(1.0)) == {"one": "m1"}


def test_pod_bound_by_somebody_else_meanwhile_counts_where_it_is() -> None:
    it = scheduler("m1", "m2")
    one = big("one")
    add(it, one)
    (bind,) = it.cycle(0.0)
    assert isinstance(bind, Bind)
    other = "m2" if bind.placement.machine == "m1" else "m1"
    it.not_bound(bind, changed(one, spec__nodeName=other), 0.0)
    resident = it.snapshot.resident("one")
    assert resident is not None
    assert resident.machine == other
    assert it.cycle(20.0) == []


def member(name: str, minimum: int, cpu: str = "2") -> Pod:
    return big(name, cpu, labels={GROUP_LABEL: "ring", MINIMUM_LABEL: str(minimum)})


def test_group_that_is_not_whole_waits_for_its_pods() -> None:
    it = scheduler("m1", "m2")
    add(it, member("a", 3), member("b", 3))
    message = 'pod group "ring" cannot find enough sibling pods, current pods number: 2, minAvailable of group: 3'
    assert waits(it.cycle(0.0)) == [message] * 2
    add(it, member("c", 3), now=20.0)
    assert set(outcome(it.cycle(20.0)).values()) <= {"m1", "m2"}
    assert it.cycle(21.0) == []


def test_group_that_does_not_fit_whole_takes_no_room() -> None:
    it = scheduler("m1")
    add(it, member("a", 3), member("b", 3), member("c", 3), big("small", "4"))
    decisions = it.cycle(0.0)
    assert outcome(decisions) == {"a": None, "b": None, "c": None, "small": "m1"}
    assert waits(decisions)[0] == (
        'pod group "ring": only 2 of at least 3 pods find a place. 0/1 nodes are available: 1 Insufficient cpu.'
    )


def test_group_starts_with_its_minimum_and_the_rest_follows() -> None:
    it = scheduler("m1")
    add(it, member("a", 2), member("b", 2), member("c", 2))
    assert sorted(map(str, outcome(it.cycle(0.0)).values())) == ["None", "m1", "m1"]
    it.machine_changed(None, node("m2"), 20.0)
    assert list(outcome(it.cycle(20.0)).values()) == ["m2"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 3)), min_size=1, max_size=4),
)
def test_groups_are_placed_whole_or_not_at_all(cpus: list[int], groups: list[tuple[int, int, int]]) -> None:
    """(how many pods, how many must start together, cpu of each)."""
    it = Scheduler()
    for number, cpu in enumerate(cpus):
        it.machine_changed(None, node(f"m{number}", cpu=str(cpu)), 0.0)
    for number, (count, minimum, cpu) in enumerate(groups):
        labels = {GROUP_LABEL: f"g{number}", MINIMUM_LABEL: str(minimum)}
        add(it, *(big(f"g{number}-{n}", str(cpu), labels=labels) for n in range(count)))
    decisions = it.cycle(0.0)
    placed = [one.placement.uid for one in decisions if isinstance(one, Bind)]
    for number, (count, minimum, _) in enumerate(groups):
        mine = [uid for uid in placed if uid.startswith(f"g{number}-")]
        assert len(mine) == 0 or minimum <= len(mine) <= count
    assert len(outcome(decisions)) == sum(count for count, _, _ in groups)
    for machine in it.snapshot.machines():
        assert machine.requested.get("cpu", 0) <= machine.allocatable["cpu"]
    assert sum(machine.pods for machine in it.snapshot.machines()) == len(placed)
