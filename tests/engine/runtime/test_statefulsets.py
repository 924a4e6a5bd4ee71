"""StatefulSets on a real API, rolled out and undone by kubectl."""

from typing import Any

from apimachinery.objects.resources import PERSISTENTVOLUMECLAIMS, PODS, STATEFULSETS
from tests.engine.conftest import RunningEngine
from tests.engine.runtime.cluster import Cluster, Json, eventually


def stateful_set(replicas: int = 3, **spec: Any) -> Json:
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "db", "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "serviceName": "db",
            "selector": {"matchLabels": {"app": "db"}},
            "template": {
                "metadata": {"labels": {"app": "db"}},
                "spec": {"containers": [{"name": "c", "image": "nginx:1"}]},
            },
            **spec,
        },
    }


async def ready(cluster: Cluster, count: int) -> None:
    async def all_ready() -> bool:
        status = (await cluster.client.get(STATEFULSETS, "db", "default")).get("status", {})
        return status.get("availableReplicas", 0) == status.get("replicas", 0) == count

    await eventually(all_ready)


async def test_pods_start_in_order_and_leave_in_reverse(cluster: Cluster) -> None:
    await cluster.client.create(STATEFULSETS, stateful_set())
    await ready(cluster, 3)
    names = {p["metadata"]["uid"]: p["metadata"]["name"] for p in await cluster.items(PODS)}
    assert [names[uid] for uid in cluster.kubelets.started] == ["db-0", "db-1", "db-2"]
    await cluster.client.patch(STATEFULSETS, "db", {"spec": {"replicas": 1}}, "default")
    await ready(cluster, 1)
    assert [p["metadata"]["name"] for p in await cluster.items(PODS)] == ["db-0"]


async def test_deleted_pod_comes_back_under_its_name(cluster: Cluster) -> None:
    await cluster.client.create(STATEFULSETS, stateful_set(2))
    await ready(cluster, 2)
    before = await cluster.client.get(PODS, "db-0", "default")
    await cluster.client.delete(PODS, "db-0", "default")

    async def back() -> bool:
        return any(
            p["metadata"]["name"] == "db-0" and p["metadata"]["uid"] != before["metadata"]["uid"]
            for p in await cluster.items(PODS)
        )

    await eventually(back)
    await ready(cluster, 2)


async def test_claims_are_made_and_stay_or_go_as_the_policy_says(cluster: Cluster) -> None:
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    policy = {"whenScaled": "Delete", "whenDeleted": "Retain"}
    wanted = stateful_set(2, volumeClaimTemplates=[claim], persistentVolumeClaimRetentionPolicy=policy)
    wanted["spec"]["podManagementPolicy"] = "Parallel"
    mounted = [{"name": "data", "mountPath": "/data"}]
    wanted["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] = mounted
    await cluster.client.create(STATEFULSETS, wanted)

    async def claims() -> set[str]:
        found = await cluster.items(PERSISTENTVOLUMECLAIMS)
        return {c["metadata"]["name"] for c in found if not c["metadata"].get("deletionTimestamp")}

    async def both() -> bool:
        return await claims() == {"data-db-0", "data-db-1"} and len(await cluster.items(PODS)) == 2

    await eventually(both)
    await cluster.client.patch(STATEFULSETS, "db", {"spec": {"replicas": 1}}, "default")

    async def one() -> bool:
        return await claims() == {"data-db-0"}

    await eventually(one)


async def test_kubectl_rolls_a_stateful_set_out_and_back(engine: RunningEngine, cluster: Cluster) -> None:
    await cluster.client.create(STATEFULSETS, stateful_set())
    await engine.kubectl("rollout", "status", "statefulset/db", "--timeout=10s")
    await engine.kubectl("set", "image", "statefulset/db", "c=nginx:2")
    status = await engine.kubectl("rollout", "status", "statefulset/db", "--timeout=10s")
    assert "roll out complete: 3 new pods have been updated" in status.out
    assert {p["spec"]["containers"][0]["image"] for p in await cluster.active_pods()} == {"nginx:2"}
    history = await engine.kubectl("rollout", "history", "statefulset/db")
    assert [line.split()[0] for line in history.out.strip().splitlines()[2:]] == ["1", "2"]
    await engine.kubectl("rollout", "undo", "statefulset/db")
    await engine.kubectl("rollout", "status", "statefulset/db", "--timeout=10s")
    assert {p["spec"]["containers"][0]["image"] for p in await cluster.active_pods()} == {"nginx:1"}
    await engine.kubectl("scale", "statefulset/db", "--replicas=4")
    await ready(cluster, 4)
