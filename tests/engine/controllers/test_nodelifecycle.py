"""Machines that fall silent and come back."""

from typing import Any

import pytest

from apimachinery.objects.resources import NODES, PODS
from apimachinery.objects.taints import Taint
from engine.controllers import nodelifecycle
from engine.controllers.actions import Action, Patch, RequeueAfter, SetStatus
from engine.controllers.nodelifecycle import NOT_READY, UNREACHABLE
from engine.controllers.views import Node, NodeCondition
from tests.engine.controllers.objects import NOW, node, pod

UNKNOWN = tuple(NodeCondition(type=kind, status="Unknown") for kind in nodelifecycle.HEARTBEAT_CONDITIONS[1:])


def plan(machine: Node, *, silent_for: float = 0, **facts: Any) -> list[Action]:
    return nodelifecycle.plan(nodelifecycle.Observed(node=machine, silent_for=silent_for, grace=40, now=NOW, **facts))


def taints(actions: list[Action]) -> list[tuple[str, str]]:
    (patch,) = (a for a in actions if isinstance(a, Patch))
    assert isinstance(patch.body, dict)
    return [(t["key"], t["effect"]) for t in patch.body["spec"]["taints"] or ()]


def silent(*held: Taint) -> Node:
    return node(ready="Unknown", conditions=UNKNOWN, taints=held)


def test_healthy_machine_is_looked_at_again_when_its_grace_is_over() -> None:
    assert plan(node(), silent_for=10) == [RequeueAfter(seconds=30)]


def test_silent_machine_becomes_unknown_in_upstreams_words() -> None:
    (write,) = plan(node(), silent_for=40)
    assert isinstance(write, SetStatus)
    assert (write.resource, write.kind) == (NODES, "strategic")
    by_type = {c["type"]: c for c in write.status["conditions"]}
    assert by_type["Ready"]["status"] == "Unknown"
    assert by_type["Ready"]["reason"] == "NodeStatusUnknown"
    assert by_type["Ready"]["message"] == "Kubelet stopped posting node status."
    assert by_type["DiskPressure"]["reason"] == "NodeStatusNeverUpdated"
    assert write.succeeded is not None
    assert write.succeeded.message == "Node m1 status is now: NodeNotReady"


def test_unknown_machine_is_tainted_unreachable() -> None:
    assert taints(plan(silent(), silent_for=60)) == [(UNREACHABLE, "NoExecute"), (UNREACHABLE, "NoSchedule")]


def test_machine_that_says_it_is_not_ready_is_tainted_so() -> None:
    assert taints(plan(node(ready="False"))) == [(NOT_READY, "NoExecute"), (NOT_READY, "NoSchedule")]


def test_machine_that_was_never_ready_is_kept_free_but_not_emptied() -> None:
    assert taints(plan(node(ready=None))) == [(NOT_READY, "NoSchedule")]


def test_nobody_is_evicted_while_no_machine_answers() -> None:
    """Then it is this computer that is cut off."""
    assert taints(plan(silent(), silent_for=60, all_silent=True)) == [(UNREACHABLE, "NoSchedule")]
    held = (Taint(UNREACHABLE, "NoSchedule"), Taint(UNREACHABLE, "NoExecute"))
    assert taints(plan(silent(*held), silent_for=60, all_silent=True)) == [(UNREACHABLE, "NoSchedule")]


def test_silent_machine_is_emptied_when_its_zone_has_its_turn() -> None:
    waiting = plan(silent(), silent_for=60, turn_in=7.0)
    assert taints(waiting) == [(UNREACHABLE, "NoSchedule")]
    assert RequeueAfter(seconds=7.0) in waiting
    assert taints(plan(silent(), silent_for=60, turn_in=None)) == [(UNREACHABLE, "NoSchedule")]
    given_up = silent(Taint(UNREACHABLE, "NoSchedule"), Taint(UNREACHABLE, "NoExecute"))
    assert plan(given_up, silent_for=60, turn_in=None) == []


def test_machine_that_returns_loses_our_taints_and_keeps_its_own() -> None:
    own = Taint("gpu", "NoSchedule", value="yes")
    held = (own, Taint(UNREACHABLE, "NoSchedule"), Taint(UNREACHABLE, "NoExecute"))
    assert taints(plan(node(taints=held))) == [("gpu", "NoSchedule")]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param({"unschedulable": True}, "node.kubernetes.io/unschedulable", id="cordoned"),
        pytest.param(
            {"conditions": (NodeCondition(type="DiskPressure", status="True"),)},
            "node.kubernetes.io/disk-pressure",
            id="disk pressure",
        ),
        pytest.param(
            {"conditions": (NodeCondition(type="MemoryPressure", status="True"),)},
            "node.kubernetes.io/memory-pressure",
            id="memory pressure",
        ),
    ],
)
def test_conditions_show_as_taints(facts: dict[str, Any], expected: str) -> None:
    assert taints(plan(node(**facts))) == [(expected, "NoSchedule")]


def test_pods_of_a_silent_machine_become_unready_so_that_endpoints_drop_them() -> None:
    held = (Taint(UNREACHABLE, "NoSchedule"), Taint(UNREACHABLE, "NoExecute"))
    pods = (pod("up"), pod("down", ready=False), pod("done", phase="Succeeded"))
    actions = plan(silent(*held), silent_for=60, pods=pods)
    (write,) = (a for a in actions if isinstance(a, SetStatus))
    assert (write.resource, write.name) == (PODS, "up")
    assert write.status["conditions"][0]["type"] == "Ready"
    assert write.status["conditions"][0]["status"] == "False"


def test_settled_silence_plans_nothing() -> None:
    held = (Taint(UNREACHABLE, "NoSchedule"), Taint(UNREACHABLE, "NoExecute"))
    assert plan(silent(*held), silent_for=3600, pods=(pod("p", ready=False),)) == []
