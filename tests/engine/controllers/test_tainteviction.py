"""Pods that leave tainted machines, and when."""

import pytest

from apimachinery.objects.taints import Taint, Toleration
from engine.controllers import tainteviction
from engine.controllers.actions import Action, Delete, RequeueAfter, SetStatus
from engine.controllers.views import Condition, Pod
from tests.engine.controllers.objects import NOW, pod

UNREACHABLE = Taint("node.kubernetes.io/unreachable", "NoExecute")
FOR_A_WHILE = Toleration(key=UNREACHABLE.key, operator="Exists", effect="NoExecute", toleration_seconds=300)
FOR_EVER = Toleration(key=UNREACHABLE.key, operator="Exists", effect="NoExecute")
DISRUPTED = Condition(type="DisruptionTarget", status="True", reason="DeletionByTaintManager")


def plan(which: Pod, tainted_for: float = 0, *taints: Taint) -> list[Action]:
    return tainteviction.plan(
        tainteviction.Observed(pod=which, taints=taints or (UNREACHABLE,), tainted_for=tainted_for, now=NOW)
    )


def test_pod_is_told_first_and_deleted_in_the_next_turn() -> None:
    (write,) = plan(pod("p"))
    assert isinstance(write, SetStatus)
    assert write.status["conditions"][0]["reason"] == "DeletionByTaintManager"
    assert write.status["conditions"][0]["message"] == "Taint manager: deleting due to NoExecute taint"
    (deletion,) = plan(pod("p", conditions=(DISRUPTED,)))
    assert isinstance(deletion, Delete)
    assert deletion.uid == "uid-p"
    assert deletion.succeeded is not None
    assert deletion.succeeded.message == "Marking for deletion Pod default/p"


def test_tolerating_pod_stays_for_its_seconds() -> None:
    assert plan(pod("p", tolerations=(FOR_A_WHILE,)), 100) == [RequeueAfter(seconds=200)]
    assert isinstance(plan(pod("p", tolerations=(FOR_A_WHILE,)), 300)[0], SetStatus)


def test_pod_that_tolerates_for_ever_stays() -> None:
    assert plan(pod("p", tolerations=(FOR_EVER,)), 1e9) == []


def test_shortest_toleration_counts() -> None:
    short = Toleration(key="other", operator="Exists", toleration_seconds=10)
    both = pod("p", tolerations=(FOR_A_WHILE, short))
    assert plan(both, 0, UNREACHABLE, Taint("other", "NoExecute")) == [RequeueAfter(seconds=10)]


@pytest.mark.parametrize(
    "which", [pytest.param(pod("p", deleting=True), id="going"), pytest.param(pod("p", phase="Failed"), id="ended")]
)
def test_pod_that_leaves_anyway_is_left_alone(which: Pod) -> None:
    assert plan(which) == []
