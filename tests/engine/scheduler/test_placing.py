"""Where pods end up."""

from collections import Counter
from typing import Any

from engine.scheduler.placing import Candidate, Placement, Placer, Unplaceable
from engine.scheduler.profile import Profile
from engine.scheduler.shape import shape_key, shape_of
from tests.engine.scheduler.objects import (
    asking,
    machines_of,
    message,
    node,
    placer,
    pod,
    replica_set,
    settle,
    try_pods,
)


def placed(where: Placer, count: int, profile: Profile | None = None, **spec: Any) -> list[str | None]:
    """The machine of each of `count` equal pods, placed together."""
    one = pod(**spec)
    if one.metadata.owner_references:
        replica_set(where.owners, one.metadata.owner_references[0].name, one.metadata.labels or {"app": "x"})
    names = [f"{spec.get('owner', 'p')}-{n}" for n in range(count)]
    candidates = [Candidate(uid=name, namespace="default", name=name) for name in names]
    return machines_of(where.place(shape_of(one), candidates, profile or Profile()))


def test_replicas_are_spread_over_machines() -> None:
    view = placer(node("m1"), node("m2"), node("m3"))
    assert sorted(Counter(placed(view, 7, owner="rs", labels={"app": "x"})).values()) == [2, 2, 3]


def test_pods_of_one_service_are_spread() -> None:
    view = placer(node("m1"), node("m2"))
    settle(view, pod("other", labels={"app": "web"}), "m1")
    replica_set(view.owners, "rs", {"app": "web"})
    assert placed(view, 1, owner="rs", labels={"app": "web"}) == ["m2"]


def test_spreading_outweighs_a_moderate_difference_in_load() -> None:
    view = placer(node("m1"), node("m2"), node("m3"))
    settle(view, pod("other", containers=[asking("2", "4Gi")]), "m1")
    assert set(placed(view, 3, owner="rs", labels={"app": "x"})) == {"m1", "m2", "m3"}


def test_emptier_machine_is_preferred() -> None:
    view = placer(node("m1"), node("m2"))
    settle(view, pod("other", containers=[asking("2", "4Gi")]), "m1")
    assert placed(view, 1) == ["m2"]


def test_fuller_machine_is_preferred_where_the_profile_packs() -> None:
    view = placer(node("m1"), node("m2"))
    settle(view, pod("other", containers=[asking("2", "4Gi")]), "m2")
    assert placed(view, 1, Profile(strategy="MostAllocated")) == ["m2"]


def test_preference_of_the_pod_wins_over_load() -> None:
    view = placer(node("m1", labels={"disk": "ssd"}), node("m2"))
    settle(view, pod("other", containers=[asking("1", "1Gi")]), "m1")
    term = {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}
    preferred = [{"weight": 10, "preference": term}]
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}
    assert placed(view, 1, affinity=affinity) == ["m1"]


def test_machine_with_a_soft_taint_is_used_last() -> None:
    soft = {"taints": [{"key": "k", "effect": "PreferNoSchedule"}]}
    view = placer(node("m1", spec=soft), node("m2", cpu="1"))
    assert placed(view, 1, containers=[asking("800m")]) == ["m2"]
    assert placed(view, 1, containers=[asking("800m")], owner="x") == ["m1"]


def test_machine_that_has_a_large_image_is_preferred() -> None:
    view = placer(node("m1"), node("m2", images={"docker.io/library/nginx:latest": 900 * 1024 * 1024}))
    assert placed(view, 1) == ["m2"]


def test_small_image_does_not_matter() -> None:
    view = placer(node("m1"), node("m2", images={"docker.io/library/nginx:latest": 20 * 1024 * 1024}))
    assert placed(view, 1) == ["m1"]


def test_what_does_not_fit_is_explained() -> None:
    view = placer(node("m1", cpu="1"))
    first, second = try_pods(view, *(pod(name, containers=[asking("600m")]) for name in ("a", "b")))
    assert first == Placement(uid="a", machine="m1")
    assert message(second) == "0/1 nodes are available: 1 Insufficient cpu."


def test_pod_meant_for_one_machine_asks_no_other() -> None:
    view = placer(*(node(f"m{n}", pods="0" if n == 3 else "110") for n in range(8)))
    on_m3 = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["m3"]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [on_m3]}}}
    (outcome,) = try_pods(view, pod(affinity=affinity))
    assert message(outcome) == (
        "0/8 nodes are available: 1 Too many pods, 7 node(s) didn't satisfy plugin(s) [NodeAffinity]."
    )
    assert isinstance(outcome, Unplaceable)
    assert outcome.plugins == {"NodeAffinity", "NodeResourcesFit"}


def test_nothing_is_placed_on_a_machine_that_is_gone() -> None:
    view = placer(node("m1"))
    settle(view, pod(), "m1")
    view.snapshot.node_gone("m1")
    assert placed(view, 1) == [None]


def test_machine_that_returns_still_counts_its_pods() -> None:
    view = placer(node("m1", cpu="1"))
    settle(view, pod(containers=[asking("600m")]), "m1")
    view.snapshot.node_gone("m1")
    view.snapshot.node_changed(node("m1", cpu="1"))
    assert placed(view, 1, containers=[asking("600m")]) == [None]


def test_ended_pod_gives_its_place_back() -> None:
    view = placer(node("m1", cpu="1"))
    settle(view, pod("big", containers=[asking("1")]), "m1")
    assert placed(view, 1, containers=[asking("1")]) == [None]
    view.snapshot.pod_gone("big")
    assert placed(view, 1, containers=[asking("1")]) == ["m1"]


def test_binding_seen_after_it_was_assumed_counts_once() -> None:
    view = placer(node("m1", cpu="1"))
    bound = pod("p", containers=[asking("500m")], nodeName="m1")
    settle(view, pod("p", containers=[asking("500m")]), "m1")
    view.snapshot.pod_changed(bound, shape_of(bound))
    assert machines_of(try_pods(view, pod("q", containers=[asking("500m")]))) == ["m1"]


def test_pods_of_one_set_are_of_one_shape_wherever_they_stand() -> None:
    one, other = pod("a", owner="rs"), pod("b", owner="rs", nodeName="m1")
    assert shape_key(one) == shape_key(other)
    assert shape_key(one) != shape_key(pod("a", owner="other"))


def test_names_of_volumes_that_are_no_claims_make_no_difference() -> None:
    one, other = (pod("a", volumes=[{"name": f"kube-api-access-{n}", "projected": {}}]) for n in ("x", "y"))
    assert shape_key(one) == shape_key(other)
    with_claim = pod("a", volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}])
    assert shape_key(one) != shape_key(with_claim)


def test_a_pod_more_costs_a_look_at_the_one_machine_that_it_went_to() -> None:
    view = placer(*(node(f"m{n}") for n in range(200)))
    profile = Profile()
    for group in range(3):
        replica_set(view.owners, f"rs{group}", {"app": f"rs{group}"})
        shape = shape_of(pod(owner=f"rs{group}", labels={"app": f"rs{group}"}))
        for batch in range(2):
            names = [f"{group}-{batch}-{n}" for n in range(50)]
            pods = [Candidate(uid=name, namespace="default", name=name) for name in names]
            assert len(set(machines_of(view.place(shape, pods, profile)))) == 50
            # The second batch begins with the machines that changed since: those that the first one filled.
            assert view.judge(shape, profile).looks <= 200 + 50 + batch * (50 + 50)
