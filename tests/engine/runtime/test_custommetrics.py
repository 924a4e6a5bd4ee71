"""Autoscalers on metrics that an adapter serves by APIServices, as prometheus-adapter does."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from apimachinery.objects.resources import DEPLOYMENTS, HORIZONTALPODAUTOSCALERS, SERVICES
from engine.apiserver.aggregation.registration import API_SERVICES
from engine.pki import Pki
from tests.engine.apiserver.reach.machine import listening, machine, make_service
from tests.engine.conftest import RunningEngine
from tests.engine.runtime.cluster import Cluster, deployment, eventually, running, service

Json = dict[str, Any]
CUSTOM, EXTERNAL = "custom.metrics.k8s.io", "external.metrics.k8s.io"


class Adapter:
    """`values`: by path behind the namespace what is measured; of pods each has it."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.queries: dict[str, dict[str, str]] = {}
        self.cluster: Cluster | None = None

    def app(self) -> web.Application:
        app = web.Application()
        for group in (CUSTOM, EXTERNAL):
            app.router.add_get(f"/apis/{group}/v1beta1", self._resources)
            app.router.add_get(f"/apis/{group}/v1beta1/namespaces/default/{{what:.*}}", self._value)
        return app

    async def _resources(self, request: web.Request) -> web.Response:
        return web.json_response(
            {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": request.path[6:], "resources": []}
        )

    async def _value(self, request: web.Request) -> web.Response:
        what = request.match_info["what"]
        self.queries[what] = dict(request.query)
        if what not in self.values:
            status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
            return web.json_response({**status, "message": f"the server could not find {what}"}, status=404)
        names = ["one"]
        if what.startswith("pods/*/"):
            assert self.cluster is not None
            names = [pod["metadata"]["name"] for pod in await self.cluster.active_pods()]
        items = [{"describedObject": {"name": name}, "value": self.values[what]} for name in names]
        return web.json_response({"kind": "MetricValueList", "apiVersion": f"{CUSTOM}/v1beta1", "items": items})


@pytest.fixture
async def adapter(engine: RunningEngine, tmp_path: Path) -> AsyncIterator[Adapter]:
    """Behind Service `adapter`, in a pod of a machine that runs nothing else; m2 and m3 run the rest."""
    served = Adapter()
    pki = Pki.ensure(tmp_path / "adapter", names=("adapter.default.svc",)).folder
    async with AsyncExitStack() as stack:
        m1 = await stack.enter_async_context(machine(engine))
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(pki / "server.crt", pki / "server.key")
        m1.addresses["10.42.0.7", 6443] = await listening(stack, served.app(), tls)
        await make_service(engine, "adapter", "10.42.0.7", port=443, target=6443)
        for group in (CUSTOM, EXTERNAL):
            spec = {
                "group": group, "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100,
                "service": {"namespace": "default", "name": "adapter"}, "insecureSkipTLSVerify": True,
            }  # fmt: skip
            registration = {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "spec": spec}
            name = f"v1beta1.{group}"
            await engine.client.create(API_SERVICES, {**registration, "metadata": {"name": name}})

        async def available() -> bool:
            found = [await engine.client.get(API_SERVICES, f"v1beta1.{group}") for group in (CUSTOM, EXTERNAL)]
            conditions = [c for one in found for c in one.get("status", {}).get("conditions") or ()]
            return [c["status"] for c in conditions if c["type"] == "Available"] == ["True", "True"]

        await eventually(available)
        served.cluster = await stack.enter_async_context(running(engine.api, register=False))
        for name in ("m2", "m3"):
            await served.cluster.kubelets.register(name)
        yield served


def autoscaler(*metrics: Json) -> Json:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    down = {"scaleDown": {"stabilizationWindowSeconds": 0}}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"scaleTargetRef": target, "maxReplicas": 9, "metrics": list(metrics), "behavior": down},
    }


async def test_size_follows_what_pods_an_object_and_the_outside_say(engine: RunningEngine, adapter: Adapter) -> None:
    cluster = adapter.cluster
    assert cluster is not None
    await cluster.client.create(SERVICES, service())
    await cluster.client.create(DEPLOYMENTS, deployment(replicas=1))
    await cluster.rolled_out()
    adapter.values = {"pods/*/packets": "3k", "services/web/hits": "100", "queue": "500m"}
    queue = {"name": "queue", "selector": {"matchLabels": {"of": "web"}}}
    described = {"apiVersion": "v1", "kind": "Service", "name": "web"}
    hits = {"metric": {"name": "hits"}, "describedObject": described, "target": {"type": "Value", "value": "100"}}
    metrics = (
        {"type": "Pods", "pods": {"metric": {"name": "packets"}, "target": {"type": "AverageValue", "averageValue": "1k"}}},
        {"type": "Object", "object": hits},
        {"type": "External", "external": {"metric": queue, "target": {"type": "AverageValue", "averageValue": "1"}}},
    )  # fmt: skip
    await cluster.client.create(HORIZONTALPODAUTOSCALERS, autoscaler(*metrics))

    async def told() -> Json:
        status = (await cluster.client.get(HORIZONTALPODAUTOSCALERS, "web", "default")).get("status", {})
        return {c["type"]: c["message"] for c in status.get("conditions") or ()} if status.get("currentMetrics") else {}

    said = await eventually(told)
    assert said["ScalingActive"] == (
        "the HPA was able to successfully calculate a replica count from pods metric packets"
    )

    async def grown() -> bool:
        return (await cluster.deployment())["spec"]["replicas"] == 3

    await eventually(grown)
    assert adapter.queries["queue"] == {"labelSelector": "of=web"}
    assert adapter.queries["pods/*/packets"] == {"labelSelector": "app=web"}
    shown = (await engine.kubectl("get", "hpa", "web", "--no-headers")).out
    assert "3k/1k, 100/100 + 1 more..." in shown


async def test_metric_that_nobody_serves_is_named(adapter: Adapter) -> None:
    cluster = adapter.cluster
    assert cluster is not None
    await cluster.client.create(DEPLOYMENTS, deployment(replicas=2))
    target = {"type": "Value", "value": "1"}
    missing = {"type": "External", "external": {"metric": {"name": "nothing"}, "target": target}}
    await cluster.client.create(HORIZONTALPODAUTOSCALERS, autoscaler(missing))

    async def told() -> str:
        status = (await cluster.client.get(HORIZONTALPODAUTOSCALERS, "web", "default")).get("status", {})
        found = [c for c in status.get("conditions") or () if c["reason"] == "FailedGetExternalMetric"]
        return found[0]["message"] if found else ""

    said = await eventually(told)
    assert said == (
        "the HPA was unable to compute the replica count: unable to get external metric default/nothing/nil: "
        "unable to fetch metrics from external metrics API: the server could not find nothing"
    )
    assert (await cluster.deployment())["spec"]["replicas"] == 2
