"""A storage driver on one real machine: found by its socket, told to the API, asked to mount for pods."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from apimachinery.objects.resources import (
    CSIDRIVERS,
    CSINODES,
    NODES,
    PERSISTENTVOLUMECLAIMS,
    PERSISTENTVOLUMES,
    PODS,
    SECRETS,
    VOLUMEATTACHMENTS,
)
from nodeagent.pods.drivers import attachment_name
from tests.nodeagent.conftest import Cluster, events, log_text, pod_manifest, ready, run_pod, until, until_gone
from tests.nodeagent.volumes.csi.driver import NAME, FolderDriver, serving

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]
Json = dict[str, Any]


def registry(cluster: Cluster) -> Path:
    return Path(cluster.config.kubelet_dir) / "plugins_registry"


async def described(cluster: Cluster, **spec: Any) -> None:
    body = {"metadata": {"name": NAME}, "spec": {"attachRequired": False, **spec}}
    await cluster.client.create(CSIDRIVERS, body)


async def bound(cluster: Cluster, name: str = "data", **source: Any) -> None:
    claim = await cluster.client.create(
        PERSISTENTVOLUMECLAIMS,
        {
            "metadata": {"name": name},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}},
                "volumeName": f"pv-{name}",
                "storageClassName": "",
            },
        },
        "default",
    )
    reference = {"kind": "PersistentVolumeClaim", "namespace": "default", "name": name, "uid": claim["metadata"]["uid"]}
    spec = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "claimRef": reference,
        "csi": {"driver": NAME, "volumeHandle": f"vol-{name}", "volumeAttributes": {"shelf": "top"}, **source},
    }
    await cluster.client.create(PERSISTENTVOLUMES, {"metadata": {"name": f"pv-{name}"}, "spec": spec})
    status = {"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}}
    await cluster.client.patch(PERSISTENTVOLUMECLAIMS, name, status, "default", subresource="status")


def user(name: str, claim: str = "data", command: str = "sleep 1000000", **spec: Any) -> Json:
    volumes = spec.pop("volumes", [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}])
    mounted = {"volumeMounts": [{"name": "v", "mountPath": "/data"}]}
    return pod_manifest(name, command, container=mounted, volumes=volumes, **spec)


async def eventually(look: Callable[[], object], timeout: float = 20) -> None:
    for _ in range(int(timeout * 20)):
        if look():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(look())


def mounts(cluster: Cluster) -> list[str]:
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return sorted(point for point in points if point.startswith(cluster.config.kubelet_dir))


async def test_driver_that_comes_and_goes_is_told_to_the_api(cluster: Cluster, tmp_path: Path) -> None:
    await cluster.start_agent()
    async with serving(FolderDriver(tmp_path), registry(cluster)) as driver:
        await eventually(lambda: driver.notified)
        assert driver.notified == [(True, "")]
        listed = (await cluster.client.get(CSINODES, "m1"))["spec"]["drivers"]
        assert listed == [
            {
                "name": NAME,
                "nodeID": "folders-m1",
                "topologyKeys": ["topology.folders.csi.example/zone"],
                "allocatable": {"count": 7},
            }
        ]
        meta = (await cluster.client.get(NODES, "m1"))["metadata"]
        assert meta["labels"]["topology.folders.csi.example/zone"] == "attic"
        assert meta["annotations"]["csi.volume.kubernetes.io/nodeid"] == f'{{"{NAME}":"folders-m1"}}'

    async def gone() -> bool:
        return not (await cluster.client.get(CSINODES, "m1"))["spec"].get("drivers")

    for _ in range(100):
        if await gone():
            break
        await asyncio.sleep(0.1)
    assert await gone()


async def test_plugin_of_another_kind_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    await cluster.start_agent()
    async with serving(FolderDriver(tmp_path, kind="DevicePlugin"), registry(cluster)) as driver:
        await eventually(lambda: driver.notified)
        (registered, error), *_ = driver.notified
        assert not registered
        assert "no handler registered for plugin type: DevicePlugin" in error


async def test_volume_is_staged_once_published_for_each_pod_and_taken_back(cluster: Cluster, tmp_path: Path) -> None:
    await cluster.start_agent()
    await described(cluster, podInfoOnMount=True)
    secret = {"metadata": {"name": "key"}, "data": {"password": "b3Blbg=="}}
    await cluster.client.create(SECRETS, secret, "default")
    async with serving(FolderDriver(tmp_path), registry(cluster)) as driver:
        await eventually(lambda: driver.notified)
        await bound(cluster, nodePublishSecretRef={"name": "key", "namespace": "default"}, fsType="ext4")
        await run_pod(cluster, user("first", command="echo kept > /data/file; sleep 1000000"))
        await run_pod(cluster, user("second", command="cat /data/file; sleep 1000000"))
        published = driver.last("NodePublishVolume")
        assert published.volume_context["shelf"] == "top"
        assert published.volume_context["csi.storage.k8s.io/pod.name"] == "second"
        assert dict(published.secrets) == {"password": "open"}
        assert published.volume_capability.mount.fs_type == "ext4"
        for _ in range(50):
            if await log_text(cluster, "second") == "kept\n":
                break
            await asyncio.sleep(0.1)
        assert await log_text(cluster, "second") == "kept\n"
        assert len(mounts(cluster)) == 3
        for name in ("first", "second"):
            assert "NodeUnstageVolume" not in driver.names
            await cluster.client.delete(PODS, name, "default")
            await until_gone(cluster, name)
        assert driver.names.count("NodeUnpublishVolume") == 2
        assert driver.names.count("NodeUnstageVolume") == 1
        assert mounts(cluster) == []
        assert (tmp_path / "disks" / "vol-data" / "file").read_text() == "kept\n"
        assert left(cluster, "pods") == []


def left(cluster: Cluster, folder: str) -> list[str]:
    return sorted(path.name for path in (Path(cluster.config.kubelet_dir) / folder).glob("*"))


async def test_pod_waits_for_its_volume_to_be_attached(cluster: Cluster, tmp_path: Path) -> None:
    await cluster.start_agent()
    await described(cluster, attachRequired=True)
    async with serving(FolderDriver(tmp_path), registry(cluster)) as driver:
        await eventually(lambda: driver.notified)
        await bound(cluster)
        await cluster.client.create(PODS, user("web"), "default")
        await asyncio.sleep(1.5)
        assert "NodeStageVolume" not in driver.names
        name = attachment_name(NAME, "vol-data", "m1")
        spec = {"attacher": NAME, "nodeName": "m1", "source": {"persistentVolumeName": "pv-data"}}
        await cluster.client.create(VOLUMEATTACHMENTS, {"metadata": {"name": name}, "spec": spec})
        status = {"status": {"attached": True, "attachmentMetadata": {"device": "/dev/x"}}}
        await cluster.client.patch(VOLUMEATTACHMENTS, name, status, subresource="status")
        await until(cluster, "web", ready, timeout=20)
        assert dict(driver.last("NodeStageVolume").publish_context) == {"device": "/dev/x"}


async def test_what_a_driver_refuses_is_told_on_the_pod(cluster: Cluster, tmp_path: Path) -> None:
    await cluster.start_agent()
    await described(cluster)
    refusing = FolderDriver(tmp_path, refuses={"NodeStageVolume": "the disk is on fire"})
    async with serving(refusing, registry(cluster)) as driver:
        await eventually(lambda: driver.notified)
        await bound(cluster)
        await cluster.client.create(PODS, user("web"), "default")
        text = 'MountVolume.MountDevice failed for volume "pv-data" : rpc error: code = Internal desc = the disk is on fire'
        for _ in range(60):
            if ("Warning", "FailedMount", text) in await events(cluster, "web"):
                break
        assert ("Warning", "FailedMount", text) in await events(cluster, "web")
        driver.refuses.clear()
        await until(cluster, "web", ready, timeout=30)


async def test_inline_volume_is_published_without_claim(cluster: Cluster, tmp_path: Path) -> None:
    await cluster.start_agent()
    await described(cluster, volumeLifecycleModes=["Ephemeral"])
    async with serving(FolderDriver(tmp_path), registry(cluster)) as driver:
        await eventually(lambda: driver.notified)
        inline = [{"name": "v", "csi": {"driver": NAME, "volumeAttributes": {"size": "small"}}}]
        await run_pod(cluster, user("web", volumes=inline, command="touch /data/x; sleep 1000000"))
        published = driver.last("NodePublishVolume")
        assert published.volume_id.startswith("csi-")
        assert published.staging_target_path == ""
        assert dict(published.volume_context) == {"size": "small"}
        await cluster.client.delete(PODS, "web", "default")
        await until_gone(cluster, "web")
        assert mounts(cluster) == []


async def test_restarted_agent_finds_what_is_mounted_and_takes_it_back(cluster: Cluster, tmp_path: Path) -> None:
    await cluster.start_agent()
    await described(cluster)
    async with serving(FolderDriver(tmp_path), registry(cluster)) as driver:
        await eventually(lambda: driver.notified)
        await bound(cluster)
        await run_pod(cluster, user("web"))
        await cluster.stop_agent()
        driver.calls.clear()
        await cluster.start_agent()
        await eventually(lambda: len(driver.notified) == 2)
        await asyncio.sleep(1)
        assert "NodePublishVolume" not in driver.names
        await cluster.client.delete(PODS, "web", "default")
        await until_gone(cluster, "web")
        assert driver.names.count("NodeUnstageVolume") == 1
        assert mounts(cluster) == []


async def test_file_system_of_a_grown_volume_grows_and_the_claim_says_so(cluster: Cluster, tmp_path: Path) -> None:
    await cluster.start_agent()
    await described(cluster)
    async with serving(FolderDriver(tmp_path), registry(cluster)) as driver:
        await eventually(lambda: driver.notified)
        await bound(cluster)
        await run_pod(cluster, user("web"))
        await cluster.client.patch(PERSISTENTVOLUMES, "pv-data", {"spec": {"capacity": {"storage": "2Gi"}}})
        pending = {"type": "FileSystemResizePending", "status": "True"}
        status = {"status": {"conditions": [pending]}}
        await cluster.client.patch(PERSISTENTVOLUMECLAIMS, "data", status, "default", subresource="status")
        await eventually(lambda: "NodeExpandVolume" in driver.names, timeout=40)
        assert driver.last("NodeExpandVolume").capacity_range.required_bytes == 2 * 1024**3
        await asyncio.sleep(0.5)
        grown = (await cluster.client.get(PERSISTENTVOLUMECLAIMS, "data", "default"))["status"]
        assert grown["capacity"] == {"storage": "2Gi"}
        assert not grown.get("conditions")
        text = 'MountVolume.NodeExpandVolume succeeded for volume "pv-data" m1'
        assert ("Normal", "FileSystemResizeSuccessful", text) in await events(cluster, "web")


async def test_volume_is_given_to_the_pods_group_as_the_driver_asks(cluster: Cluster, tmp_path: Path) -> None:
    await cluster.start_agent()
    await described(cluster, fsGroupPolicy="File")
    async with serving(FolderDriver(tmp_path), registry(cluster)) as driver:
        await eventually(lambda: driver.notified)
        await bound(cluster)
        await run_pod(cluster, user("web", securityContext={"fsGroup": 4242}))
        assert group_of(tmp_path / "disks" / "vol-data") == 4242


def group_of(path: Path) -> int:
    return path.stat().st_gid
