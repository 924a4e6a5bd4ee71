"""The Node object of this machine, as values: what to register and what to report. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from apimachinery.objects import localpath, quantity
from nodeagent.config import AgentConfig
from nodeagent.cri.types import Image, RuntimeInfo
from nodeagent.stats.machine import Capacity, Pressure

JSON = dict[str, Any]
KUBELET_VERSION = "v1.36.0+pilothouse"
MAX_IMAGES = 50
_HEARTBEAT = "lastHeartbeatTime"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """One measurement of the machine."""

    addresses: Sequence[str]
    capacity: Capacity
    pressure: Pressure
    info: Mapping[str, str]
    runtime: RuntimeInfo | None  # None: containerd does not answer
    images: Sequence[Image]
    port: int
    volume_space: int = 0
    """Bytes of the file system that holds volumes, used ones included."""


def registration(config: AgentConfig, facts: NodeFacts, now: str) -> JSON:
    """The Node to create when there is none."""
    node: JSON = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": config.node_name,
            "labels": labels(config, facts),
            "annotations": own_annotations(config, facts),
        },
        "spec": {},
        "status": status(facts, {}, now, config.node_name),
    }
    if config.taints:
        node["spec"]["taints"] = [msgspec.to_builtins(taint) for taint in config.taints]
    return node


def labels(config: AgentConfig, facts: NodeFacts) -> dict[str, str]:
    """The labels that are the agent's to keep."""
    arch = facts.info["architecture"]
    return {
        "beta.kubernetes.io/arch": arch,
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": arch,
        "kubernetes.io/hostname": config.node_name,
        "kubernetes.io/os": "linux",
        **config.labels,
    }


def own_annotations(config: AgentConfig, facts: NodeFacts) -> dict[str, str]:
    """Where volumes that are folders of this machine go, and how large that file system is."""
    space = f"{facts.volume_space // 1024**2}Mi"
    return {localpath.ROOT: config.volume_dir, localpath.CAPACITY: quantity.canonical(space)}


def status(facts: NodeFacts, before: Mapping[str, JSON], now: str, host_name: str) -> JSON:
    """The status to report. `before` holds the conditions reported last, by type: a condition that stays keeps its
    transition time."""
    return {
        "capacity": facts.capacity.as_quantities(),
        "allocatable": facts.capacity.allocatable(),
        "addresses": [
            *({"type": "InternalIP", "address": address} for address in facts.addresses),
            {"type": "Hostname", "address": host_name},
        ],
        "nodeInfo": dict(facts.info),
        "daemonEndpoints": {"kubeletEndpoint": {"Port": facts.port}},
        "conditions": [_dated(condition, before, now) for condition in _conditions(facts)],
        "images": [
            {"names": [*image.digests, *image.tags], "sizeBytes": image.size}
            for image in sorted(facts.images, key=lambda i: i.size, reverse=True)[:MAX_IMAGES]
            if image.digests or image.tags
        ],
    }


def differs(before: JSON | None, after: JSON) -> bool:
    """Whether there is news in a status besides the time of it; the images may wait for the next heartbeat."""
    return before is None or _timeless(before) != _timeless(after)


def _timeless(node_status: JSON) -> JSON:
    conditions = [{k: v for k, v in c.items() if k != _HEARTBEAT} for c in node_status["conditions"]]
    return {k: v for k, v in node_status.items() if k != "images"} | {"conditions": conditions}


def _conditions(facts: NodeFacts) -> list[JSON]:
    memory, disk, pids = facts.pressure.memory, facts.pressure.disk, facts.pressure.pids
    amount = ("insufficient", "Insufficient") if memory else ("sufficient", "Sufficient")
    room = ("has disk pressure", "DiskPressure") if disk else ("has no disk pressure", "NoDiskPressure")
    ids = ("insufficient", "Insufficient") if pids else ("sufficient", "Sufficient")
    return [
        _condition(
            "MemoryPressure", memory, f"KubeletHas{amount[1]}Memory", f"kubelet has {amount[0]} memory available"
        ),
        _condition("DiskPressure", disk, f"KubeletHas{room[1]}", f"kubelet {room[0]}"),
        _condition("PIDPressure", pids, f"KubeletHas{ids[1]}PID", f"kubelet has {ids[0]} PID available"),
        _ready(facts.runtime),
    ]


def _ready(runtime: RuntimeInfo | None) -> JSON:
    if runtime is None or not runtime.ready:
        problem = "container runtime is down"
    elif not runtime.network_ready:
        problem = (
            "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady "
            f"message:{runtime.message}"
        )
    else:
        return _condition("Ready", True, "KubeletReady", "kubelet is posting ready status")
    return _condition("Ready", False, "KubeletNotReady", problem)


def _condition(kind: str, holds: bool, reason: str, message: str) -> JSON:
    return {"type": kind, "status": "True" if holds else "False", "reason": reason, "message": message}


def _dated(condition: JSON, before: Mapping[str, JSON], now: str) -> JSON:
    last = before.get(condition["type"], {})
    since = last.get("lastTransitionTime") if last.get("status") == condition["status"] else None
    return {**condition, _HEARTBEAT: now, "lastTransitionTime": since or now}
