"""Pods on a real containerd, through a real API server: from apply to Running, through failures, to gone."""

import asyncio
import os
import signal
import subprocess

import pytest

from apimachinery.objects.resources import CONFIGMAPS, PODS, SECRETS
from tests.nodeagent.conftest import (
    Cluster,
    container,
    events,
    log_files,
    log_text,
    phase,
    pod_manifest,
    ready,
    run_pod,
    until,
    until_gone,
    waiting,
)

pytestmark = pytest.mark.lab


def main_process(pod: str) -> int:
    """The process id of a pod's main command, which carries the pod's name as an argument."""
    found = subprocess.run(["pgrep", "-f", f"^sh -c .*{pod}$"], capture_output=True, text=True, check=True).stdout
    return int(found.split()[0])


async def test_a_pod_runs_and_its_events_tell_how(cluster: Cluster) -> None:
    await cluster.start_agent()
    pod = await run_pod(cluster, pod_manifest("web"))
    assert pod["status"]["phase"] == "Running"
    assert pod["status"]["podIP"].startswith("10.42.9.")
    assert pod["status"]["hostIP"] == "127.0.0.1"
    assert pod["status"]["qosClass"] == "BestEffort"
    assert container(pod)["containerID"].startswith("containerd://")
    assert {c["type"]: c["status"] for c in pod["status"]["conditions"]} == dict.fromkeys(
        ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"), "True"
    )
    assert await events(cluster, "web") == [
        (
            "Normal",
            "Pulled",
            'Container image "busybox:latest" already present on machine and can be accessed by the pod',
        ),
        ("Normal", "Created", "Container created"),
        ("Normal", "Started", "Container started"),
    ]


async def test_a_killed_process_is_started_again_and_counted(cluster: Cluster) -> None:
    await cluster.start_agent()
    before = await run_pod(cluster, pod_manifest("web", "sleep 100000; : web"))
    os.kill(main_process("web"), signal.SIGKILL)
    after = await until(cluster, "web", lambda p: ready(p) and container(p)["restartCount"] == 1)
    assert container(after)["lastState"]["terminated"]["exitCode"] == 137
    assert container(after)["lastState"]["terminated"]["reason"] == "Error"
    assert container(after)["containerID"] != container(before)["containerID"]
    assert after["status"]["podIP"] == before["status"]["podIP"]


async def test_a_container_that_keeps_failing_waits_in_crash_loop_back_off(cluster: Cluster) -> None:
    await cluster.start_agent()
    pod = await run_pod(cluster, pod_manifest("bad", "echo no luck; exit 3"), waiting("CrashLoopBackOff"))
    status = container(pod)
    assert status["restartCount"] == 1
    assert status["lastState"]["terminated"]["exitCode"] == 3
    assert status["state"]["waiting"]["message"].startswith("back-off 10s restarting failed container=main pod=bad_")
    assert pod["status"]["phase"] == "Running"
    told = [message for _, reason, message in await events(cluster, "bad") if reason == "BackOff"]
    assert told == [f"Back-off restarting failed container main in pod bad_default({pod['metadata']['uid']})"]
    assert await log_text(cluster, "bad", "previous=true") == "no luck\n"


@pytest.mark.parametrize(
    ("policy", "command", "expected", "reason", "code"),
    [
        pytest.param("Never", "exit 0", "Succeeded", "Completed", 0, id="done"),
        pytest.param("Never", "exit 2", "Failed", "Error", 2, id="failed for good"),
        pytest.param("OnFailure", "exit 0", "Succeeded", "Completed", 0, id="done where failures are retried"),
    ],
)
async def test_a_pod_that_is_not_restarted_ends(
    cluster: Cluster, policy: str, command: str, expected: str, reason: str, code: int
) -> None:
    await cluster.start_agent()
    manifest = pod_manifest("job", f"echo bye > /dev/termination-log; {command}", restartPolicy=policy)
    pod = await run_pod(cluster, manifest, phase(expected))
    ended = container(pod)["state"]["terminated"]
    assert (ended["reason"], ended["exitCode"], ended["message"]) == (reason, code, "bye\n")
    assert not ready(pod)
    ready_reason = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}[expected]
    assert next(c for c in pod["status"]["conditions"] if c["type"] == "Ready")["reason"] == ready_reason


