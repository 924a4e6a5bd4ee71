"""Claims, volumes and classes on a real API, with controllers, scheduler and machines that only pretend."""

from typing import Any

from apimachinery.objects import localpath
from apimachinery.objects.errors import NotFound
from apimachinery.objects.resources import (
    EVENTS,
    NODES,
    PERSISTENTVOLUMECLAIMS,
    PERSISTENTVOLUMES,
    PODS,
    STORAGECLASSES,
    VOLUMEATTACHMENTS,
    Resource,
)
from tests.engine.conftest import RunningEngine, start_engine, stop_engine
from tests.engine.runtime.cluster import Cluster, Json, eventually


def volume(name: str = "disk", *, size: str = "10Gi", storage_class: str = "manual", **spec: Any) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "labels": spec.pop("labels", {})},
        "spec": {
            "capacity": {"storage": size},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": storage_class,
            "hostPath": {"path": "/mnt/data"},
            **spec,
        },
    }


def claim(name: str = "data", *, size: str = "3Gi", **spec: Any) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **spec},
    }


def pod(name: str = "user", *, claim_name: str = "data", **spec: Any) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "containers": [{"name": "c", "image": "nginx:1"}],
            "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": claim_name}}],
            **spec,
        },
    }


async def found(cluster: Cluster, resource: Resource, name: str) -> Json | None:
    try:
        return await cluster.client.get(resource, name, "default" if resource.namespaced else None)
    except NotFound:
        return None


async def in_phase(cluster: Cluster, resource: Resource, name: str, phase: str) -> Json:
    async def there() -> Json | None:
        obj = await found(cluster, resource, name)
        return obj if obj is not None and obj["status"].get("phase") == phase else None

    return await eventually(there)


async def gone(cluster: Cluster, resource: Resource, name: str) -> None:
    async def away() -> bool:
        return await found(cluster, resource, name) is None

    await eventually(away)


async def told(cluster: Cluster, name: str, reason: str) -> str:
    async def event() -> str:
        listed = (await cluster.client.list(EVENTS, "default")).items
        ours = (e for e in listed if e["involvedObject"]["name"] == name and e["reason"] == reason)
        return next((e["message"] for e in ours), "")

    return await eventually(event)


async def made_by_agent(cluster: Cluster, name: str) -> None:
    """What a machine's agent does as a volume goes."""
    patch = {"metadata": {"finalizers": None}}
    await cluster.client.patch(PERSISTENTVOLUMES, name, patch)


async def test_claim_gets_the_smallest_volume_that_suits_it_and_both_say_so(cluster: Cluster) -> None:
    for one in (volume("big", size="20Gi"), volume("small", size="5Gi"), volume("tiny", size="1Gi")):
        await cluster.client.create(PERSISTENTVOLUMES, one)
    for name in ("big", "small", "tiny"):
        await in_phase(cluster, PERSISTENTVOLUMES, name, "Available")
    await cluster.client.create(PERSISTENTVOLUMECLAIMS, claim(storageClassName="manual"))
    bound = await in_phase(cluster, PERSISTENTVOLUMECLAIMS, "data", "Bound")
    assert bound["spec"]["volumeName"] == "small"
    assert bound["status"]["capacity"] == {"storage": "5Gi"}
    assert bound["status"]["accessModes"] == ["ReadWriteOnce"]
    annotations = bound["metadata"]["annotations"]
    assert annotations["pv.kubernetes.io/bind-completed"] == "yes"
    assert annotations["pv.kubernetes.io/bound-by-controller"] == "yes"
    held = await in_phase(cluster, PERSISTENTVOLUMES, "small", "Bound")
    assert held["spec"]["claimRef"]["uid"] == bound["metadata"]["uid"]


