"""Settings of one machine's agent, as the join writes them into ``agent.json``."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import msgspec

EVICTION_HARD = {
    "memory.available": "100Mi",
    "nodefs.available": "10%",
    "nodefs.inodesFree": "5%",
    "imagefs.available": "15%",
    "imagefs.inodesFree": "5%",
}
"""The kubelet's defaults."""


class ConfigError(Exception):
    """The settings file cannot be used; the message names the file and the field."""


class AgentConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything the agent is told. Durations are seconds, sizes bytes; empty text means "find out"."""

    node_name: str
    api_server: str = "https://127.0.0.1:6443"
    ca_file: str = "/var/lib/pilothouse/agent/ca.crt"
    client_cert_file: str = "/var/lib/pilothouse/agent/client.crt"
    client_key_file: str = "/var/lib/pilothouse/agent/client.key"
    serving_cert_file: str = "/var/lib/pilothouse/agent/serving.crt"
    serving_key_file: str = "/var/lib/pilothouse/agent/serving.key"
    cri_socket: str = "/run/pilothouse/containerd.sock"
    cluster_domain: str = "cluster.local"
    cluster_dns: str = "10.43.0.10"
    cluster_cidr: str = "10.42.0.0/16"
    service_cidr: str = "10.43.0.0/16"
    node_ip: str = ""
    listen: str = "127.0.0.1:10250"
    labels: dict[str, str] = {}
    taints: tuple[Taint, ...] = ()
    pod_dir: str = "/var/lib/pilothouse/pods"
    # Volumes that are folders of this machine; a disk of its own may be mounted here.
    volume_dir: str = "/var/lib/pilothouse/volumes"
    # Where storage drivers expect the kubelet's folders: their own pods mount nothing else of the machine.
    kubelet_dir: str = "/var/lib/kubelet"
    # Manifests of pods that this machine runs by itself, engine or no engine.
    static_pod_dir: str = "/etc/pilothouse/manifests"
    state_dir: str = "/var/lib/pilothouse/agent"
    log_dir: str = "/var/log/pods"
    cni_conf_dir: str = "/etc/pilothouse/cni"
    cgroup_root: str = "/pilothouse"
    max_pods: int = 110
    container_log_max_size: int = 10 * 1024 * 1024
    container_log_max_files: int = 5
    # When pods have to go, by signal: a quantity or a percentage of what there is. 0 switches one off.
    eviction_hard: dict[str, str] = msgspec.field(default_factory=lambda: dict(EVICTION_HARD))
    eviction_soft: dict[str, str] = {}
    eviction_soft_grace_period: dict[str, str] = {}
    eviction_minimum_reclaim: dict[str, str] = {}
    eviction_max_pod_grace_period: int = 0
    eviction_pressure_transition_period: float = 300.0
    eviction_monitoring_period: float = 10.0
    # What pods may never count on, besides what evictions keep free: cpu, memory, ephemeral-storage.
    system_reserved: dict[str, str] = {}
    kube_reserved: dict[str, str] = {}
    image_gc_high_threshold_percent: int = 85
    image_gc_low_threshold_percent: int = 80
    # The /24 of the pods and everything that carries their traffic is the network part's business.
    # Off, this machine's pods get only what the CNI configuration found in cni_conf_dir gives them.
    network: bool = True

    def listen_address(self) -> tuple[str, int]:
        """``("127.0.0.1", 10250)`` from ``"127.0.0.1:10250"``; brackets around IPv6 are taken off."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]") or "127.0.0.1", int(port)


class Taint(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A taint the node is registered with."""

    key: str
    value: str = ""
    effect: str = "NoSchedule"


def load(path: Path) -> AgentConfig:
    """Read and check the settings file; raises ConfigError naming what is wrong with it."""
    try:
        config = msgspec.json.decode(path.read_bytes(), type=AgentConfig)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise ConfigError(f"{path}: {error}") from error
    problem = _problem(config)
    if problem:
        raise ConfigError(f"{path}: {problem}")
    return config


def _problem(config: AgentConfig) -> str:
    if not config.node_name:
        return "node_name: must not be empty"
    try:
        config.listen_address()
    except ValueError:
        return f"listen: {config.listen!r} is not HOST:PORT"
    if not 0 <= config.image_gc_low_threshold_percent < config.image_gc_high_threshold_percent <= 100:
        return "image_gc_low_threshold_percent: must be less than image_gc_high_threshold_percent"
    for field in ("cluster_cidr", "service_cidr"):
        try:
            ipaddress.ip_network(getattr(config, field))
        except ValueError as error:
            return f"{field}: {error}"
    if config.node_ip:
        try:
            ipaddress.ip_address(config.node_ip)
        except ValueError as error:
            return f"node_ip: {error}"
    return ""
