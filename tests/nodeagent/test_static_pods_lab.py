"""Static pods on a real machine: they run before the engine is heard of, and their mirrors follow them."""

import asyncio
from pathlib import Path

import msgspec
import pytest
import yaml

from apimachinery.objects.resources import PODS
from nodeagent.cri.containerd import Containerd
from nodeagent.cri.types import State
from tests.nodeagent.conftest import Cluster, container, log_text, pod_manifest, ready, until, until_gone

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]


def write(cluster: Cluster, command: str) -> Path:
    file = Path(cluster.config.static_pod_dir) / "web.yaml"
    file.parent.mkdir(exist_ok=True)
    manifest = pod_manifest("web", command)
    del manifest["spec"]["nodeName"]
    file.write_text(yaml.safe_dump(manifest))
    return file


async def running(cluster: Cluster) -> list[str]:
    async with Containerd(cluster.machine.socket) as runtime:
        return [ran.id for ran in await runtime.containers() if ran.state is State.RUNNING]


async def until_running(cluster: Cluster, count: int) -> list[str]:
    async with asyncio.timeout(30):
        while len(found := await running(cluster)) != count:
            await asyncio.sleep(0.1)
    return found


async def test_a_static_pod_needs_no_engine_and_is_shown_once_there_is_one(cluster: Cluster) -> None:
    file = write(cluster, "echo one; sleep 1000000")
    api = cluster.config.api_server
    cluster.config = msgspec.structs.replace(cluster.config, api_server="https://127.0.0.1:1")
    await cluster.start_agent()
    (started,) = await until_running(cluster, 1)
    await cluster.stop_agent()

    cluster.config = msgspec.structs.replace(cluster.config, api_server=api)
    await cluster.start_agent()
    mirror = await until(cluster, "web-m1", ready, 30, missing=True)
    assert container(mirror)["containerID"] == f"containerd://{started}"
    annotations = mirror["metadata"]["annotations"]
    assert annotations["kubernetes.io/config.mirror"] == annotations["kubernetes.io/config.hash"]
    assert annotations["kubernetes.io/config.source"] == "file"
    (owner,) = mirror["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("Node", "m1")
    assert await log_text(cluster, "web-m1") == "one\n"

    await cluster.client.delete(PODS, "web-m1", "default")
    again = await until(
        cluster, "web-m1", lambda pod: pod["metadata"]["uid"] != mirror["metadata"]["uid"] and ready(pod), missing=True
    )
    assert container(again)["containerID"] == f"containerd://{started}"

    write(cluster, "echo two; sleep 1000000")
    changed = await until(
        cluster, "web-m1", lambda pod: pod["metadata"]["uid"] != again["metadata"]["uid"] and ready(pod), missing=True
    )
    assert container(changed)["containerID"] != f"containerd://{started}"
    assert await log_text(cluster, "web-m1") == "two\n"
    await until_running(cluster, 1)

    file.unlink()
    await until_gone(cluster, "web-m1")
    await until_running(cluster, 0)
