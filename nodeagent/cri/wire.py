"""Between our plain values and the protobuf messages of CRI v1."""

from __future__ import annotations

from typing import Any

from cri_api.v1 import api_pb2

from nodeagent.cri.types import (
    LABEL_CONTAINER,
    LABEL_POD_NAME,
    LABEL_POD_NAMESPACE,
    LABEL_POD_UID,
    Container,
    ContainerSpec,
    Image,
    Namespaces,
    Resources,
    Sandbox,
    SandboxSpec,
    Seccomp,
    Security,
    State,
    Usage,
)

# Generated code types its enums as opaque; on the wire they are plain numbers.
pb: Any = api_pb2
_STATES = {0: State.CREATED, 1: State.RUNNING, 2: State.EXITED, 3: State.UNKNOWN}
_PROTOCOLS = {"TCP": 0, "UDP": 1, "SCTP": 2}
_PROPAGATION = {"None": 0, "HostToContainer": 1, "Bidirectional": 2}
_SECCOMP = {"RuntimeDefault": 0, "Unconfined": 1, "Localhost": 2}
_POD, _CONTAINER, _NODE, _TARGET = 0, 1, 2, 3
_NANO = 1e-9


def sandbox_config(spec: SandboxSpec) -> Any:
    """PodSandboxConfig of a sandbox, the same bytes for the same spec each time."""
    security = pb.LinuxSandboxSecurityContext(
        namespace_options=_namespaces(spec.namespaces),
        supplemental_groups=spec.supplemental_groups,
        privileged=spec.privileged,
        seccomp=_seccomp(spec.seccomp),
    )
    if spec.run_as_user is not None:
        security.run_as_user.value = spec.run_as_user
    if spec.run_as_group is not None and spec.run_as_user is not None:
        security.run_as_group.value = spec.run_as_group
    config = pb.PodSandboxConfig(
        metadata=pb.PodSandboxMetadata(name=spec.name, uid=spec.uid, namespace=spec.namespace, attempt=spec.attempt),
        hostname=spec.hostname,
        log_directory=spec.log_directory,
        port_mappings=[
            pb.PortMapping(
                protocol=_PROTOCOLS.get(port.protocol, 0),
                container_port=port.container_port,
                host_port=port.host_port,
                host_ip=port.host_ip,
            )
            for port in spec.ports
        ],
        labels=_pod_labels(spec),
        annotations=dict(spec.annotations),
        linux=pb.LinuxPodSandboxConfig(
            cgroup_parent=spec.cgroup_parent, security_context=security, sysctls=dict(spec.sysctls)
        ),
    )
    if spec.dns is not None:
        config.dns_config.servers.extend(spec.dns.servers)
        config.dns_config.searches.extend(spec.dns.searches)
        config.dns_config.options.extend(spec.dns.options)
    return config


def container_config(spec: ContainerSpec, sandbox: SandboxSpec) -> Any:
    """ContainerConfig of one container in its sandbox."""
    return pb.ContainerConfig(
        metadata=pb.ContainerMetadata(name=spec.name, attempt=spec.attempt),
        image=pb.ImageSpec(image=spec.image),
        command=spec.command,
        args=spec.args,
        working_dir=spec.working_dir,
        envs=[pb.KeyValue(key=key, value=value) for key, value in spec.env],
        mounts=[
            pb.Mount(
                container_path=mount.container_path,
                host_path=mount.host_path,
                readonly=mount.readonly,
                recursive_read_only=mount.recursive,
                propagation=_PROPAGATION.get(mount.propagation, 0),
            )
            for mount in spec.mounts
        ],
        devices=[
            pb.Device(host_path=host, container_path=inside, permissions=rights)
            for host, inside, rights in spec.devices
        ],
        labels={**_pod_labels(sandbox), LABEL_CONTAINER: spec.name},
        annotations=dict(spec.annotations),
        log_path=spec.log_path,
        stdin=spec.stdin,
        stdin_once=spec.stdin_once,
        tty=spec.tty,
        linux=pb.LinuxContainerConfig(
            resources=_resources(spec.resources),
            security_context=_security(spec.security, sandbox.namespaces, spec.target),
        ),
    )


def sandbox_from(message: Any) -> Sandbox:
    """From an entry of ListPodSandbox or from PodSandboxStatus."""
    network = getattr(message, "network", None)
    ips: tuple[str, ...] = ()
    if network is not None and network.ip:
        ips = (network.ip, *(extra.ip for extra in network.additional_ips))
    return Sandbox(
        id=message.id,
        name=message.metadata.name,
        namespace=message.metadata.namespace,
        uid=message.metadata.uid,
        attempt=message.metadata.attempt,
        ready=message.state == 0,
        created_at=message.created_at * _NANO,
        annotations=dict(message.annotations),
        ips=ips,
    )


