"""From a pod's spec to what the runtime makes of it, sandbox and containers: pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from nodeagent.cri.types import (
    ContainerSpec,
    Dns,
    Image,
    Mount,
    Namespaces,
    PortMapping,
    Resources,
    SandboxSpec,
    Seccomp,
    Security,
)
from nodeagent.pods import restart
from nodeagent.pods.env import expand
from nodeagent.pods.operations import Start
from nodeagent.pods.sync import ANNOTATION_HASH
from nodeagent.pods.view import Container, Pod, SeccompProfile

MASKED_PATHS = (
    "/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
    "/sys/devices/virtual/powercap",
)  # fmt: skip
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
SECCOMP_ROOT = "/var/lib/kubelet/seccomp"


class ConfigRefused(Exception):
    """The container may not be made as it is asked for: CreateContainerConfigError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the machine contributes to a container."""

    env: Mapping[str, str]
    mounts: Sequence[Mount]
    devices: Sequence[tuple[str, str, str]] = ()
    resources: Resources
    image: Image | None
    log_path: str


def definition_hash(container: Container) -> str:
    """Changes when the container has to be made anew, as upstream has it: name and image are all that can change."""
    return hashlib.sha256(f"{container.name}\0{container.image}".encode()).hexdigest()[:8]


def log_directory(root: str, pod: Pod) -> str:
    return f"{root}/{pod.metadata.namespace}_{pod.metadata.name}_{pod.metadata.uid}"


def sandbox_spec(pod: Pod, attempt: int, *, host_name: str, dns: Dns, log_dir: str, cgroup: str) -> SandboxSpec:
    spec, security = pod.spec, pod.spec.security_context
    ports = [
        PortMapping(
            protocol=port.protocol, container_port=port.container_port, host_port=port.host_port, host_ip=port.host_ip
        )
        for container in (*spec.containers, *pod.restartable_init)
        for port in container.ports
        if port.host_port and not spec.host_network
    ]
    return SandboxSpec(
        name=pod.metadata.name,
        namespace=pod.metadata.namespace,
        uid=pod.uid,
        attempt=attempt,
        # On the machine's network the name is the machine's, and runc refuses to set it.
        hostname="" if spec.host_network else host_name,
        log_directory=log_dir,
        cgroup_parent=cgroup,
        dns=dns,
        ports=tuple(ports),
        annotations=dict(pod.metadata.annotations),
        namespaces=_namespaces(pod),
        run_as_user=security.run_as_user,
        run_as_group=security.run_as_group,
        supplemental_groups=_groups(pod),
        privileged=any(c.security_context.privileged for c in pod.all_containers()),
        sysctls={sysctl.name: sysctl.value for sysctl in security.sysctls},
        seccomp=_seccomp(security.seccomp_profile) or Seccomp(type="RuntimeDefault"),
    )


def container_spec(pod: Pod, container: Container, step: Start, near: Surroundings) -> ContainerSpec:
    """Raises ConfigRefused."""
    _check_non_root(pod, container, near.image)
    known = (near.env,)
    return ContainerSpec(
        name=container.name,
        attempt=step.attempt,
        image=near.image.id if near.image is not None else container.image,
        command=tuple(expand(word, known) for word in container.command),
        args=tuple(expand(word, known) for word in container.args),
        working_dir=container.working_dir,
        env=tuple(near.env.items()),
        mounts=tuple(near.mounts),
        devices=tuple(near.devices),
        annotations=_annotations(pod, container, step.attempt, step.backoff),
        log_path=near.log_path,
        stdin=container.stdin,
        stdin_once=container.stdin_once,
        tty=container.tty,
        stop_signal=container.lifecycle.stop_signal,
        target=step.target,
        resources=near.resources,
        security=_security(pod, container),
    )


def _annotations(pod: Pod, container: Container, attempt: int, backoff: float) -> dict[str, str]:
    annotations = {
        ANNOTATION_HASH: definition_hash(container),
        "io.kubernetes.container.restartCount": str(attempt),
        "io.kubernetes.container.terminationMessagePath": container.termination_message_path,
        "io.kubernetes.container.terminationMessagePolicy": container.termination_message_policy,
        "io.kubernetes.pod.terminationGracePeriod": str(pod.spec.termination_grace_period_seconds),
    }
    if backoff:
        annotations[restart.ANNOTATION_BACKOFF] = f"{backoff:g}"
    if container.lifecycle.pre_stop is not None:
        # For a pod that nobody remembers but containerd: its hook must still run.
        annotations["io.kubernetes.container.preStopHandler"] = msgspec.json.encode(
            container.lifecycle.pre_stop
        ).decode()
    return annotations


def _namespaces(pod: Pod) -> Namespaces:
    return Namespaces(
        host_network=pod.spec.host_network,
        host_pid=pod.spec.host_pid,
        host_ipc=pod.spec.host_ipc,
        shared_pid=pod.spec.share_process_namespace,
    )


def _groups(pod: Pod) -> tuple[int, ...]:
    security = pod.spec.security_context
    own = () if security.fs_group is None else (security.fs_group,)
    return (*security.supplemental_groups, *own)


def _security(pod: Pod, container: Container) -> Security:
    own, shared = container.security_context, pod.spec.security_context
    unmasked = own.proc_mount == "Unmasked"
    return Security(
        run_as_user=_first(own.run_as_user, shared.run_as_user),
        run_as_group=_first(own.run_as_group, shared.run_as_group),
        supplemental_groups=_groups(pod),
        privileged=own.privileged,
        readonly_rootfs=own.read_only_root_filesystem,
        no_new_privs=own.allow_privilege_escalation is False,
        add_capabilities=tuple(cap.removeprefix("CAP_") for cap in own.capabilities.add),
        drop_capabilities=tuple(cap.removeprefix("CAP_") for cap in own.capabilities.drop),
        masked_paths=() if unmasked or own.privileged else MASKED_PATHS,
        readonly_paths=() if unmasked or own.privileged else READONLY_PATHS,
        seccomp=_seccomp(own.seccomp_profile) or _seccomp(shared.seccomp_profile),
    )


def _check_non_root(pod: Pod, container: Container, image: Image | None) -> None:
    own, shared = container.security_context, pod.spec.security_context
    if not _first(own.run_as_non_root, shared.run_as_non_root):
        return
    user = _first(own.run_as_user, shared.run_as_user)
    where = f'(pod: "{pod.full_name}", container: {container.name})'
    if user == 0:
        raise ConfigRefused(f"container's runAsUser breaks non-root policy {where}")
    if user is not None or image is None:
        return
    if image.user:
        name = f"image has non-numeric user ({image.user}), cannot verify user is non-root"
        raise ConfigRefused(f"container has runAsNonRoot and {name} {where}")
    if not image.uid:
        raise ConfigRefused(f"container has runAsNonRoot and image will run as root {where}")


def _seccomp(profile: SeccompProfile | None) -> Seccomp | None:
    if profile is None or not profile.type:
        return None
    return Seccomp(type=profile.type, localhost_path=f"{SECCOMP_ROOT}/{profile.localhost_profile}")


def _first(*choices: int | None) -> int | None:
    return next((choice for choice in choices if choice is not None), None)
