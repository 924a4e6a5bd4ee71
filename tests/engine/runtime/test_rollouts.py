"""Deployments on a real API: rolled out, scaled, undone, and watched by kubectl."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from apimachinery.objects.resources import DEPLOYMENTS, PODS, REPLICASETS, SERVICES
from tests.engine.conftest import RunningEngine, start_engine, stop_engine
from tests.engine.runtime.cluster import Cluster, deployment, eventually, running, service


async def test_pods_of_a_deployment_run_spread_over_the_machines(cluster: Cluster) -> None:
    await cluster.client.create(DEPLOYMENTS, deployment(replicas=6))
    await cluster.rolled_out()
    pods = await cluster.active_pods()
    assert sorted(p["spec"]["nodeName"] for p in pods) == ["m1", "m1", "m2", "m2", "m3", "m3"]
    expected = {"ScalingReplicaSet", "SuccessfulCreate", "Scheduled"}
    assert await eventually(lambda: _has(cluster, expected))


async def _has(cluster: Cluster, reasons: set[str]) -> bool:
    return reasons <= await cluster.reasons()


async def test_deleted_pod_is_replaced(cluster: Cluster) -> None:
    await cluster.client.create(DEPLOYMENTS, deployment(replicas=2))
    await cluster.rolled_out()
    victim = (await cluster.active_pods())[0]["metadata"]
    await cluster.client.delete(PODS, victim["name"], "default")

    async def replaced() -> bool:
        names = {p["metadata"]["name"] for p in await cluster.active_pods()}
        return len(names) == 2 and victim["name"] not in names

    await eventually(replaced)


@pytest.fixture
async def pod_counts(cluster: Cluster) -> AsyncIterator[list[tuple[int, int]]]:
    """(ready, not yet gone) pods after each change, from when the test begins."""
    pods: dict[str, tuple[bool, bool]] = {}
    counts: list[tuple[int, int]] = []

    async def follow() -> None:
        page = await cluster.client.list(PODS)
        async for event in cluster.client.watch(PODS, resource_version=page.resource_version):
            if event.type == "BOOKMARK":
                continue
            meta = event.object["metadata"]
            if event.type == "DELETED":
                pods.pop(meta["uid"], None)
            else:
                conditions = event.object["status"].get("conditions") or ()
                ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
                going = bool(meta.get("deletionTimestamp"))
                pods[meta["uid"]] = (ready and not going, not going)
            counts.append((sum(r for r, _ in pods.values()), sum(a for _, a in pods.values())))

    task = cluster.scope.spawn("count", follow())
    yield counts
    task.cancel()


async def test_rolling_update_keeps_its_promises_at_every_moment(
    cluster: Cluster, pod_counts: list[tuple[int, int]]
) -> None:
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 2, "maxUnavailable": 1}}
    await cluster.client.create(DEPLOYMENTS, deployment(replicas=8, strategy=rolling))
    await cluster.rolled_out()
    pod_counts.clear()
    await cluster.set_image("nginx:2")
    await cluster.rolled_out()
    assert min(ready for ready, _ in pod_counts) >= 7
    assert max(active for _, active in pod_counts) <= 10
    assert {p["spec"]["containers"][0]["image"] for p in await cluster.active_pods()} == {"nginx:2"}


async def test_broken_image_stops_the_rollout_before_it_does_harm(
    cluster: Cluster, pod_counts: list[tuple[int, int]]
) -> None:
    await cluster.client.create(DEPLOYMENTS, deployment(replicas=4, progressDeadlineSeconds=1))
    await cluster.client.create(SERVICES, service())
    await cluster.rolled_out()
    cluster.kubelets.broken_images.add("nginx:broken")
    pod_counts.clear()
    await cluster.set_image("nginx:broken")

    async def stuck() -> bool:
        # On a slow computer the deadline may pass while the rollout still moves: then it is told again when it rests.
        found = await cluster.deployment()
        late = any(c["reason"] == "ProgressDeadlineExceeded" for c in found["status"]["conditions"])
        return late and found["status"].get("updatedReplicas") == 2 and await cluster.ready_addresses() == 3

    await eventually(stuck)
    assert min(ready for ready, _ in pod_counts) == 3
    assert max(active for _, active in pod_counts) == 5
    await cluster.set_image("nginx:1")
    await cluster.rolled_out()
    await eventually(lambda: _addresses(cluster, 4))


async def _addresses(cluster: Cluster, count: int) -> bool:
    return await cluster.ready_addresses() == count


async def test_recreation_never_runs_old_and_new_side_by_side(cluster: Cluster) -> None:
    await cluster.client.create(DEPLOYMENTS, deployment(strategy={"type": "Recreate"}))
    await cluster.rolled_out()
    running = {p["metadata"]["uid"]: "nginx:1" for p in await cluster.items(PODS)}
    images: set[frozenset[str]] = set()

    async def follow(revision: str) -> None:
        async for event in cluster.client.watch(PODS, resource_version=revision):
            uid = event.object["metadata"]["uid"]
            if event.type == "DELETED":
                running.pop(uid)
            elif event.type == "ADDED":
                running[uid] = event.object["spec"]["containers"][0]["image"]
            images.add(frozenset(running.values()))

    task = cluster.scope.spawn("follow", follow((await cluster.client.list(PODS)).resource_version))
    await cluster.set_image("nginx:2")
    await cluster.rolled_out()
    task.cancel()
    assert images == {frozenset(["nginx:1"]), frozenset(), frozenset(["nginx:2"])}


async def test_history_beyond_the_limit_is_removed(cluster: Cluster) -> None:
    await cluster.client.create(DEPLOYMENTS, deployment(revisionHistoryLimit=1))
    for number in (1, 2, 3, 4):
        await cluster.set_image(f"nginx:{number}")
        await cluster.rolled_out()

    async def short() -> bool:
        return len(await cluster.sets()) == 2

    await eventually(short)


async def test_kubectl_rolls_out_undoes_restarts_pauses_and_resumes(engine: RunningEngine, cluster: Cluster) -> None:
    await cluster.client.create(DEPLOYMENTS, deployment())
    status = await engine.kubectl("rollout", "status", "deployment/web", "--timeout=10s")
    assert 'deployment "web" successfully rolled out' in status.out
    await engine.kubectl("set", "image", "deployment/web", "c=nginx:2")
    await engine.kubectl("rollout", "status", "deployment/web", "--timeout=10s")
    history = await engine.kubectl("rollout", "history", "deployment/web")
    assert [line.split()[0] for line in history.out.strip().splitlines()[2:]] == ["1", "2"]
    await engine.kubectl("rollout", "undo", "deployment/web")
    await engine.kubectl("rollout", "status", "deployment/web", "--timeout=10s")
    assert {p["spec"]["containers"][0]["image"] for p in await cluster.active_pods()} == {"nginx:1"}
    history = await engine.kubectl("rollout", "history", "deployment/web")
    assert [line.split()[0] for line in history.out.strip().splitlines()[2:]] == ["2", "3"]

    before = {p["metadata"]["uid"] for p in await cluster.active_pods()}
    await engine.kubectl("rollout", "restart", "deployment/web")
    await engine.kubectl("rollout", "status", "deployment/web", "--timeout=10s")
    assert not before & {p["metadata"]["uid"] for p in await cluster.active_pods()}

    await engine.kubectl("rollout", "pause", "deployment/web")
    await engine.kubectl("set", "image", "deployment/web", "c=nginx:3")
    await asyncio.sleep(0.3)
    assert "nginx:3" not in {p["spec"]["containers"][0]["image"] for p in await cluster.active_pods()}
    await engine.kubectl("rollout", "resume", "deployment/web")
    await engine.kubectl("rollout", "status", "deployment/web", "--timeout=10s")
    assert {p["spec"]["containers"][0]["image"] for p in await cluster.active_pods()} == {"nginx:3"}


async def test_engine_restarted_in_the_middle_of_a_rollout_ends_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    engine, task = await start_engine(data, controllers=False)
    async with running(engine.api, ready_after=0.03) as cluster:
        await cluster.client.create(DEPLOYMENTS, deployment(replicas=10))
        await cluster.rolled_out()
        await cluster.set_image("nginx:2")

        async def begun() -> bool:
            return 0 < (await cluster.deployment())["status"].get("updatedReplicas", 0) < 8

        await eventually(begun)
    await stop_engine(engine, task)
    engine, task = await start_engine(data, controllers=False)
    async with running(engine.api, register=False) as cluster:
        await cluster.rolled_out()
        assert len(await cluster.active_pods()) == 10
        assert len(await cluster.items(REPLICASETS)) == 2
    await stop_engine(engine, task)


async def test_hundred_pods_cost_few_writes_each(cluster: Cluster) -> None:
    await cluster.client.create(SERVICES, service())
    before = int((await cluster.client.list(PODS)).resource_version)
    await cluster.client.create(DEPLOYMENTS, deployment(replicas=100))
    await cluster.rolled_out()
    written = int((await cluster.client.list(PODS)).resource_version) - before
    # Made, told of, placed, told of, running: the rest is for all of them together.
    assert written < 100 * 7, written
