"""Machines that fall silent, return, and are taken away, on a real API."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from apimachinery.objects.resources import DEPLOYMENTS, NODES, PODS, SERVICES
from tests.engine.conftest import RunningEngine
from tests.engine.runtime.cluster import QUICK, Cluster, deployment, eventually, running, service

Json = dict[str, Any]
IMPATIENT = [
    {"key": f"node.kubernetes.io/{why}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1}
    for why in ("unreachable", "not-ready")
]


@pytest.fixture
async def cluster(engine: RunningEngine) -> AsyncIterator[Cluster]:
    """Machines count as unreachable after a second."""
    async with running(engine.api, config=QUICK) as up:
        yield up


def condition(node: Json, kind: str) -> Json:
    return next(c for c in node["status"]["conditions"] if c["type"] == kind)


async def all_ready(cluster: Cluster) -> bool:
    return all(condition(n, "Ready")["status"] == "True" for n in await cluster.items(NODES))


async def test_each_machine_gets_its_own_range_of_addresses(cluster: Cluster) -> None:
    async def given() -> list[str]:
        found = [n["spec"].get("podCIDR", "") for n in await cluster.items(NODES)]
        return sorted(found) if all(found) else []

    assert await eventually(given) == ["10.42.0.0/24", "10.42.1.0/24", "10.42.2.0/24"]


async def test_pods_of_a_machine_cut_off_are_replaced_and_not_doubled_when_it_returns(cluster: Cluster) -> None:
    await cluster.client.create(DEPLOYMENTS, deployment(replicas=6, pod={"tolerations": IMPATIENT}))
    await cluster.client.create(SERVICES, service())
    await cluster.rolled_out()
    lost = {p["metadata"]["uid"] for p in await cluster.active_pods() if p["spec"]["nodeName"] == "m1"}
    assert len(lost) == 2
    cluster.kubelets.cut.add("m1")

    async def silent() -> bool:
        node = await cluster.client.get(NODES, "m1")
        taints = {(t["key"], t["effect"]) for t in node["spec"].get("taints") or ()}
        wanted = {("node.kubernetes.io/unreachable", effect) for effect in ("NoSchedule", "NoExecute")}
        return condition(node, "Ready")["reason"] == "NodeStatusUnknown" and wanted <= taints

    await eventually(silent)

    async def dropped() -> bool:
        return await cluster.ready_addresses() == 4

    await eventually(dropped, 2)

    async def replaced() -> bool:
        return {p["spec"].get("nodeName") for p in await cluster.active_pods()} == {"m2", "m3"} and (
            await cluster.ready_addresses() == 6
        )

    await eventually(replaced)
    waiting = {p["metadata"]["uid"] for p in await cluster.items(PODS) if p["metadata"].get("deletionTimestamp")}
    assert waiting == lost
    assert "TaintManagerEviction" in await cluster.reasons()

    await cluster.kubelets.heal("m1")

    async def clean() -> bool:
        node = await cluster.client.get(NODES, "m1")
        return len(await cluster.items(PODS)) == 6 and not node["spec"].get("taints")

    await eventually(clean)
    assert await cluster.ready_addresses() == 6


async def test_pods_stay_where_they_are_when_no_machine_answers(cluster: Cluster) -> None:
    await cluster.client.create(DEPLOYMENTS, deployment(replicas=3, pod={"tolerations": IMPATIENT}))
    await cluster.rolled_out()
    before = {p["metadata"]["uid"] for p in await cluster.active_pods()}
    cluster.kubelets.cut |= {"m1", "m2", "m3"}

    async def all_silent() -> bool:
        return all(condition(n, "Ready")["status"] == "Unknown" for n in await cluster.items(NODES))

    await eventually(all_silent)
    await asyncio.sleep(1.3)
    assert {p["metadata"]["uid"] for p in await cluster.active_pods()} == before
    for name in ("m1", "m2", "m3"):
        await cluster.kubelets.heal(name)
    await cluster.rolled_out()
    assert {p["metadata"]["uid"] for p in await cluster.active_pods()} == before


async def test_pods_of_a_machine_taken_away_are_removed_and_replaced(cluster: Cluster) -> None:
    await cluster.client.create(DEPLOYMENTS, deployment(replicas=3))
    await cluster.rolled_out()
    cluster.kubelets.cut.add("m1")
    await cluster.client.delete(NODES, "m1")

    async def moved() -> bool:
        pods = await cluster.items(PODS)
        return len(pods) == 3 and {p["spec"].get("nodeName") for p in pods} == {"m2", "m3"}

    await eventually(moved)


async def test_cordoned_machine_gets_no_pods(engine: RunningEngine, cluster: Cluster) -> None:
    await engine.kubectl("cordon", "m1", "m2")
    await cluster.client.create(DEPLOYMENTS, deployment(replicas=3))
    await cluster.rolled_out()
    assert {p["spec"]["nodeName"] for p in await cluster.active_pods()} == {"m3"}


async def test_pod_that_fits_nowhere_says_why_and_is_placed_when_a_machine_comes(engine: RunningEngine) -> None:
    async with running(engine.api, machines=2, register=False) as cluster:
        await cluster.kubelets.register("m1", cpu="1")
        await eventually(lambda: all_ready(cluster))
        big = {"containers": [{"name": "c", "image": "x", "resources": {"requests": {"cpu": "4"}}}]}
        await cluster.client.create(DEPLOYMENTS, deployment(replicas=1, pod=big))

        async def explained() -> str:
            pods = await cluster.items(PODS)
            conditions = pods[0]["status"].get("conditions") or () if pods else ()
            found = (c for c in conditions if c["type"] == "PodScheduled" and c["reason"] == "Unschedulable")
            return next((c["message"] for c in found), "")

        assert await eventually(explained) == (
            "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: "
            "1 Preemption is not helpful for scheduling."
        )

        async def told() -> bool:
            return "FailedScheduling" in await cluster.reasons()

        await eventually(told)
        await cluster.kubelets.register("m2", cpu="8")
        await cluster.rolled_out()
