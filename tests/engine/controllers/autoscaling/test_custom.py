"""How many replicas metrics ask for that are no resources."""

from typing import Any

import pytest

from engine.controllers.autoscaling.calculating import NoCount, Proposal
from engine.controllers.autoscaling.custom import propose
from engine.controllers.autoscaling.views import Reading
from engine.controllers.views import Pod
from tests.engine.controllers.objects import NOW, pod

Json = dict[str, Any]


def metric(kind: str, **target: str) -> Json:
    source: Json = {"metric": {"name": "hits"}, "target": target}
    if kind == "Object":
        source["describedObject"] = {"apiVersion": "v1", "kind": "Service", "name": "web"}
    return {"type": kind, kind.lower(): source}


def ready(count: int) -> list[Pod]:
    return [pod(f"p{number}") for number in range(count)]


def ask(of: Json, reading: Reading, pods: list[Pod], wanted: int | None = None) -> Proposal:
    return propose(
        of, reading, pods,
        wanted=len(pods) if wanted is None else wanted, present=len(pods),
        tolerates=lambda ratio: 0.9 <= ratio <= 1.1, now=NOW, namespace="default",
    )  # fmt: skip


def each(*values: int) -> Reading:
    return Reading(by_pod={f"p{number}": value for number, value in enumerate(values)})


@pytest.mark.parametrize(
    ("of", "reading", "pods", "expected"),
    [
        pytest.param(metric("Pods", averageValue="10"), each(20000, 20000), ready(2), 4, id="pods: twice the average"),
        pytest.param(metric("Pods", averageValue="10"), each(10500, 10500), ready(2), 2, id="pods: near enough"),
        pytest.param(metric("Pods", averageValue="10"), each(5000), ready(2), 2, id="pods: the unknown counts as full"),
        pytest.param(metric("Pods", averageValue="10"), each(30000), ready(2), 3, id="pods: or as idle"),
        pytest.param(metric("Object", value="100"), Reading(total=250_000), ready(2), 5, id="object: by ratio"),
        pytest.param(metric("Object", value="100"), Reading(total=105_000), ready(2), 2, id="object: near enough"),
        pytest.param(
            metric("Object", value="100"), Reading(total=250_000), [*ready(1), pod("p1", ready=False)], 3,
            id="object: only ready pods count",
        ),
        pytest.param(metric("Object", averageValue="100"), Reading(total=250_000), ready(2), 3, id="object: shared out"),
        pytest.param(metric("External", value="30"), Reading(total=60_000), ready(3), 6, id="external: by ratio"),
        pytest.param(metric("External", averageValue="30"), Reading(total=200_000), ready(3), 7, id="external: shared"),
        pytest.param(metric("External", averageValue="30"), Reading(total=95_000), ready(3), 3, id="external: near"),
        pytest.param(metric("External", averageValue="30"), Reading(), ready(3), 0, id="external: nothing to do"),
    ],
)  # fmt: skip
def test_replicas(of: Json, reading: Reading, pods: list[Pod], expected: int) -> None:
    assert ask(of, reading, pods).replicas == expected


def test_target_of_no_pods_grows_by_what_waits_outside() -> None:
    assert ask(metric("External", value="10"), Reading(total=35_000), [], wanted=0).replicas == 4


@pytest.mark.parametrize(
    ("of", "reading", "name", "current"),
    [
        (metric("Pods", averageValue="10"), each(1500, 2500), "pods metric hits", {"averageValue": "2"}),
        (metric("Object", value="1"), Reading(total=1500), "Service metric hits", {"value": "1500m"}),
        (metric("External", averageValue="1"), Reading(total=3000), "external metric hits(nil)", {"averageValue": "1500m"}),
    ],
)  # fmt: skip
def test_what_is_shown(of: Json, reading: Reading, name: str, current: Json) -> None:
    proposal = ask(of, reading, ready(2))
    assert proposal.metric == name
    kind = of["type"].lower()
    assert proposal.status["type"] == of["type"]
    assert proposal.status[kind]["current"] == current
    assert proposal.status[kind]["metric"] == {"name": "hits"}
    assert proposal.status[kind].get("describedObject") == of[kind].get("describedObject")


@pytest.mark.parametrize(
    ("of", "reason", "message"),
    [
        (metric("Pods", averageValue="1"), "FailedGetPodsMetric", "unable to get metric hits: away"),
        (metric("Object", value="1"), "FailedGetObjectMetric", "unable to get metric hits: Service on default web/away"),
        (metric("External", value="1"), "FailedGetExternalMetric", "unable to get external metric default/hits/nil: away"),
    ],
)  # fmt: skip
def test_metric_that_says_nothing_is_named_in_upstreams_words(of: Json, reason: str, message: str) -> None:
    with pytest.raises(NoCount) as raised:
        ask(of, Reading(trouble="away"), ready(2))
    assert (raised.value.reason, str(raised.value)) == (reason, message)


def test_pods_of_which_none_is_measured_propose_nothing() -> None:
    with pytest.raises(NoCount, match="did not receive metrics for any ready pods"):
        ask(metric("Pods", averageValue="1"), Reading(), ready(2))
