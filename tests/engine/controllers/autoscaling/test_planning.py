"""What the HorizontalPodAutoscaler controller plans."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimachinery.objects.meta import ObjectMeta
from apimachinery.objects.resources import DEPLOYMENTS
from engine.controllers.actions import Action, Emit, Patch, RequeueAfter, SetStatus
from engine.controllers.autoscaling import planning
from engine.controllers.autoscaling.pacing import Entry, Memory
from engine.controllers.autoscaling.views import Autoscaler, AutoscalerSpec, Measured, Scale, ScaleTarget
from engine.controllers.views import Container, ContainerResources, Pod
from tests.engine.controllers.objects import NOW, ago, pod

CPU_HALF = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
}


def autoscaler(*metrics: dict[str, Any], least: int = 1, most: int = 10, behavior: Any = None) -> Autoscaler:
    spec = AutoscalerSpec(
        scale_target_ref=ScaleTarget("apps/v1", "Deployment", "web"),
        min_replicas=least,
        max_replicas=most,
        metrics=metrics or (CPU_HALF,),
    )
    if behavior is not None:
        spec = msgspec.structs.replace(spec, behavior=msgspec.convert(behavior, type(spec.behavior)))
    return Autoscaler(
        metadata=ObjectMeta(name="web", namespace="default", uid="uid-hpa", resource_version="1"), spec=spec
    )


def web(number: int, **facts: Any) -> Pod:
    """It asks for a whole cpu and a gibibyte, and has run for an hour."""
    asked = ContainerResources(requests={"cpu": "1", "memory": "1Gi"})
    one = pod(f"p{number}", containers=(Container(name="c", resources=asked),), ready_for=3500, **facts)
    return msgspec.structs.replace(one, status=msgspec.structs.replace(one.status, start_time=ago(3600)))


def use(cpu: int, memory: int = 0) -> Measured:
    return Measured(moment=NOW, window=15, containers={"c": {"cpu": cpu, "memory": memory}})


def plan(
    of: Autoscaler, used: list[int], *, pods: list[Pod] | None = None, wanted: int | None = None,
    memory: Memory | None = None, steady: float = 1000.0, **more: Any,
) -> tuple[list[Action], Memory]:  # fmt: skip
    present = pods if pods is not None else [web(number) for number in range(len(used))]
    count = len(present) if wanted is None else wanted
    scale = Scale(resource=DEPLOYMENTS, wanted=count, present=count, selector="app=web")
    observed = planning.Observed(
        autoscaler=of, scale=scale, pods=tuple(present), steady=steady, now=NOW, memory=memory or Memory(),
        measured={f"p{number}": use(cpu) for number, cpu in enumerate(used)}, **more,
    )  # fmt: skip
    return planning.plan(observed)


def size(actions: list[Action]) -> int | None:
    """The new size, None where it stays."""
    patches = [action.body["spec"]["replicas"] for action in actions if isinstance(action, Patch)]  # pyright: ignore
    return patches[0] if patches else None


def conditions(actions: list[Action]) -> dict[str, tuple[str, str]]:
    (write,) = (action for action in actions if isinstance(action, SetStatus))
    return {c["type"]: (c["status"], c["reason"]) for c in write.status["conditions"]}


NO_WAIT = {"scaleDown": {"stabilizationWindowSeconds": 0, "policies": []}}


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        pytest.param([500, 500], None, id="on target"),
        pytest.param([540, 540], None, id="within the tolerance"),
        pytest.param([1000, 1000], 4, id="twice the target"),
        pytest.param([600, 700], 3, id="rounded up"),
        pytest.param([100, 100, 100, 100], 1, id="a fifth of the target"),
        pytest.param([0, 0], 1, id="idle: the least"),
        pytest.param([3000, 3000], 6, id="no faster than four pods at once"),
    ],
)
def test_size_follows_the_use_of_cpu(used: list[int], expected: int | None) -> None:
    actions, _ = plan(autoscaler(behavior=NO_WAIT), used)
    assert size(actions) == expected
    assert RequeueAfter(seconds=15.0) in actions


def test_growth_is_told_with_its_reason() -> None:
    actions, _ = plan(autoscaler(), [1000, 1000])
    (patch,) = (action for action in actions if isinstance(action, Patch))
    assert (patch.resource, patch.name, patch.subresource) == (DEPLOYMENTS, "web", "scale")
    assert patch.succeeded is not None
    assert patch.succeeded.message == (
        "New size: 4; reason: cpu resource utilization (percentage of request) above target"
    )
    assert conditions(actions) == {
        "AbleToScale": ("True", "SucceededRescale"),
        "ScalingActive": ("True", "ValidMetricFound"),
        "ScalingLimited": ("False", "DesiredWithinRange"),
    }
    (write,) = (action for action in actions if isinstance(action, SetStatus))
    current = {"averageUtilization": 100, "averageValue": "1"}
    assert write.status["currentMetrics"] == [{"type": "Resource", "resource": {"name": "cpu", "current": current}}]
    assert write.status["desiredReplicas"] == 4


@pytest.mark.parametrize(
    ("wanted", "least", "most", "expected", "reason"),
    [
        pytest.param(12, 1, 10, 10, "TooManyReplicas", id="above the most"),
        pytest.param(1, 3, 10, 3, "TooFewReplicas", id="below the least"),
    ],
)
def test_size_outside_the_bounds_is_brought_back(
    wanted: int, least: int, most: int, expected: int, reason: str
) -> None:
    actions, _ = plan(autoscaler(least=least, most=most), [500], wanted=wanted)
    assert size(actions) == expected
    assert conditions(actions)["ScalingLimited"] == ("True", reason)


def test_growth_stops_at_the_most() -> None:
    actions, _ = plan(autoscaler(most=3), [1000, 1000])
    assert size(actions) == 3
    assert conditions(actions)["ScalingLimited"] == ("True", "TooManyReplicas")


def test_target_scaled_to_nothing_is_left_alone() -> None:
    actions, _ = plan(autoscaler(), [], wanted=0)
    assert size(actions) is None
    assert conditions(actions)["ScalingActive"] == ("False", "ScalingDisabled")


def test_shrinking_waits_until_no_recommendation_of_the_window_was_higher() -> None:
    memory = Memory(recommended=(Entry(800.0, 4),))
    actions, _ = plan(autoscaler(), [100] * 4, memory=memory)
    assert size(actions) is None
    assert conditions(actions)["AbleToScale"] == ("True", "ScaleDownStabilized")
    later, _ = plan(autoscaler(), [100] * 4, memory=memory, steady=1101.0)
    assert size(later) == 1


def test_policies_bound_the_change_of_a_period() -> None:
    behavior = {
        "scaleUp": {"policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}]},
        "scaleDown": {
            "stabilizationWindowSeconds": 0,
            "policies": [{"type": "Percent", "value": 25, "periodSeconds": 60}],
        },
    }
    wanted = autoscaler(behavior=behavior)
    actions, memory = plan(wanted, [1000] * 4)
    assert size(actions) == 6
    assert conditions(actions)["ScalingLimited"] == ("True", "ScaleUpLimit")
    again, _ = plan(wanted, [1000] * 6, memory=memory, steady=1030.0)
    assert size(again) is None
    later, _ = plan(wanted, [1000] * 6, memory=memory, steady=1061.0)
    assert size(later) == 8
    down, _ = plan(wanted, [100] * 8)
    assert size(down) == 6


def test_direction_may_be_forbidden() -> None:
    behavior = {"scaleDown": {"selectPolicy": "Disabled", "stabilizationWindowSeconds": 0}}
    actions, _ = plan(autoscaler(behavior=behavior), [100] * 4)
    assert size(actions) is None


def test_pods_without_measurement_damp_the_change() -> None:
    pods = [web(number) for number in range(4)]
    up, _ = plan(autoscaler(behavior=NO_WAIT), [1000, 1000], pods=pods)
    assert size(up) is None
    down, _ = plan(autoscaler(behavior=NO_WAIT), [100, 100], pods=pods)
    assert size(down) is None


def test_pod_that_still_starts_does_not_count_as_busy() -> None:
    pods = [web(0), web(1, phase="Pending", ready=False)]
    actions, _ = plan(autoscaler(), [2000, 2000], pods=pods, wanted=2)
    assert size(actions) == 4
    alone, _ = plan(autoscaler(), [500], pods=pods, wanted=2)
    assert size(alone) is None


def test_pod_that_warms_up_is_not_measured_by_its_cpu() -> None:
    young = web(0, ready=False)
    young = msgspec.structs.replace(young, status=msgspec.structs.replace(young.status, start_time=ago(60)))
    actions, _ = plan(autoscaler(), [3000], pods=[young])
    assert size(actions) is None
    assert conditions(actions)["ScalingActive"] == ("False", "FailedGetResourceMetric")


def test_missing_request_is_told() -> None:
    bare = msgspec.structs.replace(web(0), spec=msgspec.structs.replace(web(0).spec, containers=(Container(name="c"),)))
    actions, _ = plan(autoscaler(), [100], pods=[bare])
    told = [action.note.message for action in actions if isinstance(action, Emit)]
    assert told[0] == "failed to get cpu utilization: missing request for cpu in container c of Pod p0"


def test_average_value_needs_no_request() -> None:
    metric = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "AverageValue", "averageValue": "200m"}},
    }
    actions, _ = plan(autoscaler(metric), [400, 400])
    assert size(actions) == 4


def test_largest_proposal_wins_and_a_blind_metric_stops_shrinking() -> None:
    blind = {"type": "External", "external": {}}
    up, _ = plan(autoscaler(CPU_HALF, blind), [1000, 1000])
    assert size(up) == 4
    down, _ = plan(autoscaler(CPU_HALF, blind, behavior=NO_WAIT), [100, 100])
    assert size(down) is None
    assert conditions(down)["ScalingActive"][0] == "False"


def test_silence_of_the_metrics_is_told_and_changes_nothing() -> None:
    actions, _ = plan(autoscaler(), [], pods=[web(0)], trouble="nobody measures")
    assert size(actions) is None
    assert conditions(actions)["ScalingActive"] == ("False", "FailedGetResourceMetric")


def test_target_that_is_not_there_is_told() -> None:
    observed = planning.Observed(autoscaler=autoscaler(), scale=None, trouble="not found", now=NOW, steady=0)
    actions, _ = planning.plan(observed)
    assert conditions(actions)["AbleToScale"] == ("False", "FailedGetScale")


@given(st.lists(st.integers(0, 4000), min_size=1, max_size=8), st.integers(1, 4), st.integers(4, 12))
def test_size_never_leaves_its_bounds(used: list[int], least: int, most: int) -> None:
    actions, _ = plan(autoscaler(least=least, most=most, behavior=NO_WAIT), used)
    asked = size(actions)
    assert asked is None or least <= asked <= most


def test_measurement_older_than_readiness_is_not_trusted() -> None:
    fresh = web(0)
    readiness = msgspec.structs.replace(fresh.status.conditions[0], last_transition_time=ago(5))
    status = msgspec.structs.replace(fresh.status, start_time=ago(60), conditions=(readiness,))
    actions, _ = plan(autoscaler(), [3000], pods=[msgspec.structs.replace(fresh, status=status)])
    assert size(actions) is None
