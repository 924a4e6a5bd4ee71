"""Claims on three machines with real containers: data that outlives pods, and nothing that outlives its claim."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.cluster import REPOSITORY, Cluster, eventually, is_ready

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]

DATA = REPOSITORY / "tests/lab/data"
VOLUMES = "/var/lib/pilothouse/volumes"


@pytest.fixture
def storage(cluster: Cluster) -> Iterator[Cluster]:
    """Leaves no pod, claim, volume, folder or mount behind, whatever the test did."""
    yield cluster
    cluster.kubectl("delete", "statefulset,pod", "--selector", "suite=storage", "--wait=false")
    cluster.kubectl("delete", "service", "--selector", "suite=storage")
    assert eventually(lambda: not cluster.get("pods", "--selector", "suite=storage")["items"], within=60)
    cluster.kubectl("delete", "pvc", "--all", "--timeout=60s", timeout=70)
    assert eventually(lambda: not folder_volumes(cluster), within=60)
    cluster.kubectl("delete", "pv", "--all", "--timeout=60s", timeout=70)
    for machine in ("m1", "m2", "m3"):
        assert on_machine(cluster, machine, "ls", VOLUMES) == ""
        assert eventually(lambda machine=machine: not mounts(cluster, machine))


def folder_volumes(cluster: Cluster) -> list[dict[str, Any]]:
    volumes = cluster.get("pv")["items"]
    return [v for v in volumes if v["spec"]["persistentVolumeReclaimPolicy"] == "Delete" and "local" in v["spec"]]


def on_machine(cluster: Cluster, name: str, *words: str) -> str:
    return cluster.lab.run(name, ["sh", "-c", '"$@" 2>/dev/null || true', "sh", *words], timeout=60).stdout.decode()


def mounts(cluster: Cluster, name: str) -> list[str]:
    """What is mounted in folders of pods that use claims."""
    lines = on_machine(cluster, name, "cat", "/proc/self/mountinfo").splitlines()
    return [line for line in lines if "volume-subpaths" in line or VOLUMES in line]


def manifest(kind: str, name: str, spec: dict[str, Any], version: str = "v1") -> str:
    meta = {"name": name, "labels": {"suite": "storage"}}
    return json.dumps({"apiVersion": version, "kind": kind, "metadata": meta, "spec": spec})


def claim(name: str, size: str = "50Mi", **spec: Any) -> str:
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **spec}
    return manifest("PersistentVolumeClaim", name, wanted)


def pod(name: str, claim_name: str, command: str = "sleep 10000", **spec: Any) -> str:
    volume = spec.pop("volume", {"persistentVolumeClaim": {"claimName": claim_name}})
    container = {
        "name": "c",
        "image": "busybox",
        "command": ["sh", "-c", command],
        "volumeMounts": [{"name": "v", "mountPath": "/data", **spec.pop("mount", {})}],
    }
    wanted = {
        "terminationGracePeriodSeconds": 0,
        "containers": [container],
        "volumes": [{"name": "v", **volume}],
        **spec,
    }
    return manifest("Pod", name, wanted)


def ready(cluster: Cluster, name: str) -> dict[str, Any]:
    waited = cluster.try_kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s", timeout=70)
    assert waited.returncode == 0, waited.stderr + cluster.kubectl("describe", f"pod/{name}")
    return cluster.get("pod", name)


def volume_of(cluster: Cluster, claim_name: str) -> dict[str, Any]:
    held = cluster.get("pvc", claim_name)
    assert held["status"]["phase"] == "Bound"
    return cluster.get("pv", held["spec"]["volumeName"])


def gone(cluster: Cluster, *what: str) -> bool:
    return "NotFound" in cluster.try_kubectl("get", *what).stderr


def test_pod_uses_a_volume_as_the_documentation_says(storage: Cluster) -> None:
    on_machine(storage, "m1", "mkdir", "-p", "/mnt/data")
    on_machine(storage, "m1", "sh", "-c", "echo 'Hello from Kubernetes storage' > /mnt/data/index.html")
    storage.kubectl("apply", "-f", str(DATA / "storage.yaml"))
    ready(storage, "task-pv-pod")
    row = storage.kubectl("get", "pv", "task-pv-volume", "--no-headers").split()
    assert row[:7] == ["task-pv-volume", "10Gi", "RWO", "Retain", "Bound", "default/task-pv-claim", "manual"]
    served = storage.kubectl("exec", "task-pv-pod", "--", "cat", "/usr/share/nginx/html/index.html")
    assert served == "Hello from Kubernetes storage\n"
    described = storage.kubectl("describe", "pvc", "task-pv-claim")
    assert "Used By:       task-pv-pod" in described
    storage.kubectl("delete", "-f", str(DATA / "storage.yaml"), "--timeout=60s", timeout=70)
    assert on_machine(storage, "m1", "cat", "/mnt/data/index.html") == "Hello from Kubernetes storage\n"
    on_machine(storage, "m1", "rm", "-r", "/mnt/data")


def test_data_outlives_its_pod_and_goes_with_its_claim(storage: Cluster) -> None:
    storage.kubectl("apply", "-f", "-", stdin=claim("notes"))
    assert storage.get("pvc", "notes")["spec"]["storageClassName"] == "local-path"
    storage.kubectl("apply", "-f", "-", stdin=pod("writer", "notes", "echo kept > /data/file; sleep 10000"))
    first = ready(storage, "writer")
    volume = volume_of(storage, "notes")
    folder, machine = volume["spec"]["local"]["path"], first["spec"]["nodeName"]
    assert folder.startswith(f"{VOLUMES}/pvc-")
    assert eventually(lambda: on_machine(storage, machine, "cat", f"{folder}/file") == "kept\n")
    storage.kubectl("delete", "pod", "writer")
    storage.kubectl("apply", "-f", "-", stdin=pod("reader", "notes"))
    second = ready(storage, "reader")
    assert second["spec"]["nodeName"] == machine
    assert storage.kubectl("exec", "reader", "--", "cat", "/data/file") == "kept\n"

    storage.kubectl("delete", "pvc", "notes", "--wait=false")
    assert storage.kubectl("get", "pvc", "notes", "--no-headers").split()[1] == "Terminating"
    assert storage.kubectl("exec", "reader", "--", "cat", "/data/file") == "kept\n"
    storage.kubectl("delete", "pod", "reader")
    assert eventually(lambda: gone(storage, "pvc", "notes"))
    assert eventually(lambda: gone(storage, "pv", volume["metadata"]["name"]))
    assert on_machine(storage, machine, "ls", VOLUMES) == ""


def test_retained_volume_keeps_its_folder(storage: Cluster) -> None:
    storage.kubectl("apply", "-f", "-", stdin=claim("keep"))
    storage.kubectl("apply", "-f", "-", stdin=pod("writer", "keep", "echo kept > /data/file; sleep 10000"))
    machine = ready(storage, "writer")["spec"]["nodeName"]
    volume = volume_of(storage, "keep")
    name, folder = volume["metadata"]["name"], volume["spec"]["local"]["path"]
    patch = '{"spec":{"persistentVolumeReclaimPolicy":"Retain"}}'
    storage.kubectl("patch", "pv", name, "--patch", patch)
    storage.kubectl("delete", "pod/writer", "pvc/keep")
    assert eventually(lambda: storage.get("pv", name)["status"]["phase"] == "Released")
    storage.kubectl("delete", "pv", name)
    assert on_machine(storage, machine, "cat", f"{folder}/file") == "kept\n"
    on_machine(storage, machine, "rm", "-r", folder)


def test_stateful_pods_each_find_their_own_data_again(storage: Cluster) -> None:
    storage.kubectl("apply", "-f", str(DATA / "redis-claims.yaml"))
    storage.kubectl("rollout", "status", "statefulset/redis", "--timeout=90s", timeout=100)
    for name in ("redis-0", "redis-1"):
        assert storage.kubectl("exec", name, "--", "redis-cli", "set", "who", name) == "OK\n"
    before = {one["metadata"]["uid"] for one in storage.pods("app=redis")}
    storage.kubectl("delete", "pod", "redis-0", "redis-1")

    def both_new() -> bool:
        pods = storage.pods("app=redis")
        return len(pods) == 2 and all(is_ready(one) and one["metadata"]["uid"] not in before for one in pods)

    assert eventually(both_new, within=60)
    for name in ("redis-0", "redis-1"):
        assert storage.kubectl("exec", name, "--", "redis-cli", "get", "who") == f"{name}\n"
    storage.kubectl("scale", "statefulset/redis", "--replicas=1")
    assert eventually(lambda: gone(storage, "pod", "redis-1"))
    assert volume_of(storage, "data-redis-1")
    storage.kubectl("delete", "statefulset", "redis")
    assert eventually(lambda: not storage.get("pvc")["items"], within=60)
    assert eventually(lambda: not folder_volumes(storage), within=60)


def test_claim_grows_while_it_is_used_and_never_shrinks(storage: Cluster) -> None:
    storage.kubectl("apply", "-f", "-", stdin=claim("growing"))
    storage.kubectl("apply", "-f", "-", stdin=pod("user", "growing"))
    ready(storage, "user")
    bigger = '{"spec":{"resources":{"requests":{"storage":"80Mi"}}}}'
    storage.kubectl("patch", "pvc", "growing", "--patch", bigger)
    assert eventually(lambda: storage.get("pvc", "growing")["status"]["capacity"]["storage"] == "80Mi")
    assert volume_of(storage, "growing")["spec"]["capacity"]["storage"] == "80Mi"
    smaller = '{"spec":{"resources":{"requests":{"storage":"10Mi"}}}}'
    refused = storage.try_kubectl("patch", "pvc", "growing", "--patch", smaller)
    assert "field can not be less than status.capacity" in refused.stderr


def test_pod_says_why_it_waits_for_a_claim(storage: Cluster) -> None:
    storage.kubectl("apply", "-f", "-", stdin=claim("nowhere", storageClassName="missing"))
    storage.kubectl("apply", "-f", "-", stdin=pod("waiter", "nowhere", nodeName="m1"))
    told = 'storageclass.storage.k8s.io "missing" not found'
    assert eventually(lambda: told in storage.kubectl("describe", "pvc", "nowhere"))
    text = "error processing PVC default/nowhere: PVC is not bound"
    assert eventually(lambda: text in storage.kubectl("describe", "pod", "waiter"))
    status = storage.kubectl("get", "pod", "waiter", "--no-headers").split()
    assert status[1:3] == ["0/1", "ContainerCreating"]


def test_ephemeral_volume_lives_as_long_as_its_pod(storage: Cluster) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Mi"}}}
    scratch = {"ephemeral": {"volumeClaimTemplate": {"spec": spec}}}
    storage.kubectl("apply", "-f", "-", stdin=pod("job", "", "echo x > /data/x && sleep 10000", volume=scratch))
    machine = ready(storage, "job")["spec"]["nodeName"]
    folder = volume_of(storage, "job-v")["spec"]["local"]["path"]
    assert eventually(lambda: on_machine(storage, machine, "cat", f"{folder}/x") == "x\n")
    storage.kubectl("delete", "pod", "job")
    assert eventually(lambda: gone(storage, "pvc", "job-v"), within=60)
    assert eventually(lambda: on_machine(storage, machine, "ls", VOLUMES) == "")


def test_mounted_volumes_survive_a_restart_of_the_agent(storage: Cluster) -> None:
    storage.kubectl("apply", "-f", "-", stdin=claim("steady"))
    part = {"subPath": "inner"}
    storage.kubectl("apply", "-f", "-", stdin=pod("user", "steady", mount=part))
    before = ready(storage, "user")
    machine = before["spec"]["nodeName"]
    assert len(mounts(storage, machine)) == 1
    on_machine(storage, machine, "systemctl", "restart", "pilothouse-agent.service")
    write = ("exec", "user", "--", "sh", "-c", "echo still > /data/here")
    assert eventually(lambda: storage.try_kubectl(*write).returncode == 0)
    folder = volume_of(storage, "steady")["spec"]["local"]["path"]
    assert on_machine(storage, machine, "cat", f"{folder}/inner/here") == "still\n"
    assert len(mounts(storage, machine)) == 1
    after = ready(storage, "user")
    assert after["status"]["containerStatuses"][0]["restartCount"] == 0
    storage.kubectl("delete", "pod", "user")
    assert eventually(lambda: not mounts(storage, machine))


def test_fresh_cluster_has_a_default_class(storage: Cluster) -> None:
    row = storage.kubectl("get", "sc", "--no-headers").split()
    assert row[:6] == [
        "local-path", "(default)", "pilothouse.dev/local-path", "Delete", "WaitForFirstConsumer", "true",
    ]  # fmt: skip
