"""What one machine's agent may see and say of volumes: those of its pods, and the folders on its own disk."""

from typing import Any

import pytest

from apimachinery.client.client import Client
from apimachinery.objects import localpath
from apimachinery.objects.errors import Forbidden
from apimachinery.objects.resources import CSINODES, PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PODS
from engine.apiserver.inprocess import InProcessTransport
from engine.apiserver.request import User
from tests.engine.conftest import RunningEngine

Json = dict[str, Any]


def volume(name: str, *, claim: str = "", machine: str = "") -> Json:
    spec: Json = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "hostPath": {"path": f"/mnt/{name}"},
    }
    if claim:
        spec["claimRef"] = {"namespace": "default", "name": claim}
    labels = {localpath.MACHINE: machine} if machine else {}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "labels": labels, "finalizers": [localpath.FINALIZER]},
        "spec": spec,
    }


@pytest.fixture
def agent(engine: RunningEngine) -> Client:
    user = User("system:node:m1", ("system:nodes", "system:authenticated"))
    return Client(InProcessTransport(engine.api.pipe, user))


@pytest.fixture
async def volumes(engine: RunningEngine) -> None:
    for one in (
        volume("used", claim="data"),
        volume("unused", claim="other"),
        volume("own", machine="m1"),
        volume("theirs", machine="m2"),
    ):
        await engine.client.create(PERSISTENTVOLUMES, one)
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    await engine.client.create(PERSISTENTVOLUMECLAIMS, claim, "default")
    spec = {
        "nodeName": "m1",
        "containers": [{"name": "c", "image": "busybox"}],
        "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}],
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "user"}, "spec": spec}
    await engine.client.create(PODS, pod, "default")


@pytest.mark.usefixtures("volumes")
async def test_it_reads_volumes_that_its_pods_use_and_its_own_folders(agent: Client) -> None:
    for name in ("used", "own"):
        assert (await agent.get(PERSISTENTVOLUMES, name))["metadata"]["name"] == name
    for name in ("unused", "theirs"):
        with pytest.raises(Forbidden, match="no relationship found between node 'm1' and this object"):
            await agent.get(PERSISTENTVOLUMES, name)


async def test_it_reads_the_claims_of_ephemeral_volumes_of_its_pods(engine: RunningEngine, agent: Client) -> None:
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    spec = {
        "nodeName": "m1",
        "containers": [{"name": "c", "image": "busybox"}],
        "volumes": [{"name": "v", "ephemeral": {"volumeClaimTemplate": {"spec": claim}}}],
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "user"}, "spec": spec}
    await engine.client.create(PODS, pod, "default")
    body = {"metadata": {"name": "user-v"}, "spec": claim}
    await engine.client.create(PERSISTENTVOLUMECLAIMS, body, "default")
    assert (await agent.get(PERSISTENTVOLUMECLAIMS, "user-v", "default"))["metadata"]["name"] == "user-v"


@pytest.mark.usefixtures("volumes")
async def test_it_lists_its_own_folders_and_nothing_else(agent: Client) -> None:
    own = await agent.list(PERSISTENTVOLUMES, label_selector=f"{localpath.MACHINE}=m1")
    assert [one["metadata"]["name"] for one in own.items] == ["own"]
    for selector in ("", f"{localpath.MACHINE}=m2", f"{localpath.MACHINE} in (m1,m2)", f"x!=y,{localpath.MACHINE}=m1"):
        with pytest.raises(Forbidden, match="can only list and watch with labelSelector"):
            await agent.list(PERSISTENTVOLUMES, label_selector=selector)


@pytest.mark.usefixtures("volumes")
async def test_it_marks_and_lets_go_of_its_own_folders_and_changes_nothing_else(agent: Client) -> None:
    await agent.patch(PERSISTENTVOLUMES, "own", {"metadata": {"annotations": {localpath.MADE: "true"}}})
    with pytest.raises(Forbidden, match="can only update the mark and the finalizer of its folder"):
        await agent.patch(PERSISTENTVOLUMES, "own", {"spec": {"persistentVolumeReclaimPolicy": "Delete"}})
    with pytest.raises(Forbidden, match="can only update the mark and the finalizer of its folder"):
        await agent.patch(PERSISTENTVOLUMES, "own", {"metadata": {"annotations": {"a": "b"}}})
    with pytest.raises(Forbidden, match="can only update the mark and the finalizer of its folder"):
        await agent.patch(PERSISTENTVOLUMES, "own", {"metadata": {"labels": {localpath.MACHINE: "m2"}}})
    for name in ("theirs", "used"):
        with pytest.raises(Forbidden):
            await agent.patch(PERSISTENTVOLUMES, name, {"metadata": {"finalizers": None}})
    with pytest.raises(Forbidden):
        await agent.delete(PERSISTENTVOLUMES, "own")
    protected = ["kubernetes.io/pv-protection"]
    left = await agent.patch(PERSISTENTVOLUMES, "own", {"metadata": {"finalizers": protected}})
    assert left["metadata"]["finalizers"] == protected


@pytest.mark.usefixtures("volumes")
async def test_of_a_claim_it_may_only_say_how_far_it_has_grown(agent: Client) -> None:
    grown = {"status": {"capacity": {"storage": "2Gi"}}}
    await agent.patch(PERSISTENTVOLUMECLAIMS, "data", grown, "default", subresource="status")
    with pytest.raises(Forbidden, match=r"not allowed to update fields other than status.capacity"):
        lost = {"status": {"phase": "Lost"}}
        await agent.patch(PERSISTENTVOLUMECLAIMS, "data", lost, "default", subresource="status")


async def test_it_writes_its_own_csi_node_and_no_other(agent: Client) -> None:
    def csi_node(name: str) -> Json:
        return {"metadata": {"name": name}, "spec": {"drivers": []}}

    await agent.create(CSINODES, csi_node("m1"))
    with pytest.raises(Forbidden, match="can only access CSINode with the same name as the requesting node"):
        await agent.create(CSINODES, csi_node("m2"))
    with pytest.raises(Forbidden):
        await agent.get(CSINODES, "m2")
