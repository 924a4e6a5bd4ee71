"""Built-in admission: what pods, claims, machines and owners are given or refused, in upstream's words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from apimachinery.objects.errors import StatusError
from apimachinery.objects.resources import (
    CONFIGMAPS,
    NODES,
    PERSISTENTVOLUMECLAIMS,
    PODS,
    RESOURCEQUOTAS,
    SERVICEACCOUNTS,
    Resource,
)
from tests.engine.conftest import RunningEngine, start_engine, stop_engine

Json = dict[str, Any]
RUNTIMECLASSES = Resource("node.k8s.io", "v1", "runtimeclasses", "RuntimeClass", namespaced=False)
STORAGECLASSES = Resource("storage.k8s.io", "v1", "storageclasses", "StorageClass", namespaced=False)
LIMITRANGES = Resource("", "v1", "limitranges", "LimitRange", namespaced=True)


def pod(name: str = "p", **spec: Any) -> Json:
    containers = [{"name": "a", "image": "x", "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "1"}}}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": containers, **spec}}


async def runtime_class(engine: RunningEngine, name: str, **more: Any) -> None:
    made = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}, "handler": "h", **more}
    await engine.client.create(RUNTIMECLASSES, made)


async def test_runtime_class_gives_overhead_and_places(engine: RunningEngine) -> None:
    toleration = {"key": "vm", "operator": "Exists"}
    scheduling = {"nodeSelector": {"vm": "yes"}, "tolerations": [toleration]}
    await runtime_class(engine, "vm", overhead={"podFixed": {"memory": "64Mi"}}, scheduling=scheduling)
    made = await engine.client.create(PODS, pod(runtimeClassName="vm", nodeSelector={"disk": "ssd"}), "default")
    assert made["spec"]["overhead"] == {"memory": "64Mi"}
    assert made["spec"]["nodeSelector"] == {"disk": "ssd", "vm": "yes"}
    assert toleration in made["spec"]["tolerations"]


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        pytest.param({"runtimeClassName": "none"}, 'pod rejected: RuntimeClass "none" not found', id="unknown"),
        pytest.param(
            {"overhead": {"cpu": "1"}},
            "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead", id="own-overhead",
        ),
        pytest.param(
            {"runtimeClassName": "vm", "overhead": {"memory": "1Mi"}},
            "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead", id="other-overhead",
        ),
        pytest.param(
            {"runtimeClassName": "vm", "nodeSelector": {"vm": "no"}},
            "conflict: runtimeClass.scheduling.nodeSelector[vm] = yes; pod.spec.nodeSelector[vm] = no", id="conflict",
        ),
        pytest.param(
            {"serviceAccountName": "none"},
            'error looking up service account default/none: serviceaccount "none" not found', id="no-account",
        ),
        pytest.param(
            {"serviceAccountName": "strict", "volumes": [{"name": "v", "secret": {"secretName": "other"}}]},
            'volume with secret.secretName="other" is not allowed because service account strict does not reference that'
            " secret", id="secret",
        ),
        pytest.param(
            {"serviceAccountName": "strict", "imagePullSecrets": [{"name": "other"}]},
            'imagePullSecrets[0].name="other" is not allowed because service account strict does not reference that'
            " imagePullSecret", id="pull-secret",
        ),
    ],
)  # fmt: skip
async def test_pods_are_refused_in_upstreams_words(engine: RunningEngine, spec: Json, text: str) -> None:
    await runtime_class(
        engine, "vm", overhead={"podFixed": {"memory": "64Mi"}}, scheduling={"nodeSelector": {"vm": "yes"}}
    )
    account = {
        "apiVersion": "v1", "kind": "ServiceAccount", "secrets": [{"name": "mine"}],
        "metadata": {"name": "strict", "annotations": {"kubernetes.io/enforce-mountable-secrets": "true"}},
    }  # fmt: skip
    await engine.client.create(SERVICEACCOUNTS, account, "default")
    with pytest.raises(StatusError) as refused:
        await engine.client.create(PODS, pod(**spec), "default")
    assert refused.value.message == f'pods "p" is forbidden: {text}'
    assert refused.value.code == 403


async def test_mirror_pods_use_nothing_of_the_api(engine: RunningEngine) -> None:
    made = pod(serviceAccountName="default", nodeName="n")
    made["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    with pytest.raises(StatusError, match="a mirror pod may not reference service accounts"):
        await engine.client.create(PODS, made, "default")


async def test_pods_get_the_zone_of_their_machine(engine: RunningEngine) -> None:
    labels = {"topology.kubernetes.io/zone": "z", "topology.kubernetes.io/region": "r", "other": "x"}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "labels": labels}}
    made = await engine.client.create(NODES, node)
    assert made["spec"]["taints"] == [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]
    direct = pod("direct", nodeName="n")
    direct["metadata"]["labels"] = {"topology.kubernetes.io/zone": "own"}
    found = await engine.client.create(PODS, direct, "default")
    assert found["metadata"]["labels"] == {"topology.kubernetes.io/zone": "own", "topology.kubernetes.io/region": "r"}
    await engine.client.create(PODS, pod("bound"), "default")
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "bound"},
        "target": {"kind": "Node", "name": "n"},
    }
    path = "/api/v1/namespaces/default/pods/bound/binding"
    await engine.client.call(
        "POST", path, headers={"content-type": "application/json"}, body=json.dumps(binding).encode()
    )
    found = await engine.client.get(PODS, "bound", "default")
    assert found["metadata"]["labels"] == {name: labels[name] for name in labels if name != "other"}


def claim(size: str, name: str = "c") -> Json:
    return {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "s", "resources": {"requests": {"storage": size}}},
    }  # fmt: skip


async def test_claims_grow_only_where_class_and_limits_let_them(engine: RunningEngine) -> None:
    client = engine.client
    storage = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "s"},
        "provisioner": "x/y",
    }
    await client.create(STORAGECLASSES, storage)
    made = await client.create(PERSISTENTVOLUMECLAIMS, claim("1Gi"), "default")
    assert made["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    grow = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
    await client.patch(
        PERSISTENTVOLUMECLAIMS, "c", {"status": {"phase": "Bound"}}, "default", kind="merge", subresource="status"
    )
    with pytest.raises(StatusError) as refused:
        await client.patch(PERSISTENTVOLUMECLAIMS, "c", grow, "default", kind="merge")
    assert refused.value.message == (
        'persistentvolumeclaims "c" is forbidden: only dynamically provisioned pvc can be resized and the storageclass'
        " that provisions the pvc must support resize"
    )
    await client.patch(STORAGECLASSES, "s", {"allowVolumeExpansion": True}, kind="merge")
    limits = [{"type": "PersistentVolumeClaim", "max": {"storage": "1500Mi"}}]
    limit = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "l"}, "spec": {"limits": limits}}
    await client.create(LIMITRANGES, limit, "default")
    with pytest.raises(
        StatusError, match="maximum storage usage per PersistentVolumeClaim is 1500Mi, but request is 2Gi"
    ):
        await client.patch(PERSISTENTVOLUMECLAIMS, "c", grow, "default", kind="merge")
    await client.delete(LIMITRANGES, "l", "default")
    grown = await client.patch(PERSISTENTVOLUMECLAIMS, "c", grow, "default", kind="merge")
    assert grown["spec"]["resources"]["requests"]["storage"] == "2Gi"


async def test_resized_pods_count_again(engine: RunningEngine) -> None:
    client = engine.client
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "q"},
        "spec": {"hard": {"requests.cpu": "2"}},
    }
    await client.create(RESOURCEQUOTAS, quota, "default")
    await client.create(PODS, pod(), "default")

    async def resize(cpu: str) -> None:
        resources = {"requests": {"cpu": cpu}, "limits": {"cpu": cpu}}
        body = {"spec": {"containers": [{"name": "a", "resources": resources}]}}
        await client.patch(PODS, "p", body, "default", kind="strategic", subresource="resize")

    await resize("2")
    with pytest.raises(
        StatusError, match="exceeded quota: q, requested: requests.cpu=1, used: requests.cpu=2, limited: requests.cpu=2"
    ):
        await resize("3")


async def test_owners_are_set_by_who_may_delete_and_hold_back(tmp_path: Path) -> None:
    engine, task = await start_engine(tmp_path / "data", controllers=False, enforce_owner_references=True)
    try:
        owner = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner"}}
        made = await engine.client.create(CONFIGMAPS, owner, "default")
        await engine.kubectl("create", "role", "r", "--verb=create,patch,get", "--resource=configmaps")
        await engine.kubectl("create", "rolebinding", "r", "--role=r", "--user=jane")
        await engine.kubectl("create", "configmap", "owned", "--as=jane")
        reference = f'{{"apiVersion":"v1","kind":"ConfigMap","name":"owner","uid":"{made["metadata"]["uid"]}"%s}}'

        async def own(more: str = "") -> str:
            body = f'{{"metadata":{{"ownerReferences":[{reference % more}]}}}}'
            ran = await engine.kubectl(
                "patch", "configmap", "owned", "--as=jane", "--type=merge", "-p", body, check=False
            )
            return ran.err

        assert "cannot set an ownerRef on a resource you can't delete: , <nil>" in await own()
        await engine.kubectl("create", "role", "d", "--verb=delete", "--resource=configmaps")
        await engine.kubectl("create", "rolebinding", "d", "--role=d", "--user=jane")
        assert not await own()
        blocked = await own(',"blockOwnerDeletion":true')
        assert (
            "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: , <nil>"
            in blocked
        )
    finally:
        await stop_engine(engine, task)
