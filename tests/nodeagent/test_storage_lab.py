"""Pods with claims on one real machine: what they see, what they wait for, what is left when they are gone."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from apimachinery.objects import localpath
from apimachinery.objects.errors import NotFound
from apimachinery.objects.resources import NODES, PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PODS
from tests.nodeagent.conftest import (
    Cluster,
    container,
    events,
    log_text,
    phase,
    pod_manifest,
    ready,
    run_pod,
    until,
    until_gone,
    waiting,
)

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]
Json = dict[str, Any]


async def bound(cluster: Cluster, name: str, source: Json, **spec: Any) -> Json:
    """A claim and the volume that holds it, as the engine's binder leaves them; the volume."""
    claim_spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    modes = spec.pop("accessModes", ["ReadWriteOnce"])
    labels, finalizers = spec.pop("labels", {}), spec.pop("finalizers", [])
    annotations = spec.pop("annotations", {})
    claim = await cluster.client.create(
        PERSISTENTVOLUMECLAIMS,
        {
            "metadata": {"name": name},
            "spec": {**claim_spec, "accessModes": modes, "volumeName": f"pv-{name}", "storageClassName": "",
                     "volumeMode": spec.get("volumeMode", "Filesystem")},
        },
        "default",
    )  # fmt: skip
    reference = {"kind": "PersistentVolumeClaim", "namespace": "default", "name": name, "uid": claim["metadata"]["uid"]}
    volume = await cluster.client.create(
        PERSISTENTVOLUMES,
        {
            "metadata": {"name": f"pv-{name}", "labels": labels, "finalizers": finalizers, "annotations": annotations},
            "spec": {"capacity": {"storage": "1Gi"}, "accessModes": modes, "claimRef": reference, **source, **spec},
        },
    )
    for resource, called, where in (
        (PERSISTENTVOLUMECLAIMS, name, "default"),
        (PERSISTENTVOLUMES, f"pv-{name}", None),
    ):
        await cluster.client.patch(resource, called, {"status": {"phase": "Bound"}}, where, subresource="status")
    return volume


def with_claim(pod: str, name: str, command: str = "sleep 1000000", **spec: Any) -> Json:
    mount = {"name": "v", "mountPath": "/data", **spec.pop("mount", {})}
    claim = {"claimName": name, **spec.pop("claim", {})}
    volumes = [{"name": "v", "persistentVolumeClaim": claim}]
    more = spec.pop("container", {})
    return pod_manifest(pod, command, container={"volumeMounts": [mount], **more}, volumes=volumes, **spec)


def folder_source(cluster: Cluster, name: str) -> Json:
    path = f"{cluster.config.volume_dir}/{name}"
    affinity = {
        "required": {
            "nodeSelectorTerms": [
                {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["m1"]}]}
            ]
        }
    }
    return {"local": {"path": path}, "nodeAffinity": affinity}


OURS: Json = {
    "labels": {localpath.MACHINE: "m1"},
    "annotations": {localpath.PROVISIONED_BY: localpath.PROVISIONER},
    "finalizers": [localpath.FINALIZER],
    "persistentVolumeReclaimPolicy": "Delete",
}


async def without_claim(cluster: Cluster, name: str) -> None:
    """Delete a claim; no controller runs here that would lift its protection."""
    await cluster.client.patch(PERSISTENTVOLUMECLAIMS, name, {"metadata": {"finalizers": None}}, "default")
    await cluster.client.delete(PERSISTENTVOLUMECLAIMS, name, "default")


async def released(cluster: Cluster, name: str) -> None:
    """What the engine does once the claim is gone."""
    await without_claim(cluster, name)
    await cluster.client.patch(PERSISTENTVOLUMES, f"pv-{name}", {"metadata": {"finalizers": [localpath.FINALIZER]}})
    status = {"status": {"phase": "Released"}}
    await cluster.client.patch(PERSISTENTVOLUMES, f"pv-{name}", status, subresource="status")
    await cluster.client.delete(PERSISTENTVOLUMES, f"pv-{name}")


async def until_volume_gone(cluster: Cluster, name: str) -> None:
    for _ in range(200):
        try:
            await cluster.client.get(PERSISTENTVOLUMES, f"pv-{name}")
        except NotFound:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(await cluster.client.get(PERSISTENTVOLUMES, f"pv-{name}"))