async def test_init_containers_run_in_order_and_sidecars_stay(cluster: Cluster) -> None:
    await cluster.start_agent()
    shared = {"volumeMounts": [{"name": "work", "mountPath": "/work"}], "image": "busybox:latest"}
    shared["imagePullPolicy"] = "IfNotPresent"
    manifest = pod_manifest(
        "ordered",
        "cat /work/log; sleep 100000",
        container={"volumeMounts": shared["volumeMounts"]},
        volumes=[{"name": "work", "emptyDir": {}}],
        initContainers=[
            {"name": "first", "command": ["sh", "-c", "sleep 0.3; echo first >> /work/log"], **shared},
            {
                "name": "beside",
                "command": ["sh", "-c", "echo beside >> /work/log; sleep 100000"],
                "restartPolicy": "Always",
                **shared,
            },
            {"name": "second", "command": ["sh", "-c", "echo second >> /work/log"], **shared},
        ],
    )
    await cluster.client.create(PODS, manifest, "default")
    early = await until(cluster, "ordered", lambda p: "running" in container(p, "first").get("state", {}))
    assert container(early)["state"]["waiting"]["reason"] == "PodInitializing"
    assert early["status"]["phase"] == "Pending"
    pod = await until(cluster, "ordered", ready)
    assert container(pod, "first")["state"]["terminated"]["reason"] == "Completed"
    assert "running" in container(pod, "beside")["state"]
    await asyncio.sleep(0.1)
    assert await log_text(cluster, "ordered") == "first\nbeside\nsecond\n"


async def test_config_reaches_the_container_by_environment_and_by_files(cluster: Cluster) -> None:
    await cluster.start_agent()
    names = {"namespace": "default"}
    await cluster.client.create(CONFIGMAPS, {"metadata": {"name": "cm", **names}, "data": {"a": "1", "b": "2"}})
    secret = {"metadata": {"name": "sec", **names}, "stringData": {"key": "hush"}}
    await cluster.client.create(SECRETS, secret)
    manifest = pod_manifest(
        "conf",
        "echo $A $FROM $NAME $LIMIT; cat /cm/a /sec/key /info/labels; ls /one; cat /sub; hostname; sleep 100000",
        container={
            "env": [
                {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "a"}}},
                {"name": "FROM", "value": "$(A)-$(P_key)-$$(A)"},
                {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "LIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
            ],
            "envFrom": [{"prefix": "P_", "secretRef": {"name": "sec"}}],
            "resources": {"limits": {"memory": "64Mi"}},
            "volumeMounts": [
                {"name": "cm", "mountPath": "/cm"},
                {"name": "sec", "mountPath": "/sec"},
                {"name": "info", "mountPath": "/info"},
                {"name": "one", "mountPath": "/one"},
                {"name": "cm", "mountPath": "/sub", "subPath": "b"},
            ],
        },
        volumes=[
            {"name": "cm", "configMap": {"name": "cm"}},
            {"name": "sec", "secret": {"secretName": "sec"}},
            {
                "name": "info",
                "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]},
            },
            {
                "name": "one",
                "projected": {"sources": [{"configMap": {"name": "cm", "items": [{"key": "b", "path": "B"}]}}]},
            },
        ],
    )
    await run_pod(cluster, manifest)
    await asyncio.sleep(0.2)
    assert await log_text(cluster, "conf") == '1 1-hush-$(A) conf 64\n1hushapp="conf"B\n2conf\n'


@pytest.mark.parametrize(
    ("change", "reason", "message"),
    [
        pytest.param(
            {"image": "registry.invalid/none:1"}, "ErrImagePull", "failed to resolve reference", id="no such registry"
        ),
        pytest.param(
            {"image": "absent:1", "imagePullPolicy": "Never"},
            "ErrImageNeverPull",
            'Container image "absent:1" is not present with pull policy of Never',
            id="absent and never pulled",
        ),
        pytest.param(
            {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "none", "key": "a"}}}]},
            "CreateContainerConfigError",
            'configmap "none" not found',
            id="config map missing",
        ),
        pytest.param(
            {"securityContext": {"runAsNonRoot": True}},
            "CreateContainerConfigError",
            "container has runAsNonRoot and image will run as root",
            id="root refused",
        ),
        pytest.param({"command": ["/none"]}, "CrashLoopBackOff", "back-off 10s", id="no such program"),
    ],
)
async def test_what_keeps_a_container_from_starting_is_named(
    cluster: Cluster, change: dict[str, object], reason: str, message: str
) -> None:
    await cluster.start_agent()
    pod = await run_pod(cluster, pod_manifest("stuck", container=change), waiting(reason))
    assert message in container(pod)["state"]["waiting"]["message"]
    if reason != "CrashLoopBackOff":
        assert pod["status"]["phase"] == "Pending"


async def test_a_failing_pull_backs_off(cluster: Cluster) -> None:
    await cluster.start_agent()
    manifest = pod_manifest("stuck", container={"image": "registry.invalid/none:1"})
    pod = await run_pod(cluster, manifest, waiting("ImagePullBackOff"))
    text = container(pod)["state"]["waiting"]["message"]
    assert text.startswith('Back-off pulling image "registry.invalid/none:1": ErrImagePull: ')
    told = [(reason, message.partition(": rpc")[0]) for _, reason, message in await events(cluster, "stuck")]
    assert told == [
        ("Pulling", 'Pulling image "registry.invalid/none:1"'),
        ("Failed", 'Failed to pull image "registry.invalid/none:1"'),
        ("Failed", "Error: ErrImagePull"),
        ("BackOff", 'Back-off pulling image "registry.invalid/none:1"'),
        ("Failed", "Error: ImagePullBackOff"),
    ]


