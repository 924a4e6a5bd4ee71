"""The agent around its pods: probes, exec and logs, restarts of itself, the engine's absence, strangers at the door."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from apimachinery.aio.clock import FakeClock
from apimachinery.objects.resources import LEASES, NODES, PODS
from nodeagent.cri.containerd import Containerd
from nodeagent.cri.types import State
from nodeagent.logs.rotate import Limits, rotate
from nodeagent.pods.imagegc import MINIMUM_AGE, ImageCollector, Thresholds
from tests.nodeagent.conftest import (
    Cluster,
    PrivateMachine,
    container,
    engine_session,
    events,
    log_files,
    log_text,
    pod_manifest,
    ready,
    run_pod,
    until,
    until_gone,
)

pytestmark = pytest.mark.lab


async def execute(cluster: Cluster, pod: str, command: list[str], stdin: bytes | None = None) -> tuple[bytes, Any]:
    """(stdout and stderr, status) of a command; with `stdin` its end is told, too."""
    query = [("command", word) for word in command] + [("stdout", "1"), ("stderr", "1")]
    query += [("stdin", "1")] if stdin is not None else []
    output, status = b"", None
    async with engine_session(cluster) as session:
        url = cluster.agent_url(f"/exec/default/{pod}/main")
        async with session.ws_connect(url, params=query, protocols=["v5.channel.k8s.io"]) as socket:
            if stdin is not None:
                await socket.send_bytes(b"\x00" + stdin)
                await socket.send_bytes(b"\xff\x00")
            async for message in socket:
                if message.data[0] == 3:
                    status = json.loads(message.data[1:])
                else:
                    output += message.data[1:]
    return output, status


async def test_the_node_is_registered_with_what_was_measured_and_a_lease(cluster: Cluster) -> None:
    await cluster.start_agent()
    for _ in range(100):
        await asyncio.sleep(0.05)
        listed = (await cluster.client.list(NODES)).items
        if listed and any(c["type"] == "Ready" for c in listed[0]["status"].get("conditions", ())):
            break
    node = await cluster.client.get(NODES, "m1")
    assert node["metadata"]["labels"]["kubernetes.io/hostname"] == "m1"
    assert node["status"]["nodeInfo"]["containerRuntimeVersion"].startswith("containerd://")
    assert node["status"]["allocatable"]["pods"] == "110"
    for _ in range(200):
        leases = (await cluster.client.list(LEASES, "kube-node-lease")).items
        if leases:
            break
        await asyncio.sleep(0.1)
    assert leases[0]["spec"]["holderIdentity"] == "m1"
    assert leases[0]["metadata"]["ownerReferences"][0]["uid"] == node["metadata"]["uid"]


async def test_a_node_made_before_keeps_what_others_wrote_on_it(cluster: Cluster) -> None:
    node = {
        "metadata": {"name": "m1", "annotations": {"pilothouse.dev/ssh-user": "pi"}, "labels": {"mine": "yes"}},
        "spec": {"taints": [{"key": "k", "effect": "NoSchedule"}]},
    }
    await cluster.client.create(NODES, node)
    await cluster.start_agent()
    for _ in range(100):
        found = await cluster.client.get(NODES, "m1")
        if found.get("status", {}).get("conditions"):
            break
        await asyncio.sleep(0.05)
    assert found["metadata"]["annotations"]["pilothouse.dev/ssh-user"] == "pi"
    assert found["metadata"]["labels"].items() >= {"mine": "yes", "kubernetes.io/os": "linux"}.items()
    assert {"key": "k", "effect": "NoSchedule"} in found["spec"]["taints"]


async def test_readiness_follows_the_probe(cluster: Cluster) -> None:
    await cluster.start_agent()
    probe = {"exec": {"command": ["test", "-e", "/tmp/ok"]}, "periodSeconds": 1, "failureThreshold": 1}
    manifest = pod_manifest("probed", "touch /tmp/ok; sleep 100000", container={"readinessProbe": probe})
    await run_pod(cluster, manifest)
    await execute(cluster, "probed", ["rm", "/tmp/ok"])
    pod = await until(cluster, "probed", lambda p: not ready(p))
    assert container(pod)["restartCount"] == 0
    assert any(reason == "Unhealthy" for _, reason, _ in await events(cluster, "probed"))
    await execute(cluster, "probed", ["touch", "/tmp/ok"])
    await until(cluster, "probed", ready)


async def test_a_web_server_is_ready_soon_after_it_listens(cluster: Cluster) -> None:
    await cluster.start_agent()
    probe = {"httpGet": {"port": "web", "path": "/"}, "periodSeconds": 10}
    manifest = pod_manifest(
        "http",
        "mkdir /www2; echo hi > /www2/index.html; sleep 0.2; httpd -f -p 8080 -h /www2",
        container={"readinessProbe": probe, "ports": [{"name": "web", "containerPort": 8080}]},
    )
    started = time.monotonic()
    await run_pod(cluster, manifest)
    assert time.monotonic() - started < 3


async def test_a_container_that_fails_its_liveness_probe_is_restarted(cluster: Cluster) -> None:
    await cluster.start_agent()
    probe = {"tcpSocket": {"port": 9}, "periodSeconds": 1, "failureThreshold": 2}
    manifest = pod_manifest("dead", container={"livenessProbe": probe})
    await run_pod(cluster, manifest)
    await until(cluster, "dead", lambda p: container(p)["restartCount"] == 1, 20)
    told = await events(cluster, "dead")
    assert ("Normal", "Killing", "Container main failed liveness probe, will be restarted") in told
    assert any(r == "Unhealthy" and m.startswith("Liveness probe failed: dial tcp 10.42.9.") for _, r, m in told)


async def test_the_startup_probe_holds_back_the_others(cluster: Cluster) -> None:
    await cluster.start_agent()
    check = {"exec": {"command": ["test", "-e", "/tmp/up"]}, "periodSeconds": 1, "failureThreshold": 20}
    manifest = pod_manifest("slow", "sleep 2; touch /tmp/up; sleep 100000", container={"startupProbe": check})
    pod = await run_pod(cluster, manifest, lambda p: "running" in container(p).get("state", {}))
    assert container(pod)["started"] is False
    assert not ready(pod)
    pod = await until(cluster, "slow", ready)
    assert container(pod)["started"] is True


async def test_exec_gives_output_exit_code_and_end_of_input(cluster: Cluster) -> None:
    await cluster.start_agent()
    await run_pod(cluster, pod_manifest("shell"))
    output, status = await execute(cluster, "shell", ["sh", "-c", "echo out; echo err >&2; exit 7"])
    assert sorted(output.split()) == [b"err", b"out"]
    assert status["status"] == "Failure"
    assert {"reason": "ExitCode", "message": "7"} in status["details"]["causes"]
    output, status = await execute(cluster, "shell", ["wc", "-c"], stdin=b"x" * 100_000)
    assert output.split() == [b"100000"]
    assert status["status"] == "Success"


async def test_logs_are_cut_as_asked(cluster: Cluster) -> None:
    await cluster.start_agent()
    await run_pod(cluster, pod_manifest("talk", "for i in 1 2 3 4 5; do echo line $i; done; sleep 100000"))
    await asyncio.sleep(0.2)
    assert await log_text(cluster, "talk", "tailLines=2") == "line 4\nline 5\n"
    assert await log_text(cluster, "talk", "limitBytes=6") == "line 1"
    stamped = await log_text(cluster, "talk", "tailLines=1&timestamps=true")
    assert stamped.endswith("Z line 5\n")
    assert await log_text(cluster, "talk", "sinceSeconds=100") == "".join(f"line {i}\n" for i in range(1, 6))


async def test_a_followed_log_loses_nothing_over_rotations(cluster: Cluster) -> None:
    agent = await cluster.start_agent()
    # Pauses, so that it still runs while its log is put aside: only then it gets a new one.
    flood = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo $i; [ $((i % 1000)) -ne 0 ] || sleep 0.1; done"
    await run_pod(cluster, pod_manifest("flood", flood))
    worker = agent.roster.find("default", "flood")
    assert worker is not None
    running = next(iter(worker.containers))
    file = log_files(cluster)[0]
    follower = asyncio.ensure_future(log_text(cluster, "flood", "follow=true"))
    for turn in range(5):
        await rotate(agent.machine.runtime, running.id, file, Limits(max_size=1, max_files=10), 1000.0 + turn)
        await asyncio.sleep(0.05)
    lines = (await asyncio.wait_for(follower, 20)).split()
    assert lines == [str(i) for i in range(1, 20001)]


async def test_only_the_engine_is_answered(cluster: Cluster) -> None:
    agent = await cluster.start_agent()
    node_tls = cluster.pki.agent_client_ssl()
    node_tls.load_cert_chain(cluster.config.client_cert_file, cluster.config.client_key_file)
    async with aiohttp.ClientSession() as session:
        async with session.get(cluster.agent_url("/pods"), ssl=node_tls) as answer:
            assert answer.status == 403
        async with session.get(cluster.agent_url("/healthz"), ssl=node_tls) as answer:
            assert answer.status == 200
    async with engine_session(cluster) as session, session.get(cluster.agent_url("/pods")) as answer:
        assert answer.status == 200
    assert agent.address[1] > 0


async def test_statistics_name_pods_and_containers(cluster: Cluster) -> None:
    await cluster.start_agent()
    mounted = {"volumeMounts": [{"name": "cache", "mountPath": "/cache"}]}
    volumes = [{"name": "cache", "emptyDir": {}}]
    # Whoever asks for its own address over the bridge has been heard of by both interfaces.
    probe = {"exec": {"command": ["test", "-e", "/cache/done"]}, "periodSeconds": 1}
    script = (
        "dd if=/dev/zero of=/cache/file bs=1M count=3; ping -c 3 -i 0.1 10.42.9.1; touch /cache/done; sleep 1000000"
    )
    manifest = pod_manifest("counted", script, container=mounted | {"readinessProbe": probe}, volumes=volumes)
    await run_pod(cluster, manifest)
    async with engine_session(cluster) as session:
        async with session.get(cluster.agent_url("/stats/summary")) as answer:
            summary = await answer.json()
        async with session.get(cluster.agent_url("/metrics/cadvisor")) as answer:
            exposed = await answer.text()
    assert summary["node"]["memory"]["workingSetBytes"] > 0
    (pod,) = summary["pods"]
    assert pod["podRef"]["name"] == "counted"
    assert pod["containers"][0]["memory"]["workingSetBytes"] > 0
    assert pod["containers"][0]["logs"]["usedBytes"] > 0
    assert pod["network"]["name"] == "eth0"
    assert pod["network"]["rxBytes"] >= 3 * 64
    assert pod["network"]["txBytes"] >= 3 * 64
    (cache,) = (volume for volume in pod["volume"] if volume["name"] == "cache")
    assert 3 * 2**20 <= cache["usedBytes"] < 4 * 2**20
    assert cache["capacityBytes"] > cache["availableBytes"] > 0
    assert pod["ephemeral-storage"]["usedBytes"] >= cache["usedBytes"]
    assert summary["node"]["fs"]["capacityBytes"] > 0
    assert re.search(r'container_network_transmit_bytes_total\{.*pod="counted"\} [1-9]', exposed)


async def test_a_restart_of_the_agent_touches_no_container(cluster: Cluster) -> None:
    await cluster.start_agent()
    probe = {"exec": {"command": ["true"]}, "periodSeconds": 1}
    before = await run_pod(cluster, pod_manifest("steady", container={"readinessProbe": probe}))
    await cluster.stop_agent()
    seen: list[bool] = []
    agent = await cluster.start_agent()
    agent.roster.informer.on_change(
        lambda _old, new: seen.append(new is not None and all(c.status == "True" for c in new.status.conditions))
    )
    await asyncio.sleep(2)
    after = await cluster.client.get(PODS, "steady", "default")
    assert container(after)["containerID"] == container(before)["containerID"]
    assert after["status"] == before["status"]
    assert seen
    assert all(seen)


async def test_pods_removed_while_the_agent_was_away_are_ended(cluster: Cluster) -> None:
    await cluster.start_agent()
    pod = await run_pod(cluster, pod_manifest("lost"))
    await cluster.stop_agent()
    await cluster.client.delete(PODS, "lost", "default", grace_period_seconds=0)
    agent = await cluster.start_agent()
    for _ in range(200):
        if not await agent.machine.runtime.sandboxes(pod["metadata"]["uid"]):
            break
        await asyncio.sleep(0.05)
    assert await agent.machine.runtime.sandboxes(pod["metadata"]["uid"]) == []


async def test_a_pod_that_only_containerd_knows_is_ended_once_the_api_is_heard(cluster: Cluster) -> None:
    agent = await cluster.start_agent()
    pod = await run_pod(cluster, pod_manifest("orphan"))
    await cluster.stop_agent()
    await cluster.client.delete(PODS, "orphan", "default", grace_period_seconds=0)
    for file in (Path(cluster.config.state_dir) / "pods").iterdir():
        file.unlink()
    agent = await cluster.start_agent()
    for _ in range(300):
        if not await agent.machine.runtime.sandboxes(pod["metadata"]["uid"]):
            break
        await asyncio.sleep(0.05)
    assert await agent.machine.runtime.sandboxes(pod["metadata"]["uid"]) == []


async def test_pods_come_back_after_a_reboot_with_the_engine_away(cluster: Cluster) -> None:
    await cluster.start_agent()
    await run_pod(cluster, pod_manifest("again"))
    await cluster.stop_agent()
    cluster.machine.kill_everything()  # all processes gone, as a reboot leaves it
    config = cluster.config
    cluster.config = msgspec.structs.replace(config, api_server="https://127.0.0.1:1")
    agent = await cluster.start_agent()
    for _ in range(200):
        running = [c for c in await agent.machine.runtime.containers() if c.state is State.RUNNING]
        if running:
            break
        await asyncio.sleep(0.05)
    assert [(c.name, c.attempt) for c in running] == [("main", 1)]
    await cluster.stop_agent()
    cluster.config = config
    await cluster.start_agent()
    await until(cluster, "again", lambda p: ready(p) and container(p)["restartCount"] == 1)


async def test_a_replaced_pod_of_the_same_name_starts_beside_the_leaving_one(cluster: Cluster) -> None:
    await cluster.start_agent()
    first = await run_pod(cluster, pod_manifest("same"))
    await cluster.client.delete(PODS, "same", "default", grace_period_seconds=0)
    second = await run_pod(cluster, pod_manifest("same"))
    assert first["metadata"]["uid"] != second["metadata"]["uid"]
    await asyncio.sleep(3)
    assert ready(await cluster.client.get(PODS, "same", "default"))
    await cluster.client.delete(PODS, "same", "default")
    await until_gone(cluster, "same")


async def test_a_pod_on_the_machines_network_has_its_address_and_name_servers(cluster: Cluster) -> None:
    await cluster.start_agent()
    pod = await run_pod(cluster, pod_manifest("host", "head -1 /etc/hosts; sleep 100000", hostNetwork=True))
    assert pod["status"]["podIP"] == pod["status"]["hostIP"] == "127.0.0.1"
    assert await log_text(cluster, "host") == "# Kubernetes-managed hosts file (host network).\n"


async def test_a_host_port_leads_to_the_pod(cluster: Cluster) -> None:
    await cluster.start_agent()
    ports = [{"containerPort": 8080, "hostPort": 18080}]
    pod = await run_pod(cluster, pod_manifest("port", "httpd -f -p 8080 -h /etc", container={"ports": ports}))
    # portmap translates what arrives at an address of the machine; its bridge address is one.
    gateway = pod["status"]["podIP"].rpartition(".")[0] + ".1"
    async with aiohttp.ClientSession() as session, session.get(f"http://{gateway}:18080/passwd") as answer:
        assert "root" in await answer.text()


async def test_pods_outlive_the_death_of_containerd(cluster: Cluster) -> None:
    await cluster.start_agent()
    before = await run_pod(cluster, pod_manifest("calm"))
    cluster.machine.stop()
    await asyncio.sleep(0.5)
    cluster.machine.start()
    await run_pod(cluster, pod_manifest("next"))
    after = await cluster.client.get(PODS, "calm", "default")
    assert ready(after)
    assert container(after)["containerID"] == container(before)["containerID"]
    assert container(after)["restartCount"] == 0


async def test_a_change_by_others_to_a_pods_conditions_is_corrected(cluster: Cluster) -> None:
    await cluster.start_agent()
    await run_pod(cluster, pod_manifest("doubted"))
    await asyncio.sleep(0.5)
    doubt = {"status": {"conditions": [{"type": "Ready", "status": "False", "reason": "NodeNotReady"}]}}
    await cluster.client.patch(PODS, "doubted", doubt, "default", kind="strategic", subresource="status")
    assert not ready(await cluster.client.get(PODS, "doubted", "default"))
    await until(cluster, "doubted", ready, 6)


async def test_attach_talks_with_the_main_process(cluster: Cluster) -> None:
    await cluster.start_agent()
    await run_pod(cluster, pod_manifest("talker", "cat", container={"stdin": True}))
    async with engine_session(cluster) as session:
        url = cluster.agent_url("/attach/default/talker/main?stdin=true&stdout=true&stderr=true")
        async with session.ws_connect(url, protocols=["v5.channel.k8s.io"]) as socket:
            await socket.send_bytes(b"\x00hello\n")
            message = await asyncio.wait_for(socket.receive_bytes(), 5)
    assert message == b"\x01hello\n"


async def test_input_ends_with_the_first_attach_where_that_was_asked_for(cluster: Cluster) -> None:
    await cluster.start_agent()
    manifest = pod_manifest("once", "cat", container={"stdin": True, "stdinOnce": True}, restartPolicy="Never")
    await run_pod(cluster, manifest)
    output, status = b"", None
    async with engine_session(cluster) as session:
        url = cluster.agent_url("/attach/default/once/main?stdin=true&stdout=true&stderr=true")
        async with session.ws_connect(url, protocols=["v5.channel.k8s.io"]) as socket:
            await socket.send_bytes(b"\x00all of it\n")
            await socket.send_bytes(b"\xff\x00")
            async for message in socket:
                if message.data[0] == 3:
                    status = json.loads(message.data[1:])["status"]
                else:
                    output += message.data[1:]
    assert (output, status) == (b"all of it\n", "Success")
    await until(cluster, "once", lambda p: p["status"]["phase"] == "Succeeded")


@asynccontextmanager
async def forwarding(cluster: Cluster, pod: str, *ports: int) -> "AsyncIterator[aiohttp.ClientWebSocketResponse]":
    """A conversation in the channel protocol, past the names of its ports."""
    query = [("port", str(port)) for port in ports]
    async with (
        engine_session(cluster) as session,
        session.ws_connect(
            cluster.agent_url(f"/portForward/default/{pod}"), params=query, protocols=["v4.channel.k8s.io"]
        ) as socket,
    ):
        for index, port in enumerate(ports):
            for channel in (2 * index, 2 * index + 1):
                assert await socket.receive_bytes(timeout=5) == bytes([channel]) + port.to_bytes(2, "little")
        yield socket


async def test_two_ports_are_forwarded_in_the_channel_protocol(cluster: Cluster) -> None:
    await cluster.start_agent()
    probe = {"tcpSocket": {"port": 8}, "periodSeconds": 1}
    command = "nc -ll -p 7 -e cat & sleep 0.2; nc -ll -p 8 -e cat"
    await run_pod(cluster, pod_manifest("echo", command, container={"readinessProbe": probe}))
    async with forwarding(cluster, "echo", 7, 8) as socket:
        for message in (b"\x00first", b"\x02second", b"\x00again"):
            await socket.send_bytes(message)
            assert await socket.receive_bytes(timeout=5) == message


async def test_a_forwarded_port_without_a_listener_answers_on_its_error_channel(cluster: Cluster) -> None:
    await cluster.start_agent()
    await run_pod(cluster, pod_manifest("deaf"))
    async with forwarding(cluster, "deaf", 9) as socket:
        answer = await socket.receive_bytes(timeout=5)
    assert answer.startswith(b"\x01error forwarding port 9 to pod ")


async def test_an_unused_image_goes_from_a_full_disk_once_it_is_old_enough(in_network: PrivateMachine) -> None:
    clock, told = FakeClock(), list[str]()
    full = Thresholds(high=1, low=0)
    try:
        async with Containerd(in_network.socket) as runtime:
            collector = ImageCollector(
                runtime, in_network.root, full, clock, lambda _type, reason, _text: told.append(reason)
            )
            assert await collector.collect() == 0
            await clock.advance(MINIMUM_AGE)
            assert await collector.collect() > 0
            assert await runtime.image("busybox:latest") is None
            assert told == ["FreeDiskSpaceFailed"] * 2
    finally:
        in_network.load_images()
