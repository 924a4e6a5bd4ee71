"""Where pods go, on three machines with real containers: spread, kept apart, and making room for one another."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.cluster import Cluster, eventually, is_ready

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]

Json = dict[str, Any]
HOST = "kubernetes.io/hostname"
NAMESPACE = "scheduling"
IMAGE = "busybox"


@pytest.fixture(scope="module")
def placed(cluster: Cluster) -> Iterator[Cluster]:
    """A namespace and priority classes of its own."""
    for name, value in (("low", 10), ("high", 1000)):
        made = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "value": value}
        apply(cluster, {**made, "metadata": {"name": name}})
    cluster.kubectl("create", "namespace", NAMESPACE)
    yield cluster
    cluster.kubectl("delete", "namespace", NAMESPACE, "--timeout=90s", timeout=100)
    cluster.kubectl("delete", "priorityclass", "low", "high")


def apply(cluster: Cluster, manifest: Json) -> None:
    cluster.kubectl("apply", "--namespace", NAMESPACE, "-f", "-", stdin=json.dumps(manifest))


def deployment(name: str, replicas: int, cpu: str = "10m", **spec: Any) -> Json:
    labels = {"app": name}
    container = {
        "name": "main", "image": IMAGE, "command": ["sleep", "3600"], "resources": {"requests": {"cpu": cpu}},
    }  # fmt: skip
    pod = {"containers": [container], "terminationGracePeriodSeconds": 1, **spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def ready_on(cluster: Cluster, app: str, count: int) -> Counter[str]:
    """How many pods are ready on which machine, once `count` are."""

    def look() -> list[Json]:
        ready = [pod for pod in cluster.pods(f"app={app}", NAMESPACE) if is_ready(pod)]
        return ready if len(ready) == count else []

    return Counter(pod["spec"]["nodeName"] for pod in eventually(look, within=60))


def why_pending(cluster: Cluster, app: str) -> str:
    """What the one pod that waits says."""

    def look() -> str:
        pending = [p for p in cluster.pods(f"app={app}", NAMESPACE) if not p["spec"].get("nodeName")]
        said = [c.get("message", "") for p in pending for c in p["status"].get("conditions", ())]
        return said[0] if len(pending) == 1 and said else ""

    return eventually(look)


def test_replicas_are_spread_evenly_by_a_hard_constraint(placed: Cluster) -> None:
    constraint = {
        "maxSkew": 1,
        "topologyKey": HOST,
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "even"}},
    }
    apply(placed, deployment("even", 6, topologySpreadConstraints=[constraint]))
    assert ready_on(placed, "even", 6) == {"m1": 2, "m2": 2, "m3": 2}
    placed.kubectl("delete", "deployment", "even", "--namespace", NAMESPACE)


def test_one_replica_more_than_machines_waits_when_they_shun_each_other(placed: Cluster) -> None:
    term = {"topologyKey": HOST, "labelSelector": {"matchLabels": {"app": "shy"}}}
    affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    apply(placed, deployment("shy", 4, affinity=affinity))
    assert ready_on(placed, "shy", 3) == {"m1": 1, "m2": 1, "m3": 1}
    assert why_pending(placed, "shy") == (
        "0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules. "
        "preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod."
    )
    placed.kubectl("delete", "deployment", "shy", "--namespace", NAMESPACE)


def test_important_pod_takes_the_place_of_a_less_important_one(placed: Cluster) -> None:
    allocatable = placed.get("node", "m1")["status"]["allocatable"]["cpu"]
    cores = int(allocatable[:-1]) / 1000 if allocatable.endswith("m") else float(allocatable)
    most = f"{int(cores * 600)}m"
    apply(placed, deployment("background", 3, most, priorityClassName="low"))
    assert ready_on(placed, "background", 3) == {"m1": 1, "m2": 1, "m3": 1}
    apply(placed, deployment("urgent", 1, most, priorityClassName="high"))
    (machine,) = ready_on(placed, "urgent", 1)
    assert ready_on(placed, "background", 2) == {name: 1 for name in ("m1", "m2", "m3") if name != machine}
    assert why_pending(placed, "background").startswith("0/3 nodes are available: 3 Insufficient cpu. preemption: ")
    events = placed.get("events", "--namespace", NAMESPACE, "--field-selector", "reason=Preempted")["items"]
    urgent = placed.pods("app=urgent", NAMESPACE)[0]["metadata"]["uid"]
    assert [event["message"] for event in events] == [f"Preempted by pod {urgent} on node {machine}"]
    # When the important one is gone, the place is free again.
    placed.kubectl("delete", "deployment", "urgent", "--namespace", NAMESPACE)
    assert ready_on(placed, "background", 3) == {"m1": 1, "m2": 1, "m3": 1}
