"""A machine that runs short, and pods that take more of its disk than they may."""

import asyncio
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from apimachinery.objects.resources import NODES, PODS
from tests.nodeagent.conftest import Cluster, events, phase, pod_manifest, ready, run_pod, until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]


def short_of(cluster: Cluster, **settings: Any) -> None:
    cluster.config = msgspec.structs.replace(cluster.config, eviction_pressure_transition_period=3.0, **settings)


async def until_condition(cluster: Cluster, kind: str, status: str) -> None:
    async with asyncio.timeout(30):
        while True:
            node = await cluster.client.get(NODES, "m1")
            if any(c["type"] == kind and c["status"] == status for c in node["status"]["conditions"]):
                return
            await asyncio.sleep(0.1)


@pytest.fixture
def small_disk(cluster: Cluster) -> Path:
    """Where pods keep their data, on a file system of 64 MiB; it goes with the cluster's folders."""
    folder = Path(cluster.config.pod_dir)
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], check=True)
    return folder


async def test_the_pod_that_fills_the_disk_goes_and_its_neighbour_stays(cluster: Cluster, small_disk: Path) -> None:
    short_of(cluster, eviction_hard={"nodefs.available": "30%"})
    await cluster.start_agent()
    volumes = {"volumes": [{"name": "cache", "emptyDir": {}}]}
    mounted = {"volumeMounts": [{"name": "cache", "mountPath": "/cache"}]}
    script = (
        "while [ ! -e /cache/go ]; do sleep 0.1; done; dd if=/dev/zero of=/cache/file bs=1M count=50; sleep 1000000"
    )
    await run_pod(cluster, pod_manifest("small", "sleep 1000000", container=mounted, **volumes))
    hog = await run_pod(cluster, pod_manifest("hog", script, container=mounted, **volumes))
    (small_disk / hog["metadata"]["uid"] / "volumes/kubernetes.io~empty-dir/cache/go").touch()

    await until_condition(cluster, "DiskPressure", "True")
    ended = await until(cluster, "hog", phase("Failed"), 30)
    assert ended["status"]["reason"] == "Evicted"
    assert ended["status"]["message"].startswith(
        "The node was low on resource: ephemeral-storage. Threshold quantity: 20132659, available: "
    )
    (target,) = [c for c in ended["status"]["conditions"] if c["type"] == "DisruptionTarget"]
    assert (target["status"], target["reason"]) == ("True", "TerminationByKubelet")
    assert ("Warning", "Evicted", ended["status"]["message"]) in await events(cluster, "hog")
    assert ("Warning", "EvictionThresholdMet", "Attempting to reclaim ephemeral-storage") in await events(cluster, "m1")
    await until_condition(cluster, "DiskPressure", "False")
    assert ready(await cluster.client.get(PODS, "small", "default"))


async def test_short_of_memory_critical_pods_stay_and_new_ones_are_refused(cluster: Cluster) -> None:
    await cluster.start_agent()
    critical = pod_manifest("critical", priorityClassName="system-node-critical")
    await run_pod(cluster, critical)
    await run_pod(cluster, pod_manifest("fat"))
    await cluster.stop_agent()
    short_of(cluster, eviction_hard={"memory.available": "100%"})
    await cluster.start_agent()
    ended = await until(cluster, "fat", phase("Failed"), 30)
    assert ended["status"]["message"].startswith("The node was low on resource: memory. Threshold quantity: ")
    assert "request is 0, has larger consumption of memory. " in ended["status"]["message"]
    await until_condition(cluster, "MemoryPressure", "True")
    refused = await run_pod(cluster, pod_manifest("late"), phase("Failed"))
    assert refused["status"]["reason"] == "Evicted"
    assert refused["status"]["message"] == "Pod was rejected: The node had condition: [MemoryPressure]. "
    assert ready(await cluster.client.get(PODS, "critical", "default"))


async def test_a_container_may_write_only_so_much(cluster: Cluster) -> None:
    await cluster.start_agent()
    limited = {"resources": {"limits": {"ephemeral-storage": "1Mi"}}}
    script = "dd if=/dev/zero of=/file bs=1M count=4; sleep 1000000"
    await cluster.client.create(PODS, pod_manifest("writer", script, container=limited), "default")
    ended = await until(cluster, "writer", phase("Failed"), 30)
    assert ended["status"]["reason"] == "Evicted"
    assert ended["status"]["message"] == "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. "