async def test_two_claims_never_get_one_volume(cluster: Cluster) -> None:
    names = [f"c{number}" for number in range(8)]
    for name in names:
        await cluster.client.create(PERSISTENTVOLUMECLAIMS, claim(name, storageClassName="manual"))
    for number in range(5):
        await cluster.client.create(PERSISTENTVOLUMES, volume(f"v{number}"))

    async def five_bound() -> list[Json]:
        claims = await cluster.items(PERSISTENTVOLUMECLAIMS)
        bound = [one for one in claims if one["status"]["phase"] == "Bound"]
        return bound if len(bound) == 5 else []

    bound = await eventually(five_bound)
    assert len({one["spec"]["volumeName"] for one in bound}) == 5
    for one in bound:
        held = await cluster.client.get(PERSISTENTVOLUMES, one["spec"]["volumeName"])
        assert held["spec"]["claimRef"]["uid"] == one["metadata"]["uid"]


async def test_released_volume_is_kept_and_used_claim_stays_until_its_pod_is_gone(cluster: Cluster) -> None:
    await cluster.client.create(PERSISTENTVOLUMES, volume())
    await cluster.client.create(PERSISTENTVOLUMECLAIMS, claim(storageClassName="manual"))
    await in_phase(cluster, PERSISTENTVOLUMECLAIMS, "data", "Bound")
    await cluster.client.create(PODS, pod())
    await in_phase(cluster, PODS, "user", "Running")
    await cluster.client.delete(PERSISTENTVOLUMES, "disk")
    await cluster.client.delete(PERSISTENTVOLUMECLAIMS, "data", "default")
    held = await found(cluster, PERSISTENTVOLUMECLAIMS, "data")
    assert held is not None
    assert held["metadata"]["deletionTimestamp"]
    assert held["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    await cluster.client.delete(PODS, "user", "default")
    await gone(cluster, PERSISTENTVOLUMECLAIMS, "data")
    await gone(cluster, PERSISTENTVOLUMES, "disk")


async def test_volume_of_a_deleted_claim_is_released_and_not_given_to_the_next(cluster: Cluster) -> None:
    await cluster.client.create(PERSISTENTVOLUMES, volume())
    await cluster.client.create(PERSISTENTVOLUMECLAIMS, claim(storageClassName="manual"))
    await in_phase(cluster, PERSISTENTVOLUMECLAIMS, "data", "Bound")
    await cluster.client.delete(PERSISTENTVOLUMECLAIMS, "data", "default")
    await in_phase(cluster, PERSISTENTVOLUMES, "disk", "Released")
    await cluster.client.create(PERSISTENTVOLUMECLAIMS, claim("again", storageClassName="manual"))
    text = await told(cluster, "again", "ProvisioningFailed")
    assert text == 'storageclass.storage.k8s.io "manual" not found'
    # The administrator gives it free by hand.
    await cluster.client.patch(PERSISTENTVOLUMES, "disk", {"spec": {"claimRef": None}})
    assert (await in_phase(cluster, PERSISTENTVOLUMECLAIMS, "again", "Bound"))["spec"]["volumeName"] == "disk"


async def test_first_class_is_the_default_and_makes_a_folder_on_the_pods_machine(cluster: Cluster) -> None:
    first = await cluster.client.get(STORAGECLASSES, localpath.CLASS)
    assert first["provisioner"] == "pilothouse.dev/local-path"
    assert (first["volumeBindingMode"], first["reclaimPolicy"]) == ("WaitForFirstConsumer", "Delete")
    await cluster.client.create(PERSISTENTVOLUMECLAIMS, claim())
    text = await told(cluster, "data", "WaitForFirstConsumer")
    assert text == "waiting for first consumer to be created before binding"
    await cluster.client.create(PODS, pod())
    bound = await in_phase(cluster, PERSISTENTVOLUMECLAIMS, "data", "Bound")
    uid = bound["metadata"]["uid"]
    assert await told(cluster, "data", "ProvisioningSucceeded") == f"Successfully provisioned volume pvc-{uid}"
    made = await cluster.client.get(PERSISTENTVOLUMES, f"pvc-{uid}")
    running = await in_phase(cluster, PODS, "user", "Running")
    machine = running["spec"]["nodeName"]
    assert made["spec"]["local"]["path"] == f"/var/lib/pilothouse/volumes/pvc-{uid}_default_data"
    terms = made["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert terms == [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [machine]}]}]
    assert made["metadata"]["labels"] == {localpath.MACHINE: machine}
    assert made["spec"]["persistentVolumeReclaimPolicy"] == "Delete"


async def test_folder_volume_goes_with_its_claim_once_the_agent_has_let_go(cluster: Cluster) -> None:
    await cluster.client.create(PERSISTENTVOLUMECLAIMS, claim())
    await cluster.client.create(PODS, pod())
    bound = await in_phase(cluster, PERSISTENTVOLUMECLAIMS, "data", "Bound")
    name = bound["spec"]["volumeName"]
    await cluster.client.delete(PODS, "user", "default")
    await cluster.client.delete(PERSISTENTVOLUMECLAIMS, "data", "default")

    async def held_by_agent() -> bool:
        obj = await found(cluster, PERSISTENTVOLUMES, name)
        return obj is not None and obj["metadata"].get("finalizers") == [localpath.FINALIZER]

    await eventually(held_by_agent)
    await made_by_agent(cluster, name)
    await gone(cluster, PERSISTENTVOLUMES, name)


async def test_folder_volume_of_a_machine_that_left_goes_without_its_agent(cluster: Cluster) -> None:
    await cluster.client.create(PERSISTENTVOLUMECLAIMS, claim())
    await cluster.client.create(PODS, pod())
    bound = await in_phase(cluster, PERSISTENTVOLUMECLAIMS, "data", "Bound")
    machine = (await in_phase(cluster, PODS, "user", "Running"))["spec"]["nodeName"]
    await cluster.client.delete(PODS, "user", "default", grace_period_seconds=0)
    await cluster.client.delete(PERSISTENTVOLUMECLAIMS, "data", "default")
    await cluster.client.delete(NODES, machine)
    await gone(cluster, PERSISTENTVOLUMES, bound["spec"]["volumeName"])


async def test_claim_grows_step_by_step(cluster: Cluster) -> None:
    await cluster.client.create(PERSISTENTVOLUMECLAIMS, claim())
    await cluster.client.create(PODS, pod())
    bound = await in_phase(cluster, PERSISTENTVOLUMECLAIMS, "data", "Bound")
    bigger = {"spec": {"resources": {"requests": {"storage": "5Gi"}}}}
    await cluster.client.patch(PERSISTENTVOLUMECLAIMS, "data", bigger, "default")

    async def grown() -> Json | None:
        obj = await cluster.client.get(PERSISTENTVOLUMECLAIMS, "data", "default")
        return obj if obj["status"]["capacity"] == {"storage": "5Gi"} else None

    status = (await eventually(grown))["status"]
    assert not status.get("conditions")
    assert status["allocatedResources"] == {"storage": "5Gi"}
    assert "allocatedResourceStatuses" not in status
    held = await cluster.client.get(PERSISTENTVOLUMES, bound["spec"]["volumeName"])
    assert held["spec"]["capacity"] == {"storage": "5Gi"}
    assert await told(cluster, "data", "VolumeResizeSuccessful") == "Resize volume succeeded"


async def test_ephemeral_volume_is_a_claim_that_its_pod_owns(cluster: Cluster) -> None:
    template = {"metadata": {"labels": {"kind": "scratch"}}, "spec": claim()["spec"]}
    volumes = [{"name": "scratch", "ephemeral": {"volumeClaimTemplate": template}}]
    await cluster.client.create(PODS, pod("worker", volumes=volumes))
    bound = await in_phase(cluster, PERSISTENTVOLUMECLAIMS, "worker-scratch", "Bound")
    assert bound["metadata"]["labels"] == {"kind": "scratch"}
    assert bound["metadata"]["ownerReferences"][0]["kind"] == "Pod"
    await cluster.client.delete(PODS, "worker", "default")
    await gone(cluster, PERSISTENTVOLUMECLAIMS, "worker-scratch")


async def test_class_that_the_user_removed_does_not_come_back(engine: RunningEngine) -> None:
    await engine.client.delete(STORAGECLASSES, localpath.CLASS)
    await stop_and_start(engine)


async def stop_and_start(engine: RunningEngine) -> None:
    """A second engine on a copy of the first one's data."""
    copied = engine.data_dir.parent / "copy"
    await engine.api.client("admin").list(STORAGECLASSES)
    from shutil import copytree

    copytree(engine.data_dir, copied, ignore=lambda _folder, names: [name for name in names if name == "run"])
    again, task = await start_engine(copied, controllers=False)
    try:
        assert (await again.client.list(STORAGECLASSES)).items == []
    finally:
        await stop_engine(again, task)


async def test_kubectl_shows_claims_and_volumes_in_upstreams_columns(engine: RunningEngine, cluster: Cluster) -> None:
    await cluster.client.create(PERSISTENTVOLUMES, volume())
    await cluster.client.create(PERSISTENTVOLUMECLAIMS, claim(storageClassName="manual"))
    await in_phase(cluster, PERSISTENTVOLUMECLAIMS, "data", "Bound")
    await in_phase(cluster, PERSISTENTVOLUMES, "disk", "Bound")
    claims = (await engine.kubectl("get", "pvc")).out.splitlines()
    assert claims[0].split() == [
        "NAME", "STATUS", "VOLUME", "CAPACITY", "ACCESS", "MODES", "STORAGECLASS", "VOLUMEATTRIBUTESCLASS", "AGE",
    ]  # fmt: skip
    assert claims[1].split()[:6] == ["data", "Bound", "disk", "10Gi", "RWO", "manual"]
    volumes = (await engine.kubectl("get", "pv")).out.splitlines()
    assert volumes[1].split()[:7] == ["disk", "10Gi", "RWO", "Retain", "Bound", "default/data", "manual"]
    classes = (await engine.kubectl("get", "sc")).out.splitlines()
    assert classes[1].split()[:6] == [
        "local-path", "(default)", "pilothouse.dev/local-path", "Delete", "WaitForFirstConsumer", "true",
    ]  # fmt: skip
    described = (await engine.kubectl("describe", "pvc", "data")).out
    assert "Status:        Bound" in described
    assert "Used By:       <none>" in described
    assert "pv.kubernetes.io/bind-completed: yes" in (await engine.kubectl("describe", "pvc", "data")).out


async def test_driver_that_attaches_is_asked_by_an_attachment_that_goes_with_the_pod(cluster: Cluster) -> None:
    source = {"driver": "disks.example", "volumeHandle": "h"}
    disk = volume(csi=source)
    del disk["spec"]["hostPath"]
    await cluster.client.create(PERSISTENTVOLUMES, disk)
    await cluster.client.create(PERSISTENTVOLUMECLAIMS, claim(storageClassName="manual"))
    await in_phase(cluster, PERSISTENTVOLUMECLAIMS, "data", "Bound")
    await cluster.client.create(PODS, pod())

    async def attachments() -> list[Json]:
        return (await cluster.client.list(VOLUMEATTACHMENTS)).items

    (made,) = await eventually(attachments)
    machine = (await in_phase(cluster, PODS, "user", "Running"))["spec"]["nodeName"]
    wanted = {"attacher": "disks.example", "nodeName": machine, "source": {"persistentVolumeName": "disk"}}
    assert made["spec"] == wanted
    await cluster.client.delete(PODS, "user", "default")

    async def none_left() -> bool:
        return not await attachments()

    await eventually(none_left)
