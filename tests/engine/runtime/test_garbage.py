"""Deletions and what they take along, on a real API."""

from apimachinery.objects.errors import NotFound
from apimachinery.objects.resources import (
    CONFIGMAPS,
    DEPLOYMENTS,
    ENDPOINTSLICES,
    NAMESPACES,
    PODS,
    REPLICASETS,
    SERVICEACCOUNTS,
    SERVICES,
    Resource,
)
from tests.engine.runtime.cluster import Cluster, deployment, eventually, service


async def none_left(cluster: Cluster, *resources: Resource) -> bool:
    return not any([await cluster.items(resource) for resource in resources])


async def _any(cluster: Cluster, resource: Resource) -> bool:
    return bool(await cluster.items(resource))


async def test_background_deletion_takes_sets_and_pods_along(cluster: Cluster) -> None:
    await cluster.client.create(DEPLOYMENTS, deployment())
    await cluster.rolled_out()
    await cluster.client.delete(DEPLOYMENTS, "web", "default", propagation="Background")
    assert await none_left(cluster, DEPLOYMENTS)
    await eventually(lambda: none_left(cluster, REPLICASETS, PODS))


async def test_foreground_deletion_ends_with_the_owner(cluster: Cluster) -> None:
    await cluster.client.create(DEPLOYMENTS, deployment())
    await cluster.rolled_out()
    await cluster.client.delete(DEPLOYMENTS, "web", "default", propagation="Foreground")
    seen: list[tuple[bool, bool, bool]] = []

    async def gone() -> bool:
        seen.append((await _any(cluster, DEPLOYMENTS), await _any(cluster, REPLICASETS), await _any(cluster, PODS)))
        return not seen[-1][0]

    await eventually(gone)
    assert (True, True, True) in seen
    for deployments, sets, pods in seen:
        assert deployments or not sets
        assert sets or not pods


async def test_orphaned_sets_go_on_without_their_deployment(cluster: Cluster) -> None:
    await cluster.client.create(DEPLOYMENTS, deployment())
    await cluster.rolled_out()
    await cluster.client.delete(DEPLOYMENTS, "web", "default", propagation="Orphan")
    await eventually(lambda: none_left(cluster, DEPLOYMENTS))
    (orphan,) = await cluster.sets()
    assert "ownerReferences" not in orphan["metadata"]
    assert len(await cluster.active_pods()) == 3
    await cluster.client.create(DEPLOYMENTS, deployment())
    await cluster.rolled_out()
    (adopted,) = await cluster.sets()
    assert adopted["metadata"]["uid"] == orphan["metadata"]["uid"]
    assert adopted["metadata"]["ownerReferences"][0]["kind"] == "Deployment"


async def test_slices_go_with_their_service(cluster: Cluster) -> None:
    await cluster.client.create(SERVICES, service())

    async def slices() -> int:
        found = await cluster.items(ENDPOINTSLICES, "default", label_selector="kubernetes.io/service-name=web")
        return len(found)

    await eventually(slices)
    await cluster.client.delete(SERVICES, "web", "default")

    async def gone() -> bool:
        return await slices() == 0

    await eventually(gone)


async def test_namespace_is_born_with_an_account_and_goes_with_all_it_holds(cluster: Cluster) -> None:
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "tmp"}}
    await cluster.client.create(NAMESPACES, body)

    async def born() -> bool:
        accounts = await cluster.items(SERVICEACCOUNTS, "tmp")
        return [a["metadata"]["name"] for a in accounts] == ["default"]

    await eventually(born)
    web = deployment()
    web["metadata"]["namespace"] = "tmp"
    await cluster.client.create(DEPLOYMENTS, web)
    await cluster.client.create(
        CONFIGMAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "tmp"}}
    )

    async def runs() -> bool:
        return len(await cluster.items(PODS, "tmp")) == 3

    await eventually(runs)
    await cluster.client.delete(NAMESPACES, "tmp")

    async def gone() -> bool:
        try:
            await cluster.client.get(NAMESPACES, "tmp")
        except NotFound:
            return True
        return False

    await eventually(gone)
    for resource in (PODS, DEPLOYMENTS, REPLICASETS, CONFIGMAPS, SERVICEACCOUNTS):
        assert await cluster.items(resource, "tmp") == []
