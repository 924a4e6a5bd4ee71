"""What the agent reads of a Pod: a narrow view, also the form in which desired pods are kept on disk."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from apimachinery.objects.meta import Object
from nodeagent.volumes.view import ObjectFieldSelector, ResourceFieldSelector, View, Volume

Port = int | str


class HTTPHeader(View, frozen=True):
    name: str = ""
    value: str = ""


class HTTPGetAction(View, frozen=True):
    port: Port = 0
    path: str = ""
    host: str = ""
    scheme: str = "HTTP"
    http_headers: tuple[HTTPHeader, ...] = ()


class TCPSocketAction(View, frozen=True):
    port: Port = 0
    host: str = ""


class GRPCAction(View, frozen=True):
    port: int = 0
    service: str | None = None


class ExecAction(View, frozen=True):
    command: tuple[str, ...] = ()


class SleepAction(View, frozen=True):
    seconds: int = 0


class Handler(View, frozen=True):
    """One way to ask a container something, or to tell it."""

    exec: ExecAction | None = None
    http_get: HTTPGetAction | None = None
    tcp_socket: TCPSocketAction | None = None
    grpc: GRPCAction | None = None
    sleep: SleepAction | None = None


class Probe(Handler, frozen=True):
    initial_delay_seconds: int = 0
    timeout_seconds: int = 1
    period_seconds: int = 10
    success_threshold: int = 1
    failure_threshold: int = 3
    termination_grace_period_seconds: int | None = None


class Lifecycle(View, frozen=True):
    post_start: Handler | None = None
    pre_stop: Handler | None = None
    stop_signal: str = ""


class KeySelector(View, frozen=True):
    name: str = ""
    key: str = ""
    optional: bool = False


class EnvVarSource(View, frozen=True):
    field_ref: ObjectFieldSelector | None = None
    resource_field_ref: ResourceFieldSelector | None = None
    config_map_key_ref: KeySelector | None = None
    secret_key_ref: KeySelector | None = None


class EnvVar(View, frozen=True):
    name: str = ""
    value: str = ""
    value_from: EnvVarSource | None = None


class ObjectRef(View, frozen=True):
    name: str = ""
    optional: bool = False


class EnvFromSource(View, frozen=True):
    prefix: str = ""
    config_map_ref: ObjectRef | None = None
    secret_ref: ObjectRef | None = None


class ContainerPort(View, frozen=True):
    container_port: int = 0
    name: str = ""
    protocol: str = "TCP"
    host_port: int = 0
    host_ip: str = msgspec.field(name="hostIP", default="")


class VolumeMount(View, frozen=True):
    name: str = ""
    mount_path: str = ""
    sub_path: str = ""
    sub_path_expr: str = ""
    read_only: bool = False
    mount_propagation: str = "None"
    recursive_read_only: str = ""


class VolumeDevice(View, frozen=True):
    name: str = ""
    device_path: str = ""


class ResourceRequirements(View, frozen=True):
    requests: dict[str, str | int | float] = {}
    limits: dict[str, str | int | float] = {}


class Capabilities(View, frozen=True):
    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


class SeccompProfile(View, frozen=True):
    type: str = ""
    localhost_profile: str = ""


class SecurityContext(View, frozen=True):
    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    privileged: bool = False
    read_only_root_filesystem: bool = False
    allow_privilege_escalation: bool | None = None
    capabilities: Capabilities = Capabilities()
    seccomp_profile: SeccompProfile | None = None
    proc_mount: str = ""


class Sysctl(View, frozen=True):
    name: str = ""
    value: str = ""


class PodSecurityContext(View, frozen=True):
    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    fs_group: int | None = None
    fs_group_change_policy: str = "Always"
    supplemental_groups: tuple[int, ...] = ()
    sysctls: tuple[Sysctl, ...] = ()
    seccomp_profile: SeccompProfile | None = None


class Container(View, frozen=True):
    name: str = ""
    image: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    working_dir: str = ""
    ports: tuple[ContainerPort, ...] = ()
    env: tuple[EnvVar, ...] = ()
    env_from: tuple[EnvFromSource, ...] = ()
    resources: ResourceRequirements = ResourceRequirements()
    volume_mounts: tuple[VolumeMount, ...] = ()
    volume_devices: tuple[VolumeDevice, ...] = ()
    liveness_probe: Probe | None = None
    readiness_probe: Probe | None = None
    startup_probe: Probe | None = None
    lifecycle: Lifecycle = Lifecycle()
    termination_message_path: str = "/dev/termination-log"
    termination_message_policy: str = "File"
    image_pull_policy: str = ""
    security_context: SecurityContext = SecurityContext()
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    restart_policy: str = ""
    target_container_name: str = ""

    @property
    def is_sidecar(self) -> bool:
        """An init container that keeps running beside the app containers."""
        return self.restart_policy == "Always"


class HostAlias(View, frozen=True):
    ip: str = ""
    hostnames: tuple[str, ...] = ()


class DNSOption(View, frozen=True):
    name: str = ""
    value: str | None = None


class DNSConfig(View, frozen=True):
    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[DNSOption, ...] = ()


class ReadinessGate(View, frozen=True):
    condition_type: str = ""


class Toleration(View, frozen=True):
    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""


class PodSpec(View, frozen=True):
    node_name: str = ""
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    ephemeral_containers: tuple[Container, ...] = ()
    volumes: tuple[Volume, ...] = ()
    restart_policy: str = "Always"
    termination_grace_period_seconds: int = 30
    active_deadline_seconds: int | None = None
    dns_policy: str = "ClusterFirst"
    dns_config: DNSConfig = msgspec.field(name="dnsConfig", default=DNSConfig())
    service_account_name: str = ""
    host_network: bool = False
    host_pid: bool = msgspec.field(name="hostPID", default=False)
    host_ipc: bool = msgspec.field(name="hostIPC", default=False)
    share_process_namespace: bool = False
    security_context: PodSecurityContext = PodSecurityContext()
    image_pull_secrets: tuple[ObjectRef, ...] = ()
    hostname: str = ""
    subdomain: str = ""
    set_hostname_as_fqdn: bool = msgspec.field(name="setHostnameAsFQDN", default=False)
    host_aliases: tuple[HostAlias, ...] = ()
    readiness_gates: tuple[ReadinessGate, ...] = ()
    enable_service_links: bool = True
    priority: int | None = None
    tolerations: tuple[Toleration, ...] = ()
    resources: ResourceRequirements = ResourceRequirements()


class PodCondition(View, frozen=True):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: str | None = None


class ContainerStatus(View, frozen=True):
    name: str = ""
    container_id: str = msgspec.field(name="containerID", default="")
    ready: bool = False
    started: bool = False
    restart_count: int = 0


class PodStatus(View, frozen=True):
    """The status as the API server has it: where transition times and first start come from."""

    phase: str = ""
    reason: str = ""
    conditions: tuple[PodCondition, ...] = ()
    start_time: str | None = None
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()


class Pod(Object, frozen=True, rename="camel"):
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def uid(self) -> str:
        return self.metadata.uid

    @property
    def full_name(self) -> str:
        """Upstream's name of a pod in messages: ``web_default(0f3a...)``."""
        return f"{self.metadata.name}_{self.metadata.namespace}({self.metadata.uid})"

    @property
    def deleting(self) -> bool:
        return self.metadata.deletion_timestamp is not None

    @property
    def grace(self) -> int:
        """Seconds between the request to stop and the kill."""
        asked = self.metadata.deletion_grace_period_seconds if self.deleting else None
        return asked if asked is not None else self.spec.termination_grace_period_seconds

    @property
    def restartable_init(self) -> tuple[Container, ...]:
        return tuple(c for c in self.spec.init_containers if c.is_sidecar)

    def all_containers(self) -> Iterator[Container]:
        yield from self.spec.init_containers
        yield from self.spec.containers
        yield from self.spec.ephemeral_containers

    def container(self, name: str) -> Container | None:
        return next((c for c in self.all_containers() if c.name == name), None)
