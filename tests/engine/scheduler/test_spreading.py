"""Topology spread. The cases named `docs` are those of the Kubernetes documentation.

https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/
"""

from collections import Counter
from typing import Any

import pytest

from engine.scheduler.placing import Placer
from engine.scheduler.profile import DefaultSpread, Profile
from tests.engine.scheduler.objects import machines_of, message, node, placer, pod, replica_set, settle, try_pods

Json = dict[str, Any]
FOO = {"foo": "bar"}
SKEWED = "node(s) didn't match pod topology spread constraints"
NO_LABEL = f"{SKEWED} (missing required label)"


def constraint(key: str = "zone", skew: int = 1, when: str = "DoNotSchedule", **more: Any) -> Json:
    selector = {"matchLabels": FOO}
    return {"maxSkew": skew, "topologyKey": key, "whenUnsatisfiable": when, "labelSelector": selector, **more}


def docs_cluster(*pods_on: str) -> Placer:
    """node1 and node2 in zoneA, node3 and node4 in zoneB; pods with the label foo on those named."""
    zones = {"node1": "zoneA", "node2": "zoneA", "node3": "zoneB", "node4": "zoneB"}
    where = placer(*(node(name, labels={"node": name, "zone": zone}) for name, zone in zones.items()))
    for number, name in enumerate(pods_on):
        settle(where, pod(f"pod{number}", labels=FOO), name)
    return where


def mypod(*constraints: Json, name: str = "mypod", **spec: Any) -> Any:
    return pod(name, labels=FOO, topologySpreadConstraints=list(constraints), **spec)


def test_docs_one_constraint_goes_to_the_emptier_zone() -> None:
    where = docs_cluster("node1", "node2", "node3")
    (machine,) = machines_of(try_pods(where, mypod(constraint())))
    assert machine in ("node3", "node4")


def test_docs_larger_skew_leaves_both_zones_open() -> None:
    where = docs_cluster("node1", "node2", "node3")
    for name in ("node1", "node2", "node3", "node4"):
        tried = mypod(constraint(skew=2), nodeSelector={"node": name}, name=name)
        assert machines_of(try_pods(where, tried)) == [name]
        where.snapshot.pod_gone(name)


def test_docs_two_constraints_leave_one_machine() -> None:
    where = docs_cluster("node1", "node2", "node3")
    assert machines_of(try_pods(where, mypod(constraint(), constraint("node")))) == ["node4"]


def test_docs_conflicting_constraints_leave_none() -> None:
    where = placer(
        *(node(name, labels={"node": name, "zone": zone})
          for name, zone in (("node1", "zoneA"), ("node2", "zoneA"), ("node3", "zoneB")))
    )  # fmt: skip
    for number, name in enumerate(("node1", "node1", "node2", "node3", "node3")):
        settle(where, pod(f"pod{number}", labels=FOO), name)
    (outcome,) = try_pods(where, mypod(constraint(), constraint("node")))
    assert message(outcome) == f"0/3 nodes are available: 3 {SKEWED}."


