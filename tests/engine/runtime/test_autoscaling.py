"""A Deployment that grows and shrinks with its load, and addresses for balanced Services, on a real API."""

from collections.abc import AsyncIterator

import msgspec
import pytest

from apimachinery.aio.clock import SystemClock
from apimachinery.client.client import Client
from apimachinery.objects.resources import (
    DEPLOYMENTS,
    HORIZONTALPODAUTOSCALERS,
    PODS,
    SERVICES,
)
from engine.controllers.autoscaling.views import Measured, MetricsUnavailable
from engine.runtime.metrics import ApiMetrics
from tests.engine.conftest import RunningEngine
from tests.engine.runtime.cluster import QUICK, Cluster, deployment, eventually, running, service


class Load(ApiMetrics):
    """Metrics by decree: all pods of the namespace share `total` thousandths of a cpu; None measures nothing."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.total: int | None = 0

    async def pods(self, namespace: str, selector: str) -> dict[str, Measured]:
        if self.total is None:
            raise MetricsUnavailable("nobody measures")
        found = (await self._client.list(PODS, namespace, label_selector=selector)).items
        share = {"c": {"cpu": self.total // max(1, len(found))}}
        now = SystemClock().now()
        return {pod["metadata"]["name"]: Measured(moment=now, window=0, containers=share) for pod in found}


@pytest.fixture
def load(engine: RunningEngine) -> Load:
    return Load(engine.client)


@pytest.fixture
async def loaded(engine: RunningEngine, load: Load) -> AsyncIterator[Cluster]:
    config = msgspec.structs.replace(QUICK, load_balancer_pool=("192.0.2.10-192.0.2.11",))
    async with running(engine.api, metrics=load, config=config) as up:
        yield up


async def test_deployment_grows_under_load_and_shrinks_after_it(
    engine: RunningEngine, loaded: Cluster, load: Load
) -> None:
    asked = {"containers": [{"name": "c", "image": "nginx", "resources": {"requests": {"cpu": "100m"}}}]}
    await loaded.client.create(DEPLOYMENTS, deployment(replicas=1, pod=asked))
    await loaded.rolled_out()
    load.total = 200
    await engine.kubectl("autoscale", "deployment/web", "--cpu=50%", "--min=1", "--max=10")

    async def wanted(count: int) -> bool:
        return (await loaded.deployment())["spec"]["replicas"] == count

    await eventually(lambda: wanted(4))
    await loaded.rolled_out()
    shown = await engine.kubectl("get", "hpa", "web")
    assert "Deployment/web" in shown.out

    load.total = 20
    patch = {"spec": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}}
    await loaded.client.patch(HORIZONTALPODAUTOSCALERS, "web", patch, "default")
    await eventually(lambda: wanted(1))

    async def told() -> bool:
        return "SuccessfulRescale" in await loaded.reasons()

    await eventually(told)


async def test_autoscaler_without_metrics_says_so_and_changes_nothing(loaded: Cluster, load: Load) -> None:
    load.total = None
    await loaded.client.create(DEPLOYMENTS, deployment(replicas=2))
    await loaded.rolled_out()
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    spec = {"scaleTargetRef": target, "maxReplicas": 5}
    body = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": spec,
    }
    await loaded.client.create(HORIZONTALPODAUTOSCALERS, body, "default")

    async def said() -> bool:
        status = (await loaded.client.get(HORIZONTALPODAUTOSCALERS, "web", "default")).get("status", {})
        return any(c["reason"] == "FailedGetResourceMetric" for c in status.get("conditions") or ())

    await eventually(said)
    assert (await loaded.deployment())["spec"]["replicas"] == 2


async def test_balanced_services_get_addresses_until_there_are_none(engine: RunningEngine, loaded: Cluster) -> None:
    for name in ("one", "two", "three"):
        wanted = service(name)
        wanted["spec"]["type"] = "LoadBalancer"
        await loaded.client.create(SERVICES, wanted)

    async def addresses() -> dict[str, str]:
        return {
            s["metadata"]["name"]: s["status"]["loadBalancer"]["ingress"][0]["ip"]
            for s in await loaded.items(SERVICES, "default")
            if s["status"].get("loadBalancer", {}).get("ingress")
        }

    async def two_have_one() -> bool:
        return sorted((await addresses()).values()) == ["192.0.2.10", "192.0.2.11"]

    await eventually(two_have_one)
    shown = await engine.kubectl("get", "service", "one")
    assert "192.0.2.1" in shown.out
    first = next(iter(await addresses()))
    await loaded.client.delete(SERVICES, first, "default")

    async def passed_on() -> bool:
        now = await addresses()
        return first not in now and len(now) == 2

    await eventually(passed_on)