async def test_a_missing_config_map_that_appears_lets_the_pod_start(cluster: Cluster) -> None:
    await cluster.start_agent()
    manifest = pod_manifest(
        "late",
        container={"volumeMounts": [{"name": "cm", "mountPath": "/cm"}]},
        volumes=[{"name": "cm", "configMap": {"name": "cm"}}],
    )
    await run_pod(cluster, manifest, waiting("ContainerCreating"))
    told = [(reason, message) for _, reason, message in await events(cluster, "late")]
    assert told == [("FailedMount", 'MountVolume.SetUp failed for volume "cm" : configmap "cm" not found')]
    cm = {"metadata": {"name": "cm", "namespace": "default"}, "data": {"a": "1"}}
    await cluster.client.create(CONFIGMAPS, cm)
    await until(cluster, "late", ready)


async def test_deletion_runs_the_hook_and_leaves_nothing(cluster: Cluster) -> None:
    agent = await cluster.start_agent()
    command = "trap 'echo term; exit 0' TERM; while :; do sleep 0.05; done"
    manifest = pod_manifest(
        "leaving",
        command,
        container={"lifecycle": {"preStop": {"exec": {"command": ["sh", "-c", "echo hook > /proc/1/fd/1"]}}}},
        terminationGracePeriodSeconds=10,
    )
    pod = await run_pod(cluster, manifest)
    uid = pod["metadata"]["uid"]
    follower = asyncio.ensure_future(log_text(cluster, "leaving", "follow=true"))
    await asyncio.sleep(0.2)
    await cluster.client.delete(PODS, "leaving", "default")
    assert await follower == "hook\nterm\n"
    await until_gone(cluster, "leaving", 5)
    assert ("Normal", "Killing", "Stopping container main") in await events(cluster, "leaving")
    for _ in range(50):
        if not list(agent.roster.workers()):
            break
        await asyncio.sleep(0.05)
    assert not agent.machine.pod_folder(uid).exists()
    assert uid not in agent.machine.cgroups.uids()
    assert await agent.machine.runtime.sandboxes(uid) == []
    assert log_files(cluster) == []


async def test_a_pod_deleted_by_force_is_stopped_all_the_same(cluster: Cluster) -> None:
    agent = await cluster.start_agent()
    pod = await run_pod(cluster, pod_manifest("forced"))
    await cluster.client.delete(PODS, "forced", "default", grace_period_seconds=0)
    for _ in range(100):
        if not await agent.machine.runtime.sandboxes(pod["metadata"]["uid"]):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the sandbox of a force-deleted pod is still there")


async def test_limits_become_cgroup_settings_and_memory_is_enforced(cluster: Cluster) -> None:
    await cluster.start_agent()
    manifest = pod_manifest(
        "limited",
        "head -c 60m /dev/zero | tail",
        container={"resources": {"limits": {"memory": "20Mi", "cpu": "200m"}}},
        restartPolicy="Never",
    )
    pod = await run_pod(cluster, manifest, phase("Failed"))
    assert pod["status"]["qosClass"] == "Guaranteed"
    assert container(pod)["state"]["terminated"]["reason"] == "OOMKilled"
    assert container(pod)["state"]["terminated"]["exitCode"] == 137


async def test_security_settings_hold(cluster: Cluster) -> None:
    await cluster.start_agent()
    manifest = pod_manifest(
        "secure",
        "id -u; id -g; id -G; touch /x 2>/dev/null || echo ro; touch /data/f && stat -c %g /data/f; sleep 100000",
        container={
            "securityContext": {
                "runAsUser": 1001,
                "readOnlyRootFilesystem": True,
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            },
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        },
        securityContext={"runAsGroup": 2002, "fsGroup": 3003},
        volumes=[{"name": "data", "emptyDir": {"medium": "Memory"}}],
    )
    await run_pod(cluster, manifest)
    await asyncio.sleep(0.2)
    lines = (await log_text(cluster, "secure")).splitlines()
    assert lines[:2] == ["1001", "2002"]
    assert "3003" in lines[2].split()
    assert lines[-2:] == ["ro", "3003"]


async def test_a_pod_past_its_deadline_fails(cluster: Cluster) -> None:
    await cluster.start_agent()
    pod = await run_pod(cluster, pod_manifest("brief", activeDeadlineSeconds=1), phase("Failed"))
    assert pod["status"]["reason"] == "DeadlineExceeded"
    assert pod["status"]["message"] == "Pod was active on the node longer than the specified deadline"
