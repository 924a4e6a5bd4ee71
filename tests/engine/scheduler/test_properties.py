"""What holds in every world, by a judge that shares no code with the scheduler."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.scheduler.placing import Candidate, Outcome, Placement, Placer, Unplaceable
from engine.scheduler.preemption import Preemption, preempt
from engine.scheduler.profile import DEFAULT_PROFILE
from engine.scheduler.shape import shape_of
from engine.scheduler.snapshot import Snapshot, resident_of
from engine.scheduler.views import Node, Pod
from tests.engine.scheduler import judge, worlds

Json = dict[str, Any]


def placer_of(nodes: list[Json], placed: list[tuple[Json, str]]) -> Placer:
    snapshot = Snapshot()
    for node in nodes:
        snapshot.node_changed(msgspec.convert(node, Node))
    for raw, where in placed:
        pod = msgspec.convert(raw, Pod)
        snapshot.place(resident_of(pod, shape_of(pod), where))
    return Placer(snapshot)


def place(placer: Placer, raws: list[Json]) -> list[Outcome]:
    """Pods of one shape, together."""
    views = [msgspec.convert(raw, Pod).metadata for raw in raws]
    candidates = [Candidate(uid=m.uid, namespace=m.namespace, name=m.name) for m in views]
    return placer.place(shape_of(msgspec.convert(raws[0], Pod)), candidates)


STEPS = st.lists(st.tuples(worlds.pods(), st.integers(1, 4), st.integers(0, 3)), min_size=1, max_size=6)


@settings(max_examples=50, deadline=None)
@given(worlds.nodes(), STEPS)
def test_pods_go_only_where_every_rule_lets_them_and_wait_only_where_none_does(
    nodes: list[Json], steps: list[tuple[Json, int, int]]
) -> None:
    placer = placer_of(nodes, [])
    placed: list[tuple[Json, str]] = []
    by_name = {node["metadata"]["name"]: node for node in nodes}
    for number, (pod, count, leaving) in enumerate(steps):
        raws = [worlds.named(pod, f"{number}-{n}") for n in range(count)]
        for raw, outcome in zip(raws, place(placer, raws), strict=True):
            if isinstance(outcome, Placement):
                assert judge.objections(raw, by_name[outcome.machine], nodes, placed) == []
                placed.append((raw, outcome.machine))
            else:
                assert all(judge.objections(raw, node, nodes, placed) for node in nodes)
        for raw, _ in placed[:leaving]:
            placer.snapshot.pod_gone(raw["metadata"]["uid"])
        del placed[:leaving]


@settings(max_examples=50, deadline=None)
@given(worlds.nodes(), STEPS)
def test_batches_on_a_snapshot_kept_up_end_as_pods_placed_one_by_one_from_scratch(
    nodes: list[Json], steps: list[tuple[Json, int, int]]
) -> None:
    placer = placer_of(nodes, [])
    placed: list[tuple[Json, str]] = []
    for number, (pod, count, leaving) in enumerate(steps):
        raws = [worlds.named(pod, f"{number}-{n}") for n in range(count)]
        together = place(placer, raws)
        for raw, outcome in zip(raws, together, strict=True):
            (alone,) = place(placer_of(nodes, placed), [raw])
            assert outcome == alone
            if isinstance(outcome, Placement):
                placed.append((raw, outcome.machine))
        for raw, _ in placed[:leaving]:
            placer.snapshot.pod_gone(raw["metadata"]["uid"])
        del placed[:leaving]
    for raw, _ in placed:
        placer.snapshot.pod_gone(raw["metadata"]["uid"])
    for machine in placer.snapshot.machines():
        assert not any(machine.requested.values())
        assert not machine.host_ports
    assert not list(placer.snapshot.kinds_with_terms())
    assert not list(placer.snapshot.kinds_in("default"))


@settings(max_examples=50, deadline=None)
@given(worlds.nodes(), st.lists(worlds.pods(), max_size=8), worlds.pods())
def test_preemption_takes_less_important_pods_alone_and_always_makes_room(
    nodes: list[Json], others: list[Json], pod: Json
) -> None:
    placer = placer_of(nodes, [])
    placed: list[tuple[Json, str]] = []
    for number, one in enumerate(others):
        raw = worlds.named(one, f"o{number}")
        (outcome,) = place(placer, [raw])
        if isinstance(outcome, Placement):
            placed.append((raw, outcome.machine))
    raw = worlds.named(pod, "important")
    (outcome,) = place(placer, [raw])
    if not isinstance(outcome, Unplaceable):
        return
    before = [(m.name, dict(m.requested), set(m.residents)) for m in placer.snapshot.machines()]
    shape = shape_of(msgspec.convert(raw, Pod))
    decided = preempt(placer, shape, outcome, DEFAULT_PROFILE)
    assert before == [(m.name, dict(m.requested), set(m.residents)) for m in placer.snapshot.machines()]
    by_name = {node["metadata"]["name"]: node for node in nodes}
    priority = raw["spec"]["priority"]
    if isinstance(decided, Preemption):
        gone = {victim.uid for victim in decided.victims}
        assert gone
        assert all(victim.shape.priority < priority for victim in decided.victims)
        assert {where for other, where in placed if other["metadata"]["uid"] in gone} == {decided.machine}
        left = [(other, where) for other, where in placed if other["metadata"]["uid"] not in gone]
        assert judge.objections(raw, by_name[decided.machine], nodes, left) == []
        return
    for name, node in by_name.items():
        left = [(o, w) for o, w in placed if w != name or o["spec"]["priority"] >= priority]
        # Affinity to those who would go is no reason to let them go; taking away all on one machine is all we try.
        assert judge.objections(raw, node, nodes, left)


@settings(max_examples=30, deadline=None)
@given(worlds.nodes(), st.lists(worlds.pods(), min_size=1, max_size=6))
def test_refused_placement_leaves_no_trace(nodes: list[Json], pods: list[Json]) -> None:
    placer = placer_of(nodes, [])
    outcomes = [o for number, pod in enumerate(pods) for o in place(placer, [worlds.named(pod, f"p{number}")])]
    for outcome in outcomes:
        if isinstance(outcome, Placement):
            placer.take_back(outcome)
    again = [o for number, pod in enumerate(pods) for o in place(placer, [worlds.named(pod, f"p{number}")])]
    assert again == outcomes
