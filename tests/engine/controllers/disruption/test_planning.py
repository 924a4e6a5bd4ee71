"""What a PodDisruptionBudget allows."""

from typing import Any

import pytest

from apimachinery.objects.meta import ObjectMeta
from engine.controllers.actions import Action, Emit, RequeueAfter, SetStatus
from engine.controllers.disruption import planning
from engine.controllers.disruption.planning import Budget, BudgetSpec, BudgetStatus
from engine.controllers.views import Pod
from tests.engine.controllers.objects import NOW, ago, owned_by, pod

OWNER = owned_by("ReplicaSet", "uid-rs", "web-1")


def budget(status: BudgetStatus | None = None, **spec: Any) -> Budget:
    return Budget(
        metadata=ObjectMeta(name="web", namespace="default", uid="uid-web", resource_version="9", generation=1),
        spec=BudgetSpec(selector={"matchLabels": {"app": "web"}}, **spec),
        status=status or BudgetStatus(),
    )


def plan(wanted: Budget, *pods: Pod, scale: int | None = None, unscaled: str = "") -> list[Action]:
    scales = {"uid-web": len(pods) if scale is None else scale}
    return planning.plan(planning.Observed(budget=wanted, pods=pods, scales=scales, unscaled=unscaled, now=NOW))


def status_of(actions: list[Action]) -> dict[str, Any]:
    (found,) = (action for action in actions if isinstance(action, SetStatus))
    return found.status


def web(count: int, *, unready: int = 0) -> list[Pod]:
    return [pod(f"p{number}", owner=OWNER, ready=number >= unready) for number in range(count)]


@pytest.mark.parametrize(
    ("spec", "pods", "scale", "expected"),
    [
        pytest.param({"min_available": 2}, web(3), 3, (3, 2, 3, 1), id="one more than needed"),
        pytest.param({"min_available": 3}, web(3), 3, (3, 3, 3, 0), id="just enough"),
        pytest.param({"min_available": 2}, web(3, unready=1), 3, (2, 2, 3, 0), id="one is not ready"),
        pytest.param({"min_available": "50%"}, web(3), 3, (3, 2, 3, 1), id="share rounds up"),
        pytest.param({"min_available": "50%"}, web(3), 10, (3, 5, 10, 0), id="share of the scale, not of the pods"),
        pytest.param({"max_unavailable": 1}, web(3), 3, (3, 2, 3, 1), id="one may be missing"),
        pytest.param({"max_unavailable": 1}, web(3, unready=1), 3, (2, 2, 3, 0), id="one is missing already"),
        pytest.param({"max_unavailable": "30%"}, web(10), 10, (10, 7, 10, 3), id="a share may be missing"),
        pytest.param({"max_unavailable": 5}, web(3), 3, (3, 0, 3, 3), id="all may be missing"),
        pytest.param({}, web(3), 3, (3, 0, 3, 3), id="nothing asked"),
        pytest.param({"min_available": 0}, [], 0, (0, 0, 0, 0), id="no pods"),
    ],
)
def test_as_many_may_go_as_leave_enough_healthy_ones(
    spec: dict[str, Any], pods: list[Pod], scale: int, expected: tuple[int, int, int, int]
) -> None:
    status = status_of(plan(budget(**spec), *pods, scale=scale))
    fields = ("currentHealthy", "desiredHealthy", "expectedPods", "disruptionsAllowed")
    assert tuple(status[field] for field in fields) == expected
    (condition,) = status["conditions"]
    allowed = expected[3] > 0
    assert (condition["type"], condition["status"], condition["reason"]) == (
        "DisruptionAllowed", "True" if allowed else "False", "SufficientPods" if allowed else "InsufficientPods",
    )  # fmt: skip


def test_pod_that_is_leaving_is_not_healthy() -> None:
    status = status_of(plan(budget(min_available=1), pod("a", owner=OWNER), pod("b", owner=OWNER, deleting=True)))
    assert (status["currentHealthy"], status["disruptionsAllowed"]) == (1, 0)


def test_granted_eviction_counts_until_the_pod_leaves_or_two_minutes_have_passed() -> None:
    granted = BudgetStatus(disrupted_pods={"p0": ago(30), "gone": ago(30)})
    actions = plan(budget(granted, min_available=1), *web(2))
    status = status_of(actions)
    assert status["disruptionsAllowed"] == 0
    assert status["disruptedPods"] == {"p0": ago(30), "gone": None}
    assert RequeueAfter(seconds=90.0) in actions
    late = plan(budget(BudgetStatus(disrupted_pods={"p0": ago(120)}), min_available=1), *web(2))
    assert status_of(late)["disruptionsAllowed"] == 1
    assert [action.note.reason for action in late if isinstance(action, Emit)] == ["NotDeleted"]


def test_share_of_pods_without_a_scale_allows_nothing() -> None:
    status = status_of(plan(budget(max_unavailable=1), pod("lonely"), unscaled="lonely"))
    assert status["disruptionsAllowed"] == 0
    assert status["conditions"][0]["reason"] == "SyncFailed"


def test_number_needs_no_scale() -> None:
    assert status_of(plan(budget(min_available=1), *web(2), unscaled="p0"))["disruptionsAllowed"] == 1
