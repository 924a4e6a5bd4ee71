"""pods/eviction: what budgets let go of."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from apimachinery.objects.errors import BadRequest, NotFound, StatusError, TooManyRequests
from apimachinery.objects.resources import PODDISRUPTIONBUDGETS, PODS
from engine.apiserver import eviction
from engine.apiserver.registry.kind import Context
from tests.engine.apiserver.registry.steps import NOW
from tests.engine.conftest import RunningEngine

CONTEXT = Context(now=NOW)


def pod(*, ready: bool = True, phase: str = "Running") -> dict[str, Any]:
    status = {"phase": phase, "conditions": [{"type": "Ready", "status": "True" if ready else "False"}]}
    return {"metadata": {"name": "p", "labels": {"app": "web"}}, "status": status}


def budget(name: str = "b", *, policy: str | None = None, **status: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {"selector": {"matchLabels": {"app": "web"}}}
    if policy:
        spec["unhealthyPodEvictionPolicy"] = policy
    given = {"observedGeneration": 1, "currentHealthy": 3, "desiredHealthy": 2, "disruptionsAllowed": 1, **status}
    return {"metadata": {"name": name, "generation": 1}, "spec": spec, "status": given}


def test_an_eviction_is_counted_until_the_controller_has_seen_it() -> None:
    held = budget(disruptionsAllowed=2)
    assert eviction.take(held, pod(), CONTEXT)
    assert held["status"]["disruptionsAllowed"] == 1
    assert held["status"]["disruptedPods"] == {"p": "2026-01-01T00:00:00Z"}
    assert eviction.take(held, pod(), CONTEXT)
    assert [entry["status"] for entry in held["status"]["conditions"]] == ["False"]


@pytest.mark.parametrize(
    ("held", "cause"),
    [
        pytest.param(budget(observedGeneration=0), "The disruption budget b is still being processed by the server.", id="not-seen"),
        pytest.param(budget(disruptionsAllowed=0, currentHealthy=2), "The disruption budget b needs 2 healthy pods and has 2 currently", id="too-few"),
        pytest.param(budget(disruptionsAllowed=0), "The disruption budget b does not allow evicting pods currently", id="spent"),
        pytest.param(budget(disruptionsAllowed=0, conditions=[{"type": "DisruptionAllowed", "status": "False", "reason": "SyncFailed", "message": "no scale"}]), "The disruption budget b does not allow evicting pods currently because it failed sync: no scale", id="sync-failed"),
    ],
)  # fmt: skip
def test_a_refusal_names_its_cause(held: dict[str, Any], cause: str) -> None:
    with pytest.raises(TooManyRequests) as refused:
        eviction.take(held, pod(), CONTEXT)
    assert refused.value.message == "Cannot evict pod as it would violate the pod's disruption budget."
    assert refused.value.details is not None
    assert refused.value.details["causes"] == [{"reason": "DisruptionBudget", "message": cause}]


@pytest.mark.parametrize(
    ("held", "goes"),
    [
        pytest.param(budget(disruptionsAllowed=0, policy="AlwaysAllow", currentHealthy=0), True, id="always"),
        pytest.param(budget(disruptionsAllowed=0, currentHealthy=2), True, id="enough-without-it"),
        pytest.param(budget(disruptionsAllowed=0, currentHealthy=1), False, id="too-few-already"),
    ],
)
def test_an_unready_pod_goes_when_others_do_not_suffer(held: dict[str, Any], goes: bool) -> None:
    if goes:
        assert not eviction.take(held, pod(ready=False), CONTEXT)
    else:
        with pytest.raises(TooManyRequests):
            eviction.take(held, pod(ready=False), CONTEXT)


@pytest.mark.parametrize(("phase", "needs"), [("Running", True), ("Pending", False), ("Succeeded", False)])
def test_only_a_running_pod_needs_a_budget(phase: str, needs: bool) -> None:
    assert eviction.needs_budget(pod(phase=phase)) is needs


def test_a_pod_of_two_budgets_cannot_be_evicted() -> None:
    assert eviction.budget_of(pod(), [budget("a")]) is not None
    assert eviction.budget_of({"metadata": {"name": "p"}}, [budget("a")]) is None
    with pytest.raises(StatusError, match="This pod has more than one PodDisruptionBudget"):
        eviction.budget_of(pod(), [budget("a"), budget("b")])


async def test_a_budget_holds_over_the_api(engine: RunningEngine) -> None:
    client = engine.client
    path = PODS.path("default", "p", "eviction")

    async def post(body: dict[str, Any]) -> None:
        headers = {"content-type": "application/json", "accept": "application/json"}
        await client.call("POST", path, headers=headers, body=msgspec.json.encode(body))

    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}
    spec = {"containers": [{"name": "c", "image": "i"}]}
    labels = {"app": "web"}
    web = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": labels}, "spec": spec}
    held = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "b"}}
    await client.create(PODDISRUPTIONBUDGETS, {**held, "spec": {"selector": {"matchLabels": labels}}}, "default")
    await client.create(PODS, web, "default")
    running = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
    await client.patch(PODS, "p", running, "default", kind="merge", subresource="status")
    with pytest.raises(TooManyRequests):
        await post(body)
    allowed = {"status": {"observedGeneration": 1, "disruptionsAllowed": 1}}
    await client.patch(PODDISRUPTIONBUDGETS, "b", allowed, "default", kind="merge", subresource="status")
    await post({**body, "deleteOptions": {"dryRun": ["All"]}})
    with pytest.raises(BadRequest, match="name in URL does not match name in Eviction object"):
        await post({**body, "metadata": {"name": "q"}})
    await post(body)
    with pytest.raises(NotFound):
        await client.get(PODS, "p", "default")
    after = await client.get(PODDISRUPTIONBUDGETS, "b", "default")
    assert after["status"]["disruptionsAllowed"] == 0