def test_docs_node_affinity_leaves_machines_out_of_account() -> None:
    zones = {"node1": "zoneA", "node2": "zoneA", "node3": "zoneB", "node4": "zoneB", "node5": "zoneC"}
    where = placer(*(node(name, labels={"node": name, "zone": zone}) for name, zone in zones.items()))
    for number, name in enumerate(("node1", "node2", "node3")):
        settle(where, pod(f"pod{number}", labels=FOO), name)
    not_c = {"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["zoneC"]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [not_c]}}}
    assert machines_of(try_pods(where, mypod(constraint(), affinity=affinity)))[0] in ("node3", "node4")
    where.snapshot.pod_gone("mypod")
    # With the policy Ignore, the empty zoneC counts, and nobody may go to it.
    ignoring = mypod(constraint(nodeAffinityPolicy="Ignore"), affinity=affinity)
    assert message(try_pods(where, ignoring)[0]) == (
        f"0/5 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 4 {SKEWED}."
    )


def test_min_domains_keeps_pods_waiting_for_more_zones() -> None:
    where = docs_cluster("node1", "node3")
    waiting = mypod(constraint(minDomains=3))
    assert message(try_pods(where, waiting)[0]) == f"0/4 nodes are available: 4 {SKEWED}."
    where.snapshot.node_changed(node("node5", labels={"node": "node5", "zone": "zoneC"}))
    assert machines_of(try_pods(where, waiting)) == ["node5"]


def test_tainted_machines_count_unless_the_policy_says_otherwise() -> None:
    taint = {"taints": [{"key": "k", "effect": "NoSchedule"}]}
    where = placer(node("m1", labels={"zone": "a"}), node("m2", labels={"zone": "b"}, spec=taint))
    settle(where, pod("there", labels=FOO), "m1")
    assert machines_of(try_pods(where, mypod(constraint()))) == [None]
    assert machines_of(try_pods(where, mypod(constraint(nodeTaintsPolicy="Honor")))) == ["m1"]


def test_machine_without_the_label_is_named_as_such() -> None:
    where = placer(node("m1", labels={"zone": "a"}), node("m2"))
    outcomes = try_pods(where, *(mypod(constraint(minDomains=2), name=f"p{n}") for n in range(2)))
    assert machines_of(outcomes) == ["m1", None]
    assert message(outcomes[1]) == f"0/2 nodes are available: 1 {SKEWED}, 1 {NO_LABEL}."


def test_match_label_keys_count_only_pods_of_the_same_revision() -> None:
    where = docs_cluster()
    for number, name in enumerate(("node1", "node2")):
        settle(where, pod(f"old{number}", labels={**FOO, "revision": "1"}), name)
    new = [
        pod(f"new{n}", labels={**FOO, "revision": "2"}, topologySpreadConstraints=[
            constraint(matchLabelKeys=["revision"])
        ])
        for n in range(2)
    ]  # fmt: skip
    machines = machines_of(try_pods(where, *new))
    assert len({"a" if m in ("node1", "node2") else "b" for m in machines}) == 2


def test_pods_on_their_way_out_and_of_other_namespaces_do_not_count() -> None:
    where = docs_cluster("node3")
    settle(where, pod("elsewhere", namespace="other", labels=FOO), "node1")
    gone = pod("leaving", labels=FOO)
    leaving = type(gone)(
        metadata=type(gone.metadata)(
            name="leaving", namespace="default", uid="leaving", labels=FOO, deletion_timestamp="2026-01-01T00:00:00Z"
        ),
        spec=gone.spec,
    )
    settle(where, leaving, "node2")
    assert machines_of(try_pods(where, mypod(constraint())))[0] in ("node1", "node2")


def test_soft_constraint_prefers_the_emptier_zone_and_never_refuses() -> None:
    where = docs_cluster("node1", "node2")
    soft = constraint(when="ScheduleAnyway")
    first, *rest = machines_of(try_pods(where, *(mypod(soft, name=f"p{n}") for n in range(6))))
    assert first in ("node3", "node4")
    assert None not in rest


def test_soft_constraint_does_not_favour_machines_without_the_label() -> None:
    where = placer(node("m1"), node("m2", labels={"zone": "a"}))
    settle(where, pod("there", labels=FOO), "m2")
    assert machines_of(try_pods(where, mypod(constraint(when="ScheduleAnyway")))) == ["m2"]


def test_pods_of_a_set_are_spread_by_default_over_zones_and_machines() -> None:
    zones = {"m1": "a", "m2": "a", "m3": "b", "m4": "b"}
    where = placer(*(node(name, labels={"topology.kubernetes.io/zone": zone}) for name, zone in zones.items()))
    replica_set(where.owners, "rs", FOO)
    machines = machines_of(try_pods(where, *(pod(f"p{n}", labels=FOO, owner="rs") for n in range(4))))
    assert Counter(machines) == {"m1": 1, "m2": 1, "m3": 1, "m4": 1}
    assert {zones[str(machine)] for machine in machines[:2]} == {"a", "b"}


@pytest.mark.parametrize("hard", [True, False])
def test_profile_may_bring_its_own_default_constraints(hard: bool) -> None:
    where = placer(node("m1", labels={"rack": "1"}), node("m2", labels={"rack": "1"}), node("m3", labels={"rack": "2"}))
    replica_set(where.owners, "rs", FOO)
    own = Profile(spread=(DefaultSpread("rack", 1, hard=hard),), system_spread=False)
    machines = machines_of(try_pods(where, *(pod(f"p{n}", labels=FOO, owner="rs") for n in range(2)), profile=own))
    assert "m3" in machines
    assert machines != ["m3", "m3"]
