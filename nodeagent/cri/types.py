"""Plain values that cross the runtime's border: what containerd reports, and what it is asked for.

Times are seconds since the epoch (0.0 = never). Labels of sandboxes and containers carry the pod's
identity under the kubelet's own keys, so that any CRI tool recognises them.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

LABEL_POD_NAME = "io.kubernetes.pod.name"
LABEL_POD_NAMESPACE = "io.kubernetes.pod.namespace"
LABEL_POD_UID = "io.kubernetes.pod.uid"
LABEL_CONTAINER = "io.kubernetes.container.name"


class State(enum.Enum):
    """The states CRI knows for a container."""

    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A pod sandbox as containerd has it."""

    id: str
    name: str
    namespace: str
    uid: str
    attempt: int
    ready: bool
    created_at: float
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    ips: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A container as containerd has it. Fields after `state` are known for those asked in detail."""

    id: str
    sandbox_id: str
    name: str
    uid: str
    attempt: int
    state: State
    image: str = ""
    image_ref: str = ""
    created_at: float = 0.0
    started_at: float = 0.0
    finished_at: float = 0.0
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    log_path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image on this machine."""

    id: str
    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    size: int = 0
    user: str = ""
    uid: int | None = None
    pinned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecResult:
    """How a command inside a container ended."""

    exit_code: int
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeInfo:
    """Who the runtime is and whether it can start pods."""

    name: str
    version: str
    ready: bool
    network_ready: bool
    message: str = ""
    recursive_read_only: bool = False
    """Whether the mounts under a read-only mount can be made read-only with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """CPU and memory of one container, or of one sandbox as a whole."""

    id: str
    name: str
    uid: str
    timestamp: float
    cpu_nanoseconds: int = 0
    memory_working_set: int = 0
    memory_usage: int = 0
    memory_rss: int = 0
    page_faults: int = 0
    major_page_faults: int = 0
    writable_bytes: int = 0
    writable_inodes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dns:
    """The content of a pod's resolv.conf."""

    servers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PortMapping:
    """A port of the machine that leads to a port of the pod."""

    protocol: str
    container_port: int
    host_port: int
    host_ip: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespaces:
    """Which Linux namespaces a pod shares with the machine, and whether its containers share one PID space."""

    host_network: bool = False
    host_pid: bool = False
    host_ipc: bool = False
    shared_pid: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Seccomp:
    """`RuntimeDefault`, `Unconfined` or `Localhost` with a path."""

    type: str
    localhost_path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSpec:
    """What a sandbox is made from."""

    name: str
    namespace: str
    uid: str
    attempt: int
    hostname: str
    log_directory: str
    cgroup_parent: str
    dns: Dns | None = None
    ports: tuple[PortMapping, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    namespaces: Namespaces = Namespaces()
    run_as_user: int | None = None
    run_as_group: int | None = None
    supplemental_groups: tuple[int, ...] = ()
    privileged: bool = False
    sysctls: Mapping[str, str] = field(default_factory=dict[str, str])
    seccomp: Seccomp | None = None
    runtime_handler: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A folder or file of the machine inside a container."""

    container_path: str
    host_path: str
    readonly: bool = False
    recursive: bool = False
    """Read-only with all that is mounted under it."""
    propagation: str = "None"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """cgroup settings of one container; 0 leaves the runtime's default."""

    cpu_shares: int = 0
    cpu_quota: int = 0
    cpu_period: int = 0
    memory_limit: int = 0
    oom_score_adj: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """Who a container runs as and what it may do."""

    run_as_user: int | None = None
    run_as_group: int | None = None
    supplemental_groups: tuple[int, ...] = ()
    privileged: bool = False
    readonly_rootfs: bool = False
    no_new_privs: bool = False
    add_capabilities: tuple[str, ...] = ()
    drop_capabilities: tuple[str, ...] = ()
    masked_paths: tuple[str, ...] = ()
    readonly_paths: tuple[str, ...] = ()
    seccomp: Seccomp | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """What a container is made from."""

    name: str
    attempt: int
    image: str
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    working_dir: str = ""
    env: tuple[tuple[str, str], ...] = ()
    mounts: tuple[Mount, ...] = ()
    devices: tuple[tuple[str, str, str], ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    log_path: str = ""
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    stop_signal: str = ""
    target: str = ""
    """Id of the container whose process space to join."""
    resources: Resources = Resources()
    security: Security = Security()


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryAuth:
    """A login at an image registry."""

    username: str = ""
    password: str = field(default="", repr=False)
    auth: str = field(default="", repr=False)
    server: str = ""
    identity_token: str = field(default="", repr=False)
