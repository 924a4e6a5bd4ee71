"""Thirty pods come, live through the deaths of agents and runtimes, and leave nothing behind."""

import pytest

from tests.lab.cluster import Cluster, eventually, is_ready

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

CROWD = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: crowd}
spec:
  replicas: 30
  selector: {matchLabels: {app: crowd}}
  template:
    metadata: {labels: {app: crowd}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: main
        image: busybox
        command: [sleep, "1000000"]
        volumeMounts: [{name: memory, mountPath: /memory}]
      volumes: [{name: memory, emptyDir: {medium: Memory}}]
---
apiVersion: v1
kind: Service
metadata: {name: crowd}
spec:
  type: NodePort
  selector: {app: crowd}
  ports: [{port: 80, targetPort: 8080}]
"""
# What pods take of a machine, counted.
INVENTORY = """
ctr="ctr -a /run/pilothouse/containerd.sock -n k8s.io"
echo containers $($ctr containers ls -q | wc -l)
echo tasks $($ctr tasks ls -q | wc -l)
echo shims $(grep -lsa 'containerd-shi[m]' /proc/[0-9]*/cmdline | wc -l)
echo interfaces $(ip -o link | wc -l)
echo namespaces $(ls /run/netns 2>/dev/null | wc -l)
echo mounts $(wc -l < /proc/self/mountinfo)
echo cgroups $(find /sys/fs/cgroup -path '*/pilothouse/pod*' -maxdepth 5 -type d -name 'pod*' | wc -l)
echo addresses $(find /var/lib/cni/networks -type f -name '10.*' 2>/dev/null | wc -l)
echo folders $(ls /var/lib/pilothouse/pods 2>/dev/null | wc -l)
echo logs $(ls /var/log/pods 2>/dev/null | wc -l)
echo rules $(nft list table ip pilothouse | wc -l)
"""


def inventory(cluster: Cluster) -> dict[tuple[str, str], int]:
    """By machine and kind of thing."""
    told = {m.name: cluster.lab.run(m.name, ["sh", "-c", INVENTORY]).stdout.decode() for m in cluster.machines}
    lines = [(name, line.split()) for name, text in told.items() for line in text.splitlines()]
    return {(name, kind): int(count) for name, (kind, count) in lines}


def settled(cluster: Cluster) -> dict[tuple[str, str], int]:
    """Once nothing of those who were here before is on its way out any more."""
    looks: list[dict[tuple[str, str], int]] = [{}, {}]

    def same() -> bool:
        looks.append(inventory(cluster))
        return looks[-1] == looks[-2] == looks[-3]

    assert eventually(same, within=60, every=2)
    return looks[-1]


def more_than(cluster: Cluster, before: dict[tuple[str, str], int]) -> dict[tuple[str, str], tuple[int, int]]:
    """What there is more of than before."""
    return {what: (before[what], now) for what, now in inventory(cluster).items() if now > before[what]}


def containers(cluster: Cluster) -> dict[str, str]:
    """By pod, those of pods that are ready."""
    pods = [pod for pod in cluster.pods("app=crowd") if is_ready(pod)]
    return {pod["metadata"]["name"]: pod["status"]["containerStatuses"][0]["containerID"] for pod in pods}


def test_a_crowd_survives_its_keepers_and_leaves_no_trace(cluster: Cluster) -> None:
    before = settled(cluster)
    cluster.kubectl("apply", "-f", "-", stdin=CROWD)
    try:
        assert eventually(lambda: len(containers(cluster)) == 30, within=120)
        ran = containers(cluster)
        for machine in cluster.machines:
            for unit in ("pilothouse-agent", "pilothouse-containerd"):
                cluster.lab.run(machine.name, ["systemctl", "kill", "--kill-whom=main", "--signal=KILL", unit])
        # Whoever is back tells it: a pod that is new, or started again, would have another container.
        for machine in cluster.machines:
            cluster.lab.run(machine.name, ["sh", "-c", "systemctl start pilothouse-containerd pilothouse-agent"])
        assert eventually(lambda: all(is_ready(node) for node in cluster.get("nodes")["items"]), within=60)
        cluster.kubectl("scale", "deployment/crowd", "--replicas=31")
        assert eventually(lambda: len(containers(cluster)) == 31, within=90)
        assert ran.items() <= containers(cluster).items()
    finally:
        cluster.kubectl("delete", "deployment/crowd", "service/crowd")
    assert eventually(lambda: not cluster.get("pods", "--selector", "app=crowd")["items"], within=90)

    def nothing_left() -> bool:
        left = more_than(cluster, before)
        assert not left
        return True

    assert eventually(nothing_left, within=60, every=2)
