"""Where pods end up."""

import time
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.scheduler.placing import Placement, Unplaceable, place
from engine.scheduler.shape import shape_key, shape_of
from engine.scheduler.snapshot import Snapshot
from tests.engine.scheduler.objects import asking, node, pod


def snapshot(*nodes: Any) -> Snapshot:
    made = Snapshot()
    for one in nodes:
        made.node_changed(one)
    return made


def placed(view: Snapshot, count: int, **spec: Any) -> list[str | None]:
    """The machine of each of `count` equal pods."""
    outcomes = place(view, shape_of(pod(**spec)), [f"{spec.get('owner', 'p')}-{n}" for n in range(count)])
    return [o.machine if isinstance(o, Placement) else None for o in outcomes]


def test_replicas_are_spread_over_machines() -> None:
    view = snapshot(node("m1"), node("m2"), node("m3"))
    assert sorted(Counter(placed(view, 7, owner="rs")).values()) == [2, 2, 3]


def test_pods_without_a_controller_are_spread_by_their_labels() -> None:
    view = snapshot(node("m1"), node("m2"))
    assert sorted(Counter(placed(view, 4, labels={"app": "web"})).values()) == [2, 2]


def test_spreading_outweighs_a_moderate_difference_in_load() -> None:
    view = snapshot(node("m1"), node("m2"), node("m3"))
    view.assume("other", shape_of(pod(containers=[asking("2", "4Gi")])), "m1")
    assert set(placed(view, 3, owner="rs")) == {"m1", "m2", "m3"}


def test_emptier_machine_is_preferred() -> None:
    view = snapshot(node("m1"), node("m2"))
    view.assume("other", shape_of(pod(containers=[asking("2", "4Gi")])), "m1")
    assert placed(view, 1) == ["m2"]


def test_preference_of_the_pod_wins_over_load() -> None:
    view = snapshot(node("m1", labels={"disk": "ssd"}), node("m2"))
    view.assume("other", shape_of(pod(containers=[asking("1", "1Gi")])), "m1")
    term = {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}
    preferred = [{"weight": 10, "preference": term}]
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}
    assert placed(view, 1, affinity=affinity) == ["m1"]


def test_machine_with_a_soft_taint_is_used_last() -> None:
    soft = {"taints": [{"key": "k", "effect": "PreferNoSchedule"}]}
    view = snapshot(node("m1", spec=soft), node("m2", cpu="1"))
    assert placed(view, 1, containers=[asking("800m")]) == ["m2"]
    assert placed(view, 1, containers=[asking("800m")], owner="x") == ["m1"]


def test_machine_that_has_the_image_is_preferred() -> None:
    view = snapshot(node("m1"), node("m2", images=("docker.io/library/nginx:latest",)))
    assert placed(view, 1) == ["m2"]


def test_what_does_not_fit_is_explained() -> None:
    view = snapshot(node("m1", cpu="1"))
    outcomes = place(view, shape_of(pod(containers=[asking("600m")])), ["a", "b"])
    assert outcomes[0] == Placement(uid="a", machine="m1")
    assert outcomes[1] == Unplaceable(
        uid="b",
        message="0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: "
        "1 No preemption victims found for incoming pod.",
    )


def test_nothing_is_placed_on_a_machine_that_is_gone() -> None:
    view = snapshot(node("m1"))
    view.assume("p", shape_of(pod()), "m1")
    view.node_gone("m1")
    assert placed(view, 1) == [None]


def test_machine_that_returns_still_counts_its_pods() -> None:
    view = snapshot(node("m1", cpu="1"))
    view.assume("p", shape_of(pod(containers=[asking("600m")])), "m1")
    view.node_gone("m1")
    view.node_changed(node("m1", cpu="1"))
    assert placed(view, 1, containers=[asking("600m")]) == [None]


def test_ended_pod_gives_its_place_back() -> None:
    view = snapshot(node("m1", cpu="1"))
    big = pod("big", containers=[asking("1")], nodeName="m1")
    view.pod_changed(big, shape_of(big))
    assert placed(view, 1, containers=[asking("1")]) == [None]
    view.pod_gone("big")
    assert placed(view, 1, containers=[asking("1")]) == ["m1"]


def test_binding_seen_after_it_was_assumed_counts_once() -> None:
    view = snapshot(node("m1", cpu="1"))
    bound = pod("p", containers=[asking("500m")], nodeName="m1")
    view.assume("p", shape_of(bound), "m1")
    view.pod_changed(bound, shape_of(bound))
    assert placed(view, 1, containers=[asking("500m")]) == ["m1"]


def test_pods_of_one_set_are_of_one_shape_wherever_they_stand() -> None:
    one, other = pod("a", owner="rs"), pod("b", owner="rs", nodeName="m1")
    assert shape_key(one) == shape_key(other)
    assert shape_key(one) != shape_key(pod("a", owner="other"))


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 8), st.integers(0, 6)), min_size=1, max_size=5),
    st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 6), st.booleans()), max_size=8),
)
def test_no_machine_is_ever_promised_more_than_it_has(
    machines: list[tuple[int, int]], batches: list[tuple[int, int, bool]]
) -> None:
    view = snapshot(*(node(f"m{n}", cpu=str(cpu), pods=str(pods)) for n, (cpu, pods) in enumerate(machines)))
    gone: list[str] = []
    for number, (cpu, count, leaves) in enumerate(batches):
        uids = [f"{number}-{n}" for n in range(count)]
        outcomes = place(view, shape_of(pod(owner=str(number), containers=[asking(f"{cpu}m")])), uids)
        for outcome in outcomes:
            if isinstance(outcome, Placement) and leaves:
                view.pod_gone(outcome.uid)
                gone.append(outcome.uid)
        for one in view.machines():
            assert one.requested.get("cpu", 0) <= one.allocatable["cpu"]
            assert one.pods <= one.pods_allowed
            assert one.pods >= 0
    for number, (_, count, _) in enumerate(batches):
        for n in range(count):
            view.pod_gone(f"{number}-{n}")
    for one in view.machines():
        assert one.pods == 0
        assert not any(one.requested.values())
        assert not one.groups


@pytest.mark.slow
def test_a_thousand_pods_find_their_places_among_a_thousand_machines_within_a_second() -> None:
    view = snapshot(*(node(f"m{n}") for n in range(1000)))
    started = time.process_time()
    for group in range(10):
        machines = placed(view, 100, owner=f"rs{group}")
        assert len(set(machines)) == 100
    assert time.process_time() - started < 1.0