def listed_container(message: Any) -> Container:
    """From an entry of ListContainers."""
    return Container(
        id=message.id,
        sandbox_id=message.pod_sandbox_id,
        name=message.metadata.name,
        uid=message.labels.get(LABEL_POD_UID, ""),
        attempt=message.metadata.attempt,
        state=_STATES.get(message.state, State.UNKNOWN),
        image=message.image.image,
        image_ref=message.image_ref,
        created_at=message.created_at * _NANO,
        annotations=dict(message.annotations),
    )


def detailed_container(status: Any, sandbox_id: str = "") -> Container:
    """From ContainerStatus, which does not name the sandbox."""
    return Container(
        id=status.id,
        sandbox_id=sandbox_id,
        name=status.metadata.name,
        uid=status.labels.get(LABEL_POD_UID, ""),
        attempt=status.metadata.attempt,
        state=_STATES.get(status.state, State.UNKNOWN),
        image=status.image.image,
        image_ref=status.image_ref,
        created_at=status.created_at * _NANO,
        started_at=status.started_at * _NANO,
        finished_at=status.finished_at * _NANO,
        exit_code=status.exit_code,
        reason=status.reason,
        message=status.message,
        annotations=dict(status.annotations),
        log_path=status.log_path,
    )


def image_from(message: Any) -> Image:
    """From an entry of ListImages or ImageStatus."""
    return Image(
        id=message.id,
        tags=tuple(message.repo_tags),
        digests=tuple(message.repo_digests),
        size=message.size,
        user=message.username,
        uid=message.uid.value if message.HasField("uid") else None,
        pinned=message.pinned,
    )


def usage_from(message: Any) -> Usage:
    """From ContainerStats."""
    return Usage(
        id=message.attributes.id,
        name=message.attributes.metadata.name,
        uid=message.attributes.labels.get(LABEL_POD_UID, ""),
        timestamp=message.cpu.timestamp * _NANO,
        cpu_nanoseconds=message.cpu.usage_core_nano_seconds.value,
        memory_working_set=message.memory.working_set_bytes.value,
        memory_usage=message.memory.usage_bytes.value,
        memory_rss=message.memory.rss_bytes.value,
        page_faults=message.memory.page_faults.value,
        major_page_faults=message.memory.major_page_faults.value,
        writable_bytes=message.writable_layer.used_bytes.value,
        writable_inodes=message.writable_layer.inodes_used.value,
    )


def _pod_labels(spec: SandboxSpec) -> dict[str, str]:
    return {LABEL_POD_NAME: spec.name, LABEL_POD_NAMESPACE: spec.namespace, LABEL_POD_UID: spec.uid}


def _namespaces(choice: Namespaces) -> Any:
    return pb.NamespaceOption(
        network=_NODE if choice.host_network else _POD,
        pid=_NODE if choice.host_pid else _POD if choice.shared_pid else _CONTAINER,
        ipc=_NODE if choice.host_ipc else _POD,
    )


def _seccomp(profile: Seccomp | None) -> Any:
    if profile is None:
        return pb.SecurityProfile(profile_type=_SECCOMP["Unconfined"])
    return pb.SecurityProfile(profile_type=_SECCOMP.get(profile.type, 1), localhost_ref=profile.localhost_path)


def _resources(limits: Resources) -> Any:
    return pb.LinuxContainerResources(
        cpu_shares=limits.cpu_shares,
        cpu_quota=limits.cpu_quota,
        cpu_period=limits.cpu_period,
        memory_limit_in_bytes=limits.memory_limit,
        oom_score_adj=limits.oom_score_adj,
    )


def _security(security: Security, namespaces: Namespaces, target: str) -> Any:
    message = pb.LinuxContainerSecurityContext(
        capabilities=pb.Capability(
            add_capabilities=security.add_capabilities, drop_capabilities=security.drop_capabilities
        ),
        privileged=security.privileged,
        namespace_options=_namespaces(namespaces),
        readonly_rootfs=security.readonly_rootfs,
        supplemental_groups=security.supplemental_groups,
        no_new_privs=security.no_new_privs,
        masked_paths=security.masked_paths,
        readonly_paths=security.readonly_paths,
        seccomp=_seccomp(security.seccomp),
    )
    if target:
        message.namespace_options.pid = _TARGET
        message.namespace_options.target_id = target
    if security.run_as_user is not None:
        message.run_as_user.value = security.run_as_user
        if security.run_as_group is not None:
            message.run_as_group.value = security.run_as_group
    return message