async def test_folder_is_made_for_a_claim_keeps_its_data_and_goes_with_it(cluster: Cluster) -> None:
    await cluster.start_agent()
    await bound(cluster, "data", folder_source(cluster, "pvc-1"), **OURS)
    await run_pod(cluster, with_claim("first", "data", "echo kept > /data/file; sleep 1000000"))
    folder = Path(cluster.config.volume_dir) / "pvc-1"
    volume = await cluster.client.get(PERSISTENTVOLUMES, "pv-data")
    assert volume["metadata"]["annotations"][localpath.MADE] == "true"
    await cluster.client.delete(PODS, "first", "default")
    await until_gone(cluster, "first")
    assert (folder / "file").read_text() == "kept\n"
    await run_pod(cluster, with_claim("second", "data", "cat /data/file", restartPolicy="Never"), phase("Succeeded"))
    assert await log_text(cluster, "second") == "kept\n"
    await cluster.client.delete(PODS, "second", "default")
    await until_gone(cluster, "second")
    await released(cluster, "data")
    await until_volume_gone(cluster, "data")
    assert not folder.exists()
    await until_empty(cluster.config.pod_dir)
    await until_empty(f"{cluster.config.state_dir}/claims")


async def test_retained_folder_stays_when_its_volume_goes(cluster: Cluster) -> None:
    await cluster.start_agent()
    await bound(cluster, "data", folder_source(cluster, "pvc-2"), **{**OURS, "persistentVolumeReclaimPolicy": "Retain"})
    folder = Path(cluster.config.volume_dir) / "pvc-2"
    for _ in range(100):
        if folder.exists():
            break
        await asyncio.sleep(0.05)
    (folder / "file").touch()
    await released(cluster, "data")
    await until_volume_gone(cluster, "data")
    assert (folder / "file").exists()


async def test_lost_folder_is_not_made_a_second_time(cluster: Cluster) -> None:
    await cluster.start_agent()
    ours = {**OURS, "annotations": {**OURS["annotations"], localpath.MADE: "true"}}
    await bound(cluster, "data", folder_source(cluster, "lost"), **ours)
    path = f"{cluster.config.volume_dir}/lost"
    await cluster.client.create(PODS, with_claim("web", "data"), "default")
    text = f'MountVolume.NewMounter initialization failed for volume "pv-data" : path "{path}" does not exist'
    await told(cluster, "web", ("Warning", "FailedMount", text))
    assert left(cluster.config.volume_dir) == []


async def told(cluster: Cluster, pod: str, event: tuple[str, str, str]) -> None:
    listed: list[tuple[str, str, str]] = []
    for _ in range(60):
        listed = await events(cluster, pod)
        if event in listed:
            return
    raise AssertionError(listed)


async def test_path_outside_of_the_agents_folder_is_neither_made_nor_removed(cluster: Cluster, tmp_path: Path) -> None:
    await cluster.start_agent()
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    source = {**folder_source(cluster, "x"), "local": {"path": str(precious)}}
    await bound(cluster, "data", source, **OURS)
    await released(cluster, "data")
    await asyncio.sleep(1.5)
    assert (precious / "file").exists()
    held = await cluster.client.get(PERSISTENTVOLUMES, "pv-data")
    assert held["metadata"]["finalizers"] == [localpath.FINALIZER]


async def test_pod_waits_for_a_claim_that_is_not_bound_and_starts_once_it_is(cluster: Cluster, tmp_path: Path) -> None:
    await cluster.start_agent()
    await cluster.client.create(PODS, with_claim("web", "data"), "default")
    text = (
        "Unable to attach or mount volumes: unmounted volumes=[v], unattached volumes=[], failed to process"
        " volumes=[v]: error processing PVC default/data: failed to fetch PVC from API server:"
        ' persistentvolumeclaims "data" not found'
    )
    await told(cluster, "web", ("Warning", "FailedMount", text))
    assert waiting("ContainerCreating")(await cluster.client.get(PODS, "web", "default"))
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": ""}
    await cluster.client.create(PERSISTENTVOLUMECLAIMS, {"metadata": {"name": "data"}, "spec": spec}, "default")
    text = (
        "Unable to attach or mount volumes: unmounted volumes=[v], unattached volumes=[], failed to process"
        " volumes=[v]: error processing PVC default/data: PVC is not bound"
    )
    await told(cluster, "web", ("Warning", "FailedMount", text))
    await without_claim(cluster, "data")
    await bound(cluster, "data", {"hostPath": {"path": str(tmp_path), "type": "Directory"}})
    await until(cluster, "web", ready, timeout=20)


