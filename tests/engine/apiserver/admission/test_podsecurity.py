"""Pod Security: each check in upstream's words, the levels by release, namespaces' labels, and what clients are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from apimachinery.objects.errors import StatusError
from apimachinery.objects.resources import NAMESPACES, PODS
from engine.apiserver.admission.podsecurity.evaluation import CHECKS, details, violations
from engine.apiserver.admission.podsecurity.plugin import Exemptions, PodSecurity
from engine.apiserver.admission.podsecurity.policy import LevelVersion, policy_of
from tests.engine.conftest import RunningEngine, start_engine, stop_engine

Json = dict[str, Any]
LABEL = "pod-security.kubernetes.io/"


def spec(**security: Any) -> Json:
    """A pod of one container `a` that fits the level restricted, but for what is given."""
    return {"containers": [container("a", **security)], "securityContext": {}}


def container(name: str, **security: Any) -> Json:
    strict = {
        "allowPrivilegeEscalation": False, "runAsNonRoot": True, "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }  # fmt: skip
    return {"name": name, "image": "x", "securityContext": {**strict, **security}}


def pod_with(**fields: Any) -> Json:
    return {**spec(), **fields}


@pytest.mark.parametrize(
    ("level", "pod", "text"),
    [
        pytest.param("baseline", spec(privileged=True), 'privileged (container "a" must not set securityContext.privileged=true)', id="privileged"),
        pytest.param("baseline", pod_with(hostNetwork=True, hostPID=True), "host namespaces (hostNetwork=true, hostPID=true)", id="host-namespaces"),
        pytest.param("baseline", pod_with(volumes=[{"name": "v", "hostPath": {"path": "/"}}]), 'hostPath volumes (volume "v")', id="host-path"),
        pytest.param("restricted", pod_with(volumes=[{"name": "v", "hostPath": {"path": "/"}}, {"name": "n", "nfs": {}}]),
                     'restricted volume types (volumes "v", "n" use restricted volume types "hostPath", "nfs")', id="volumes"),
        pytest.param("baseline", pod_with(containers=[{"name": "a", "ports": [{"hostPort": 80}, {"hostPort": 443}]}, {"name": "b", "ports": [{"hostPort": 80}]}]),
                     'hostPort (containers "a", "b" use hostPorts 443, 80)', id="host-ports"),
        pytest.param("baseline", pod_with(containers=[{"name": "a", "livenessProbe": {"httpGet": {"host": "1.2.3.4"}}}]),
                     'probe or lifecycle host (container "a" uses probe or lifecycle host "1.2.3.4")', id="probes"),
        pytest.param("baseline", spec(procMount="Unmasked"), 'procMount (container "a" must not set securityContext.procMount to "Unmasked")', id="proc-mount"),
        pytest.param("baseline", spec(seLinuxOptions={"type": "x_t", "user": "u"}),
                     'seLinuxOptions (container "a" set forbidden securityContext.seLinuxOptions: type "x_t"; user may not be set)', id="selinux"),
        pytest.param("baseline", {**spec(), "securityContext": {"sysctls": [{"name": "kernel.msgmax"}, {"name": "net.ipv4.tcp_rmem"}]}},
                     "forbidden sysctls (kernel.msgmax)", id="sysctls"),
        pytest.param("baseline", spec(capabilities={"add": ["NET_RAW", "CHOWN"]}),
                     'non-default capabilities (container "a" must not include "NET_RAW" in securityContext.capabilities.add)', id="capabilities"),
        pytest.param("baseline", {**spec(seccompProfile={"type": "Unconfined"}), "securityContext": {"seccompProfile": {"type": "Unconfined"}}},
                     'seccompProfile (pod and container "a" must not set securityContext.seccompProfile.type to "Unconfined")', id="seccomp"),
        pytest.param("baseline", spec(appArmorProfile={"type": "Unconfined"}),
                     'forbidden AppArmor profile (container "a" must not set AppArmor profile type to "Unconfined")', id="apparmor"),
        pytest.param("baseline", {**spec(), "securityContext": {"windowsOptions": {"hostProcess": True}}},
                     "hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)", id="windows"),
        pytest.param("restricted", spec(allowPrivilegeEscalation=None),
                     'allowPrivilegeEscalation != false (container "a" must set securityContext.allowPrivilegeEscalation=false)', id="escalation"),
        pytest.param("restricted", spec(capabilities={"add": ["NET_RAW"]}),
                     'unrestricted capabilities (container "a" must set securityContext.capabilities.drop=["ALL"];'
                     ' container "a" must not include "NET_RAW" in securityContext.capabilities.add)', id="drop-all"),
        pytest.param("restricted", spec(runAsNonRoot=None), 'runAsNonRoot != true (pod or container "a" must set securityContext.runAsNonRoot=true)', id="non-root"),
        pytest.param("restricted", spec(runAsNonRoot=False), 'runAsNonRoot != true (container "a" must not set securityContext.runAsNonRoot=false)', id="root-said"),
        pytest.param("restricted", spec(runAsUser=0), 'runAsUser=0 (container "a" must not set runAsUser=0)', id="user-0"),
        pytest.param("restricted", spec(seccompProfile=None),
                     'seccompProfile (pod or container "a" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")', id="no-seccomp"),
        pytest.param("restricted", spec(), "", id="fine"),
        pytest.param("restricted", {"containers": [{"name": "a"}, {"name": "b"}]},
                     'allowPrivilegeEscalation != false (containers "a", "b" must set securityContext.allowPrivilegeEscalation=false),'
                     ' unrestricted capabilities (containers "a", "b" must set securityContext.capabilities.drop=["ALL"]),'
                     ' runAsNonRoot != true (pod or containers "a", "b" must set securityContext.runAsNonRoot=true),'
                     ' seccompProfile (pod or containers "a", "b" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")', id="plain"),
    ],
)  # fmt: skip
def test_each_check_says_what_is_wrong_in_upstreams_words(level: Any, pod: Json, text: str) -> None:
    assert details(violations(LevelVersion(level), {"name": "p"}, pod)) == text


@pytest.mark.parametrize(
    ("minor", "pod", "refused"),
    [
        pytest.param(33, pod_with(containers=[{"name": "a", "livenessProbe": {"tcpSocket": {"host": "h"}}}]), False, id="no-probes-then"),
        pytest.param(34, pod_with(containers=[{"name": "a", "livenessProbe": {"tcpSocket": {"host": "h"}}}]), True, id="probes-since-1.34"),
        pytest.param(30, spec(seLinuxOptions={"type": "container_engine_t"}), True, id="engine-type-then"),
        pytest.param(31, spec(seLinuxOptions={"type": "container_engine_t"}), False, id="engine-type-since-1.31"),
        pytest.param(34, {**spec(procMount="Unmasked"), "hostUsers": False}, True, id="own-users-then"),
        pytest.param(35, {**spec(procMount="Unmasked"), "hostUsers": False}, False, id="own-users-since-1.35"),
    ],
)  # fmt: skip
def test_a_release_judges_by_its_own_checks(minor: int, pod: Json, refused: bool) -> None:
    assert bool(violations(LevelVersion("baseline", minor), {}, pod)) is refused


def test_restricted_has_upstreams_checks_and_none_twice() -> None:
    assert {name for name, check in CHECKS.items() if check.level == "restricted"} == {
        "allowPrivilegeEscalation", "capabilities_restricted", "procMount_restricted", "restrictedVolumes",
        "runAsNonRoot", "runAsUser", "seccompProfile_restricted",
    }  # fmt: skip
    assert len(CHECKS) == 19


@pytest.mark.parametrize(
    ("labels", "shown", "wrong"),
    [
        pytest.param({}, ("privileged:latest", "privileged:latest", "privileged:latest"), [], id="none"),
        pytest.param({"enforce": "restricted"}, ("restricted:latest", "privileged:latest", "restricted:latest"), [], id="enforce-warns"),
        pytest.param({"enforce": "restricted", "enforce-version": "v1.30"}, ("restricted:v1.30", "privileged:latest", "restricted:v1.30"), [], id="version"),
        pytest.param({"enforce": "baseline", "warn": "privileged"}, ("baseline:latest", "privileged:latest", "privileged:latest"), [], id="warn-said"),
        pytest.param({"enforce": "strict", "audit": "x", "warn-version": "1.2"}, ("restricted:latest", "privileged:latest", "privileged:latest"), [
            f'metadata.labels[{LABEL}enforce]: Invalid value: "strict": must be one of privileged, baseline, restricted',
            f'metadata.labels[{LABEL}audit]: Invalid value: "x": must be one of privileged, baseline, restricted',
            f'metadata.labels[{LABEL}warn-version]: Invalid value: "1.2": must be "latest" or "v1.x"',
        ], id="unreadable"),
    ],
)  # fmt: skip
def test_labels_choose_levels(labels: dict[str, str], shown: tuple[str, ...], wrong: list[str]) -> None:
    policy, errors = policy_of({f"{LABEL}{name}": value for name, value in labels.items()})
    assert (str(policy.enforce), str(policy.audit), str(policy.warn)) == shown
    assert [str(error) for error in errors] == wrong


def test_pods_that_are_there_are_counted_by_what_is_wrong_with_them() -> None:
    def made(name: str, owner: str = "", **more: Any) -> Json:
        references = [{"uid": owner, "controller": True}] if owner else []
        return {"metadata": {"name": name, "ownerReferences": references}, "spec": {**spec(privileged=True), **more}}

    pods = [made("c", "o"), made("b", "o"), made("z"), made("d", hostNetwork=True), made("e", runtimeClassName="free")]
    judge = PodSecurity(exemptions=Exemptions(runtime_classes=("free",)))
    assert judge.pod_warnings("n", LevelVersion("baseline"), pods) == [
        'existing pods in namespace "n" violate the new PodSecurity enforce level "baseline:latest"',
        "b (and 2 other pods): privileged",
        "d: host namespaces, privileged",
    ]


def pod(name: str, **changes: Any) -> Json:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {**spec(), **changes}}


async def test_namespace_enforces_warns_and_tells_of_pods_that_are_there(engine: RunningEngine) -> None:
    await engine.kubectl("create", "namespace", "team")
    await engine.client.create(PODS, pod("old", hostNetwork=True), "team")
    ran = await engine.kubectl(
        "label", "namespace", "team", f"{LABEL}enforce=restricted", f"{LABEL}enforce-version=v1.36"
    )
    assert ran.err.splitlines() == [
        'Warning: existing pods in namespace "team" violate the new PodSecurity enforce level "restricted:v1.36"',
        "Warning: old: host namespaces",
    ]
    ran = await engine.kubectl("run", "bad", "--image=x", "-n", "team", check=False)
    assert ran.err == (
        'Error from server (Forbidden): pods "bad" is forbidden: violates PodSecurity "restricted:v1.36":'
        ' allowPrivilegeEscalation != false (container "bad" must set securityContext.allowPrivilegeEscalation=false),'
        ' unrestricted capabilities (container "bad" must set securityContext.capabilities.drop=["ALL"]),'
        ' runAsNonRoot != true (pod or container "bad" must set securityContext.runAsNonRoot=true),'
        ' seccompProfile (pod or container "bad" must set securityContext.seccompProfile.type to "RuntimeDefault" or'
        ' "Localhost")\n'
    )
    await engine.client.create(PODS, pod("good"), "team")
    ran = await engine.kubectl("create", "deployment", "d", "--image=x", "-n", "team")
    assert ran.err.startswith(
        'Warning: would violate PodSecurity "restricted:v1.36": allowPrivilegeEscalation != false'
    )
    # What is there may still be changed, but for its images.
    await engine.kubectl("label", "pod", "old", "a=b", "-n", "team")
    ran = await engine.kubectl("set", "image", "pod/old", "a=y", "-n", "team", check=False)
    assert "host namespaces (hostNetwork=true)" in ran.err
    ran = await engine.kubectl("label", "namespace", "team", f"{LABEL}warn=strict", check=False)
    assert 'Invalid value: "strict": must be one of privileged, baseline, restricted' in ran.err


async def test_ephemeral_containers_are_judged_too(engine: RunningEngine) -> None:
    labels = {f"{LABEL}enforce": "baseline"}
    await engine.client.create(
        NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "t", "labels": labels}}
    )
    await engine.client.create(PODS, pod("p"), "t")
    debug = {"name": "d", "image": "x", "securityContext": {"privileged": True}}
    with pytest.raises(StatusError, match='container "d" must not set securityContext.privileged=true'):
        await engine.client.patch(
            PODS,
            "p",
            {"spec": {"ephemeralContainers": [debug]}},
            "t",
            kind="strategic",
            subresource="ephemeralcontainers",
        )


async def test_audit_log_says_what_would_be_refused(tmp_path: Path) -> None:
    running, task = await start_engine(tmp_path / "data", controllers=False, audit_log=True)
    try:
        labels = {f"{LABEL}audit": "baseline"}
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "t", "labels": labels}}
        await running.client.create(NAMESPACES, namespace)
        await running.client.create(PODS, pod("p", hostIPC=True), "t")
    finally:
        await stop_engine(running, task)
    events = [json.loads(line) for line in (tmp_path / "data/audit.log").read_text().splitlines()]
    noted = next(event["annotations"] for event in events if event.get("objectRef", {}).get("resource") == "pods")
    assert noted == {
        f"{LABEL}enforce-policy": "privileged:latest",
        f"{LABEL}audit-violations": 'would violate PodSecurity "baseline:latest": host namespaces (hostIPC=true)',
    }


async def test_exemptions_come_from_the_configuration(tmp_path: Path) -> None:
    running, task = await start_engine(tmp_path / "data", controllers=False, pod_security_exempt_namespaces=("free",))
    try:
        ran = await running.kubectl("create", "-f", "-", stdin=json.dumps({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "free", "labels": {f"{LABEL}enforce": "baseline"}},
        }))  # fmt: skip
        assert ran.err == (
            'Warning: namespace "free" is exempt from Pod Security, and the policy (enforce=baseline:latest) will be ignored\n'
        )
        await running.client.create(PODS, pod("p", hostIPC=True), "free")
    finally:
        await stop_engine(running, task)
