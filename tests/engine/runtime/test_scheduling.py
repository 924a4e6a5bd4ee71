"""The scheduler on a real API: what pods and events say, and what it writes."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from apimachinery.objects.errors import NotFound
from apimachinery.objects.resources import DEPLOYMENTS, EVENTS, NODES, PERSISTENTVOLUMECLAIMS, PODS, PRIORITYCLASSES
from engine.scheduler.configuration import SchedulerConfig
from engine.scheduler.profile import Profile
from engine.scheduler.views import STORAGECLASSES, VOLUMES
from tests.engine.conftest import RunningEngine
from tests.engine.runtime.cluster import Cluster, deployment, eventually, running

Json = dict[str, Any]
SELECTED = "volume.kubernetes.io/selected-node"


@pytest.fixture
async def cluster(engine: RunningEngine) -> AsyncIterator[Cluster]:
    """Two machines of 2 cpu."""
    async with running(engine.api, machines=2, register=False) as up:
        for name in ("m1", "m2"):
            await up.kubelets.register(name, cpu="2")
        yield up


def pod(name: str, cpu: str = "100m", **spec: Any) -> Json:
    labels = spec.pop("labels", {"app": name})
    container = {"name": "c", "image": "nginx", "resources": {"requests": {"cpu": cpu}}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {"containers": [container], **spec},
    }


async def add(cluster: Cluster, *pods: Json) -> None:
    for one in pods:
        await cluster.client.create(PODS, one, "default")


async def machine(cluster: Cluster, name: str) -> str:
    found = await cluster.client.get(PODS, name, "default")
    return found["spec"].get("nodeName", "")


async def placed(cluster: Cluster, name: str) -> str:
    return await eventually(lambda: machine(cluster, name))


async def condition(cluster: Cluster, name: str, kind: str = "PodScheduled") -> Json:
    try:
        found = await cluster.client.get(PODS, name, "default")
    except NotFound:
        return {}
    conditions = found["status"].get("conditions") or ()
    return next((c for c in conditions if c["type"] == kind), {})


async def waiting(cluster: Cluster, name: str) -> str:
    """Why the pod waits, once it says so."""

    async def told() -> str:
        said = await condition(cluster, name)
        return said.get("message", "") if said.get("status") == "False" else ""

    return await eventually(told)


async def events(cluster: Cluster, name: str, reason: str) -> list[Json]:
    found = await cluster.items(EVENTS, "default")
    return [e for e in found if e["involvedObject"]["name"] == name and e["reason"] == reason]


async def priority_class(cluster: Cluster, name: str, value: int, **more: Any) -> None:
    made = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": value}
    await cluster.client.create(PRIORITYCLASSES, {**made, **more})


async def test_bound_pod_and_its_event_say_where(cluster: Cluster) -> None:
    await add(cluster, pod("web"))
    where = await placed(cluster, "web")
    assert (await condition(cluster, "web"))["status"] == "True"
    (event,) = await eventually(lambda: events(cluster, "web", "Scheduled"))
    assert event["message"] == f"Successfully assigned default/web to {where}"
    assert event["source"]["component"] == "default-scheduler"


async def test_important_pod_gets_the_place_of_a_less_important_one(cluster: Cluster) -> None:
    await priority_class(cluster, "high", 1000)
    await add(cluster, pod("low-1", "1500m"), pod("low-2", "1500m"))
    for name in ("low-1", "low-2"):
        await placed(cluster, name)
    # The victims take their time, as pods with a grace period do.
    cluster.kubelets.cut |= {"m1", "m2"}
    await add(cluster, pod("urgent", "1500m", priorityClassName="high"))

    async def nominated() -> str:
        found = await cluster.client.get(PODS, "urgent", "default")
        return found["status"].get("nominatedNodeName", "")

    where = await eventually(nominated)
    assert await waiting(cluster, "urgent") == "0/2 nodes are available: 2 Insufficient cpu."

    async def victim() -> str:
        for name in ("low-1", "low-2"):
            if (await condition(cluster, name, "DisruptionTarget")).get("status") == "True":
                return name
        return ""

    name = await eventually(victim)
    disrupted = await condition(cluster, name, "DisruptionTarget")
    assert disrupted["reason"] == "PreemptionByScheduler"
    assert disrupted["message"] == "default-scheduler: preempting to accommodate a higher priority pod"
    uid = (await cluster.client.get(PODS, "urgent", "default"))["metadata"]["uid"]
    (event,) = await eventually(lambda: events(cluster, name, "Preempted"))
    assert event["message"] == f"Preempted by pod {uid} on node {where}"
    # Nobody sneaks into the room that is kept for it, nor does it take a second victim.
    await add(cluster, pod("sneaky", "1500m"))
    assert "Insufficient cpu" in await waiting(cluster, "sneaky")
    for one in ("m1", "m2"):
        await cluster.kubelets.heal(one)
    assert await placed(cluster, "urgent") == where
    left = {p["metadata"]["name"] for p in await cluster.active_pods()}
    assert left == {"urgent", "sneaky", *({"low-1", "low-2"} - {name})}


async def test_pod_without_preemption_waits_and_says_so(cluster: Cluster) -> None:
    await priority_class(cluster, "patient", 1000, preemptionPolicy="Never")
    await add(cluster, pod("low-1", "1500m"), pod("low-2", "1500m"))
    for name in ("low-1", "low-2"):
        await placed(cluster, name)
    await add(cluster, pod("urgent", "1500m", priorityClassName="patient"))
    assert await waiting(cluster, "urgent") == (
        "0/2 nodes are available: 2 Insufficient cpu. preemption: not eligible due to preemptionPolicy=Never."
    )
    (event,) = await eventually(lambda: events(cluster, "urgent", "FailedScheduling"))
    assert event["type"] == "Warning"


async def test_gated_pod_says_so_and_is_placed_when_the_gate_is_gone(cluster: Cluster) -> None:
    await add(cluster, pod("gated", schedulingGates=[{"name": "example.com/wait"}]))
    said = await condition(cluster, "gated")
    assert (said["status"], said["reason"]) == ("False", "SchedulingGated")
    assert said["message"] == "Scheduling is blocked due to non-empty scheduling gates"
    await add(cluster, pod("open"))
    await placed(cluster, "open")
    assert await machine(cluster, "gated") == ""
    await cluster.client.patch(PODS, "gated", {"spec": {"schedulingGates": None}}, "default")
    assert await placed(cluster, "gated")


async def test_pods_of_a_users_own_scheduler_are_bound_by_it_alone(cluster: Cluster) -> None:
    client = cluster.client

    async def own_scheduler() -> None:
        """Puts every pod that asks for it on the last machine."""
        page = await client.list(PODS, "default", field_selector="spec.schedulerName=mine")
        names = [n["metadata"]["name"] for n in (await client.list(NODES)).items]
        for one in page.items:
            target = {"apiVersion": "v1", "kind": "Node", "name": max(names)}
            meta = {"name": one["metadata"]["name"]}
            body = {"apiVersion": "v1", "kind": "Binding", "metadata": meta, "target": target}
            path = PODS.path("default", one["metadata"]["name"], "binding")
            headers = {"Content-Type": "application/json"}
            await client.call("POST", path, headers=headers, body=msgspec.json.encode(body))

    await add(cluster, pod("foreign", "1500m", schedulerName="mine"), pod("ours"))
    await placed(cluster, "ours")
    assert await condition(cluster, "foreign") == {}
    await own_scheduler()
    assert await machine(cluster, "foreign") == "m2"
    # What the other has placed counts for us.
    await add(cluster, pod("big", "1500m"))
    assert await placed(cluster, "big") == "m1"


async def test_group_starts_together_or_not_at_all(cluster: Cluster) -> None:
    labels = {"scheduling.x-k8s.io/pod-group": "ring", "scheduling.x-k8s.io/min-available": "3"}
    await add(cluster, *(pod(f"ring-{n}", "1200m", labels=labels) for n in range(3)))
    assert await waiting(cluster, "ring-2") == (
        'pod group "ring": only 2 of at least 3 pods find a place. 0/2 nodes are available: 2 Insufficient cpu.'
    )
    assert [await machine(cluster, f"ring-{n}") for n in range(3)] == ["", "", ""]
    cluster.kubelets.names = ("m1", "m2", "m3")
    await cluster.kubelets.register("m3", cpu="2")
    assert {await placed(cluster, f"ring-{n}") for n in range(3)} == {"m1", "m2", "m3"}


async def test_replicas_that_shun_each_other_leave_one_waiting(cluster: Cluster) -> None:
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "web"}}}
    affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    await cluster.client.patch(NODES, "m1", {"metadata": {"labels": {"kubernetes.io/hostname": "m1"}}})
    await cluster.client.patch(NODES, "m2", {"metadata": {"labels": {"kubernetes.io/hostname": "m2"}}})
    wanted = deployment(replicas=3, pod={"affinity": affinity})
    await cluster.client.create(DEPLOYMENTS, wanted)

    async def told() -> str:
        for one in await cluster.items(PODS):
            said = await condition(cluster, one["metadata"]["name"])
            if said.get("status") == "False":
                return said["message"]
        return ""

    async def two_run() -> bool:
        return sum(p["status"]["phase"] == "Running" for p in await cluster.items(PODS)) == 2

    await eventually(two_run)
    assert await eventually(told) == (
        "0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules. preemption: 0/2 nodes are available: "
        "2 No preemption victims found for incoming pod."
    )


async def test_late_claim_names_the_machine_and_the_pod_waits_for_its_volume(cluster: Cluster) -> None:
    client = cluster.client
    await client.create(
        STORAGECLASSES,
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": "late"},
            "provisioner": "example.com/disk",
            "volumeBindingMode": "WaitForFirstConsumer",
        },
    )
    spec = {"storageClassName": "late", "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    body = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": spec}
    await client.create(PERSISTENTVOLUMECLAIMS, body, "default")
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]
    await add(cluster, pod("db", volumes=volumes))

    async def selected() -> str:
        found = await client.get(PERSISTENTVOLUMECLAIMS, "data", "default")
        return found["metadata"].get("annotations", {}).get(SELECTED, "")

    where = await eventually(selected)
    assert await machine(cluster, "db") == ""
    # What a provisioner and the volume controller do.
    claim = await client.get(PERSISTENTVOLUMECLAIMS, "data", "default")
    reference = {
        "kind": "PersistentVolumeClaim",
        "namespace": "default",
        "name": "data",
        "uid": claim["metadata"]["uid"],
    }
    await client.create(
        VOLUMES,
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": "made"},
            "spec": {
                "storageClassName": "late",
                "accessModes": ["ReadWriteOnce"],
                "capacity": {"storage": "1Gi"},
                "hostPath": {"path": "/tmp/x"},
                "claimRef": reference,
            },
        },
    )
    bound = {"metadata": {"annotations": {"pv.kubernetes.io/bind-completed": "yes"}}, "spec": {"volumeName": "made"}}
    await client.patch(PERSISTENTVOLUMECLAIMS, "data", bound, "default")
    assert await placed(cluster, "db") == where


async def test_pod_keeps_waiting_for_a_claim_that_nobody_made(cluster: Cluster) -> None:
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]
    await add(cluster, pod("db", volumes=volumes))
    assert await waiting(cluster, "db") == (
        '0/2 nodes are available: persistentvolumeclaim "data" not found. preemption: 0/2 nodes are available: '
        "2 Preemption is not helpful for scheduling."
    )


async def test_profile_of_its_own_name_packs_pods_together(engine: RunningEngine) -> None:
    profiles = {"default-scheduler": Profile(), "packer": Profile(name="packer", strategy="MostAllocated")}
    async with running(engine.api, machines=2, scheduling=SchedulerConfig(profiles=profiles)) as up:
        await add(up, *(pod(f"p{n}", "500m", schedulerName="packer") for n in range(4)))
        assert len({await placed(up, f"p{n}") for n in range(4)}) == 1
        (event,) = await eventually(lambda: events(up, "p0", "Scheduled"))
        assert event["source"]["component"] == "packer"
