"""Pods that nobody cares for."""

from typing import Any

import pytest

from apimachinery.objects.taints import Taint
from engine.controllers import podgc
from engine.controllers.actions import Action, Delete, RequeueAfter, SetStatus
from engine.controllers.views import Condition
from tests.engine.controllers.objects import NOW, node, pod


def plan(**facts: Any) -> list[Action]:
    return podgc.plan(podgc.Observed(now=NOW, **facts))


def test_pods_of_a_machine_that_is_gone_fail_and_are_then_deleted_at_once() -> None:
    (write,) = plan(case="node", pods=(pod("p"),), missing_for=40)
    assert isinstance(write, SetStatus)
    assert write.status["phase"] == "Failed"
    assert write.status["conditions"][0]["message"] == "PodGC: node no longer exists"
    told = Condition(type="DisruptionTarget", status="True", reason="DeletionByPodGC")
    (deletion,) = plan(case="node", pods=(pod("p", phase="Failed", conditions=(told,)),), missing_for=40)
    assert isinstance(deletion, Delete)
    assert deletion.grace_period_seconds == 0


def test_terminating_pod_of_a_machine_that_is_gone_is_let_go() -> None:
    told = Condition(type="DisruptionTarget", status="True", reason="DeletionByPodGC")
    (deletion,) = plan(case="node", pods=(pod("p", deleting=True, conditions=(told,)),), missing_for=40)
    assert isinstance(deletion, Delete)


def test_leaving_pods_of_a_machine_said_to_be_off_fail_and_are_then_let_go() -> None:
    leaving, staying = pod("leaving", deleting=True), pod("staying")
    (write,) = plan(case="out of service", pods=(leaving, staying))
    assert isinstance(write, SetStatus)
    assert (write.name, write.status) == ("leaving", {"phase": "Failed"})
    (deletion,) = plan(case="out of service", pods=(pod("leaving", deleting=True, phase="Failed"), staying))
    assert isinstance(deletion, Delete)
    assert (deletion.name, deletion.grace_period_seconds) == ("leaving", 0)


@pytest.mark.parametrize(
    ("ready", "tainted", "expected"),
    [("Unknown", True, True), ("False", True, True), ("True", True, False), ("Unknown", False, False)],
)
def test_word_that_a_machine_is_off_counts_while_nobody_hears_of_it(ready: str, tainted: bool, expected: bool) -> None:
    taints = (Taint(key=podgc.OUT_OF_SERVICE, value="nodeshutdown", effect="NoExecute"),) if tainted else ()
    assert podgc.is_out_of_service(node(ready=ready, taints=taints)) is expected


def test_machine_that_may_come_back_keeps_its_pods_for_a_while() -> None:
    assert plan(case="node", pods=(pod("p"),), missing_for=10) == [RequeueAfter(seconds=30)]


def test_machine_without_pods_needs_nothing() -> None:
    assert plan(case="node", pods=(), missing_for=100) == []


def test_oldest_ended_pods_beyond_the_threshold_go() -> None:
    ended = tuple(pod(f"p{age}", phase="Succeeded", age=age) for age in (10, 30, 20))
    actions = plan(case="ended", pods=ended, threshold=1)
    assert [a.name for a in actions if isinstance(a, Delete)] == ["p30", "p20"]
    assert plan(case="ended", pods=ended, threshold=3) == []


def test_pod_deleted_before_it_had_a_machine_goes() -> None:
    actions = plan(case="unscheduled", pods=(pod("going", node="", deleting=True), pod("waiting", node="")))
    assert [a.name for a in actions if isinstance(a, Delete)] == ["going"]
