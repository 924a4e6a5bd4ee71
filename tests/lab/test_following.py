"""Controllers that follow what machines do and measure: more pods under load, one on each machine that comes."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.cluster import Cluster, eventually, is_ready

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]

BUSY = "/tmp/busy"
WORKER = f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: worker, labels: {{suite: following}}}}
spec:
  selector: {{matchLabels: {{app: worker}}}}
  template:
    metadata: {{labels: {{app: worker}}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: main
        image: busybox
        command: [sh, -c, "while :; do [ -e {BUSY} ] || sleep 0.2; done"]
        resources: {{requests: {{cpu: 100m}}, limits: {{cpu: 200m}}}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {{name: worker, labels: {{suite: following}}}}
spec:
  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: worker}}
  minReplicas: 1
  maxReplicas: 3
  metrics: [{{type: Resource, resource: {{name: cpu, target: {{type: Utilization, averageUtilization: 50}}}}}}]
  behavior: {{scaleDown: {{stabilizationWindowSeconds: 0}}}}
"""
DAEMON = """\
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: guard, labels: {suite: following}}
spec:
  selector: {matchLabels: {app: guard}}
  template:
    metadata: {labels: {app: guard}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: main, image: busybox, command: [sleep, "10000"]}]
"""


@pytest.fixture(autouse=True)
def left_as_found(cluster: Cluster) -> Iterator[None]:
    yield
    kinds = "deployments,daemonsets,horizontalpodautoscalers"
    cluster.kubectl("delete", kinds, "--selector", "suite=following", "--wait=false")
    assert eventually(lambda: not cluster.get("pods", "--selector", "app in (worker,guard)")["items"], within=60)


def hpa(cluster: Cluster) -> dict[str, Any]:
    return cluster.get("hpa", "worker")["status"]


def test_pods_come_with_measured_load_and_go_with_it(cluster: Cluster) -> None:
    cluster.kubectl("apply", "-f", "-", stdin=WORKER)
    cluster.kubectl("rollout", "status", "deployment/worker", "--timeout=60s", timeout=70)
    (first,) = cluster.pods("app=worker")
    cluster.kubectl("exec", first["metadata"]["name"], "--", "touch", BUSY)
    assert eventually(lambda: hpa(cluster).get("desiredReplicas") == 3, within=90)
    assert eventually(lambda: [is_ready(pod) for pod in cluster.pods("app=worker")] == [True] * 3)
    told = cluster.kubectl("describe", "hpa", "worker")
    assert "New size: 3; reason: cpu resource utilization (percentage of request) above target" in told
    assert "the desired replica count is more than the maximum replica count" in told
    for pod in cluster.pods("app=worker"):
        cluster.kubectl("exec", pod["metadata"]["name"], "--", "rm", "-f", BUSY)
    assert eventually(lambda: len(cluster.pods("app=worker")) == 1, within=90)
    assert "reason: All metrics below target" in cluster.kubectl("describe", "hpa", "worker")
    columns = cluster.kubectl("get", "hpa", "worker", "--no-headers").split()
    assert columns[1:3] == ["Deployment/worker", "cpu:"]
    assert columns[3].endswith("%/50%")


def test_daemon_pods_go_with_a_machine_that_leaves_and_come_with_one_that_joins(cluster: Cluster) -> None:
    def on() -> list[str]:
        return sorted(pod["spec"]["nodeName"] for pod in cluster.pods("app=guard") if is_ready(pod))

    def counted() -> tuple[int, int]:
        status = json.loads(cluster.kubectl("get", "daemonset", "guard", "--output", "json"))["status"]
        return status["desiredNumberScheduled"], status.get("numberAvailable", 0)

    cluster.kubectl("apply", "-f", "-", stdin=DAEMON)
    assert eventually(lambda: on() == ["m1", "m2", "m3"], within=60)
    key = str(cluster.lab.ssh_key_path)
    try:
        cluster.pilothouse("node", "remove", "m3", "--key", key, "--yes", "--no-drain")
        assert eventually(lambda: on() == ["m1", "m2"], within=60)
        assert eventually(lambda: counted() == (2, 2))
    finally:
        cluster.pilothouse("lab", "up", "--machines", "3")
    assert eventually(lambda: on() == ["m1", "m2", "m3"], within=60)
    assert eventually(lambda: counted() == (3, 3))