async def test_host_path_volume_is_shown_and_read_only_where_asked(cluster: Cluster, tmp_path: Path) -> None:
    await cluster.start_agent()
    (tmp_path / "index.html").write_text("Hello from Kubernetes storage")
    await bound(cluster, "data", {"hostPath": {"path": str(tmp_path)}})
    script = "cat /data/index.html; touch /data/new || echo refused; sleep 1000000"
    await run_pod(cluster, with_claim("web", "data", script, claim={"readOnly": True}))
    for _ in range(50):
        text = await log_text(cluster, "web")
        if "refused" in text:
            break
        await asyncio.sleep(0.1)
    assert "Hello from Kubernetes storage" in text
    assert "refused" in text
    assert not (tmp_path / "new").exists()


async def test_claim_for_one_pod_only_is_refused_to_the_second_until_the_first_is_gone(
    cluster: Cluster, tmp_path: Path
) -> None:
    await cluster.start_agent()
    await bound(cluster, "data", {"hostPath": {"path": str(tmp_path)}}, accessModes=["ReadWriteOncePod"])
    await run_pod(cluster, with_claim("first", "data"))
    await cluster.client.create(PODS, with_claim("second", "data"), "default")
    text = (
        "Unable to attach or mount volumes: unmounted volumes=[v], unattached volumes=[], failed to process"
        " volumes=[v]: volume uses the ReadWriteOncePod access mode and is already in use by another pod"
    )
    await told(cluster, "second", ("Warning", "FailedMount", text))
    await cluster.client.delete(PODS, "first", "default")
    await until(cluster, "second", ready, timeout=20)


