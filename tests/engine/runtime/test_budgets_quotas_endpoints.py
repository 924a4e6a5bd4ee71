"""Budgets, quotas, Endpoints and ReplicationControllers on a real API."""

from apimachinery.objects.resources import (
    DEPLOYMENTS,
    ENDPOINTS,
    NAMESPACES,
    PODDISRUPTIONBUDGETS,
    REPLICATIONCONTROLLERS,
    RESOURCEQUOTAS,
    SERVICES,
)
from tests.engine.conftest import RunningEngine
from tests.engine.runtime.cluster import Cluster, deployment, eventually, service


async def test_budget_follows_the_pods_of_a_deployment(engine: RunningEngine, cluster: Cluster) -> None:
    await cluster.client.create(DEPLOYMENTS, deployment(replicas=4))
    await engine.kubectl("create", "pdb", "web", "--selector=app=web", "--max-unavailable=25%")

    async def allowed() -> bool:
        status = (await cluster.client.get(PODDISRUPTIONBUDGETS, "web", "default"))["status"]
        return (status["expectedPods"], status["currentHealthy"], status["disruptionsAllowed"]) == (4, 4, 1)

    await eventually(allowed)
    shown = await engine.kubectl("get", "pdb", "web")
    assert shown.out.splitlines()[1].split()[:4] == ["web", "N/A", "25%", "1"]


async def test_quota_shows_what_is_used(engine: RunningEngine, cluster: Cluster) -> None:
    await engine.kubectl("create", "quota", "all", "--hard=pods=10,requests.cpu=2,services=5,secrets=9")
    pod = {"containers": [{"name": "c", "image": "nginx", "resources": {"requests": {"cpu": "250m"}}}]}
    await cluster.client.create(DEPLOYMENTS, deployment(replicas=3, pod=pod))

    async def counted() -> bool:
        used = (await cluster.client.get(RESOURCEQUOTAS, "all", "default")).get("status", {}).get("used", {})
        return used.get("pods") == "3" and used.get("requests.cpu") == "750m" and used.get("secrets") == "0"

    await eventually(counted)


async def test_no_quota_is_exceeded_while_it_is_counted(cluster: Cluster) -> None:
    """What admission has charged and no cache shows yet must not be taken for room."""
    names = [f"n{number}" for number in range(12)]
    for name in names:
        await cluster.client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "two", "namespace": name}}
        await cluster.client.create(RESOURCEQUOTAS, {**quota, "spec": {"hard": {"pods": "2"}}})
        wanted = deployment(replicas=4)
        await cluster.client.create(DEPLOYMENTS, {**wanted, "metadata": {"name": "web", "namespace": name}})

    async def refused() -> bool:
        sets = await cluster.sets()
        conditions = [c for one in sets for c in one["status"].get("conditions") or () if c["type"] == "ReplicaFailure"]
        return len(sets) == len(conditions) == len(names)

    await eventually(refused)
    pods = [pod["metadata"]["namespace"] for pod in await cluster.active_pods()]
    assert sorted(pods) == sorted([*names, *names])


async def test_endpoints_follow_the_service(cluster: Cluster) -> None:
    await cluster.client.create(SERVICES, service())
    await cluster.client.create(DEPLOYMENTS, deployment(replicas=3))

    async def all_in() -> bool:
        found = [e for e in await cluster.items(ENDPOINTS, "default") if e["metadata"]["name"] == "web"]
        return [len(subset.get("addresses", ())) for e in found for subset in e.get("subsets", ())] == [3]

    await eventually(all_in)
    await cluster.client.delete(SERVICES, "web", "default")

    async def gone() -> bool:
        return not [e for e in await cluster.items(ENDPOINTS, "default") if e["metadata"]["name"] == "web"]

    await eventually(gone)


async def test_replication_controller_keeps_its_count(engine: RunningEngine, cluster: Cluster) -> None:
    template = deployment()["spec"]["template"]
    controller = {
        "apiVersion": "v1",
        "kind": "ReplicationController",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": 2, "selector": {"app": "web"}, "template": template},
    }
    await cluster.client.create(REPLICATIONCONTROLLERS, controller)

    async def ready(count: int) -> bool:
        status = (await cluster.client.get(REPLICATIONCONTROLLERS, "web", "default")).get("status", {})
        return status.get("readyReplicas", 0) == status.get("replicas", 0) == count

    await eventually(lambda: ready(2))
    await engine.kubectl("scale", "rc/web", "--replicas=4")
    await eventually(lambda: ready(4))
    await engine.kubectl("scale", "rc/web", "--replicas=1")
    await eventually(lambda: ready(1))


async def test_hand_made_endpoints_are_mirrored_until_the_service_selects(
    engine: RunningEngine, cluster: Cluster
) -> None:
    """The page "Services without selectors", in its older form."""
    plain = service("outside")
    del plain["spec"]["selector"]
    await cluster.client.create(SERVICES, plain)
    made = {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": "outside", "namespace": "default"},
        "subsets": [{"addresses": [{"ip": "192.0.2.42"}], "ports": [{"port": 9376}]}],
    }
    await cluster.client.create(ENDPOINTS, made)

    async def shown(*wanted: str) -> bool:
        listed = await engine.kubectl(
            "get", "endpointslices", "-l", "kubernetes.io/service-name=outside", "--no-headers"
        )
        return sorted(line.split()[3] for line in listed.out.splitlines() if "No resources" not in line) == [*wanted]

    await eventually(lambda: shown("192.0.2.42"))
    addresses = {"subsets": [{"addresses": [{"ip": "192.0.2.43"}], "ports": [{"port": 9376}]}]}
    await cluster.client.patch(ENDPOINTS, "outside", addresses, "default")
    await eventually(lambda: shown("192.0.2.43"))
    await cluster.client.delete(SERVICES, "outside", "default")
    await eventually(shown)
    assert await cluster.client.get(ENDPOINTS, "outside", "default")