async def test_parts_of_a_volume_survive_restarts_of_container_and_agent(cluster: Cluster, tmp_path: Path) -> None:
    await cluster.start_agent()
    await bound(cluster, "data", {"hostPath": {"path": str(tmp_path)}})
    mount = {"subPathExpr": "$(NAME)/logs"}
    env = {"env": [{"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}
    script = "echo again >> /data/file; sleep 2; test $(wc -l < /data/file) -gt 1 && sleep 1000000; exit 1"
    await run_pod(cluster, with_claim("web", "data", script, mount=mount, container=env))
    await until(cluster, "web", lambda pod: container(pod)["restartCount"] == 1 and ready(pod), timeout=40)
    assert (tmp_path / "web" / "logs" / "file").read_text() == "again\nagain\n"
    mounted = mounts(cluster)
    assert len([one for one in mounted if "/volume-subpaths/v/main/0" in one]) == 1
    await cluster.stop_agent()
    await cluster.start_agent()
    await asyncio.sleep(1)
    assert mounts(cluster) == mounted
    await cluster.client.delete(PODS, "web", "default")
    await until_gone(cluster, "web")
    await until_empty(cluster.config.pod_dir)
    assert mounts(cluster) == []
    assert (tmp_path / "web" / "logs" / "file").exists()


async def until_empty(folder: str) -> None:
    """The last traces go a moment after the pod's object."""
    for _ in range(100):
        if not left(folder):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(left(folder))


def left(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).glob("*"))


def mounts(cluster: Cluster) -> list[str]:
    """Those in the pods' folders."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return sorted(point for point in points if point.startswith(cluster.config.pod_dir))


async def test_link_in_a_volume_does_not_lead_to_the_machines_files(cluster: Cluster, tmp_path: Path) -> None:
    await cluster.start_agent()
    (tmp_path / "out").symlink_to("/etc")
    await bound(cluster, "data", {"hostPath": {"path": str(tmp_path)}})
    manifest = with_claim("web", "data", mount={"subPath": "out"})
    pod = await run_pod(cluster, manifest, waiting("CreateContainerConfigError"))
    message = container(pod)["state"]["waiting"]["message"]
    assert message == 'failed to prepare subPath for volumeMount "v" of container "main"'


async def test_volume_of_a_folder_belongs_to_the_pods_group(cluster: Cluster) -> None:
    await cluster.start_agent()
    await bound(cluster, "data", folder_source(cluster, "pvc-3"), **OURS)
    user = {"fsGroup": 4242, "runAsUser": 1000}
    await run_pod(cluster, with_claim("web", "data", "touch /data/file && sleep 1000000", securityContext=user))
    folder = Path(cluster.config.volume_dir) / "pvc-3"
    assert folder.stat().st_gid == 4242
    for _ in range(50):
        if (folder / "file").exists():
            break
        await asyncio.sleep(0.1)
    assert ((folder / "file").stat().st_uid, (folder / "file").stat().st_gid) == (1000, 4242)


async def test_pod_with_a_claim_starts_again_while_the_engine_is_away(cluster: Cluster, tmp_path: Path) -> None:
    await cluster.start_agent()
    await bound(cluster, "data", {"hostPath": {"path": str(tmp_path)}})
    await run_pod(cluster, with_claim("web", "data", "date >> /data/starts; sleep 1000000"))
    await without_claim(cluster, "data")
    await cluster.stop_agent()
    cluster.machine.kill_everything()
    await cluster.start_agent()
    for _ in range(200):
        if len((tmp_path / "starts").read_text().splitlines()) == 2:
            break
        await asyncio.sleep(0.1)
    assert len((tmp_path / "starts").read_text().splitlines()) == 2


async def test_export_that_cannot_be_mounted_is_told(cluster: Cluster) -> None:
    await cluster.start_agent()
    volumes = [{"name": "v", "nfs": {"server": "127.0.0.1", "path": "/export"}}]
    mounted = {"volumeMounts": [{"name": "v", "mountPath": "/data"}]}
    await cluster.client.create(PODS, pod_manifest("web", container=mounted, volumes=volumes), "default")
    for _ in range(60):
        found = [text for _, reason, text in await events(cluster, "web") if reason == "FailedMount"]
        if found:
            break
    assert found[0].startswith('MountVolume.SetUp failed for volume "v" : ')
    await cluster.client.delete(PODS, "web", "default")
    await until_gone(cluster, "web")
    assert mounts(cluster) == []


async def test_block_device_is_a_device_in_the_container(cluster: Cluster, tmp_path: Path) -> None:
    await cluster.start_agent()
    device = tmp_path / "disk"
    os.mknod(device, 0o060600, os.makedev(7, 250))
    source = {**folder_source(cluster, "x"), "local": {"path": str(device)}}
    await bound(cluster, "data", source, volumeMode="Block")
    script = "test -b /dev/xvda && echo block; sleep 1000000"
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]
    devices = {"volumeDevices": [{"name": "v", "devicePath": "/dev/xvda"}]}
    await run_pod(cluster, pod_manifest("web", script, container=devices, volumes=volumes))
    for _ in range(50):
        text = await log_text(cluster, "web")
        if text:
            break
        await asyncio.sleep(0.1)
    assert text == "block\n"


async def test_node_tells_where_its_volumes_are_and_how_much_room_there_is(cluster: Cluster) -> None:
    await cluster.start_agent()
    await asyncio.sleep(1)
    annotations = (await cluster.client.get(NODES, "m1"))["metadata"]["annotations"]
    assert annotations[localpath.ROOT] == cluster.config.volume_dir
    assert annotations[localpath.CAPACITY].endswith("i")


async def test_pod_is_evicted_when_its_empty_dir_holds_more_than_it_may(cluster: Cluster) -> None:
    await cluster.start_agent()
    volumes = [{"name": "cache", "emptyDir": {"sizeLimit": "1Mi"}}]
    mounted = {"volumeMounts": [{"name": "cache", "mountPath": "/cache"}]}
    script = "dd if=/dev/zero of=/cache/file bs=1M count=3; sleep 1000000"
    pod = await run_pod(cluster, pod_manifest("greedy", script, container=mounted, volumes=volumes))
    pod = await until(cluster, "greedy", phase("Failed"), timeout=30)
    assert pod["status"]["reason"] == "Evicted"
    assert pod["status"]["message"] == 'Usage of EmptyDir volume "cache" exceeds the limit "1Mi". '
