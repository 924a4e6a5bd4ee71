"""The kubelet's stats/summary: what node, pods and containers use, from the kernel and the runtime."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from apimachinery.objects.meta import format_time
from nodeagent.cri.types import Usage
from nodeagent.stats import network
from nodeagent.stats.filesystems import Space, VolumeUse
from nodeagent.stats.heat import heat
from nodeagent.stats.machine import cpu_nanoseconds, memory_info
from nodeagent.stats.network import Interface

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PodFigures:
    """Which pod a usage belongs to, since when it runs, and what the runtime does not count."""

    name: str
    namespace: str
    uid: str
    started_at: str | None
    interfaces: Sequence[Interface] = ()
    volumes: Sequence[VolumeUse] = ()
    logs: Mapping[str, int] = field(default_factory=dict[str, int])
    """Bytes by container."""


class Rates:
    """CPU rates from two readings of counters that only grow."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[float, int, int]] = {}

    def nanocores(self, key: str, at: float, total: int) -> int:
        """Work a second since the reading before, in billionths of a core; 0 for a first reading."""
        before = self._last.get(key)
        if before is None or total < before[1]:
            self._last[key] = (at, total, 0)
            return 0
        then, worked, rate = before
        if at - then < 1.0:
            return rate  # too close together to divide
        rate = int((total - worked) / (at - then))
        self._last[key] = (at, total, rate)
        return rate

    def keep_only(self, keys: set[str]) -> None:
        for gone in self._last.keys() - keys:
            del self._last[gone]


class Summary:
    """Keeps the readings between calls."""

    def __init__(self, node_name: str, *, sys: Path = Path("/sys")) -> None:
        self._node_name = node_name
        self._sys = sys
        self._rates = Rates()

    def build(self, now: float, pods: Iterable[PodFigures], usages: Sequence[Usage], disk: Space | None = None) -> JSON:
        """`disk`: the file system of pods, images and logs."""
        by_pod: dict[str, list[Usage]] = {}
        for usage in usages:
            by_pod.setdefault(usage.uid, []).append(usage)
        summary: JSON = {
            "node": self._node(now, disk),
            "pods": [self._pod(now, p, by_pod.get(p.uid, [])) for p in pods],
        }
        # Ours alone: upstream's Summary knows no temperatures. Its readers pass over what they do not know.
        summary["node"] |= heat(self._sys)
        self._rates.keep_only({"", *(usage.id for usage in usages)})
        return summary

    def _node(self, now: float, disk: Space | None) -> JSON:
        memory, worked = memory_info(), cpu_nanoseconds()
        total, available = memory.get("MemTotal", 0), memory.get("MemAvailable", 0)
        time = _time(now)
        space = {"fs": _space(disk, time), "runtime": {"imageFs": _space(disk, time)}} if disk is not None else {}
        return {
            "nodeName": self._node_name,
            "cpu": {
                "time": time,
                "usageNanoCores": self._rates.nanocores("", now, worked),
                "usageCoreNanoSeconds": worked,
            },
            "memory": {
                "time": time,
                "availableBytes": available,
                "usageBytes": total - memory.get("MemFree", 0),
                "workingSetBytes": total - available,
            },
            **_network(network.of_machine(), time),
            **space,
        }

    def _pod(self, now: float, pod: PodFigures, usages: Sequence[Usage]) -> JSON:
        containers = [self._container(usage, pod.logs.get(usage.name)) for usage in usages]
        time = _time(now)
        own = sum(volume.space.used for volume in pod.volumes if not volume.claim)
        return {
            "podRef": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid},
            "startTime": pod.started_at,
            "containers": containers,
            "cpu": {
                "time": _time(now),
                "usageNanoCores": sum(c["cpu"]["usageNanoCores"] for c in containers),
                "usageCoreNanoSeconds": sum(usage.cpu_nanoseconds for usage in usages),
            },
            "memory": {
                "time": _time(now),
                "usageBytes": sum(usage.memory_usage for usage in usages),
                "workingSetBytes": sum(usage.memory_working_set for usage in usages),
                "rssBytes": sum(usage.memory_rss for usage in usages),
            },
            **_network(pod.interfaces, time),
            "volume": [_volume(volume, pod.namespace, time) for volume in pod.volumes],
            "ephemeral-storage": {
                "time": time,
                "usedBytes": sum(usage.writable_bytes for usage in usages) + sum(pod.logs.values()) + own,
            },
        }

    def _container(self, usage: Usage, log_bytes: int | None) -> JSON:
        time = _time(usage.timestamp)
        return {
            "name": usage.name,
            "cpu": {
                "time": time,
                "usageNanoCores": self._rates.nanocores(usage.id, usage.timestamp, usage.cpu_nanoseconds),
                "usageCoreNanoSeconds": usage.cpu_nanoseconds,
            },
            "memory": {
                "time": time,
                "usageBytes": usage.memory_usage,
                "workingSetBytes": usage.memory_working_set,
                "rssBytes": usage.memory_rss,
                "pageFaults": usage.page_faults,
                "majorPageFaults": usage.major_page_faults,
            },
            "rootfs": {"time": time, "usedBytes": usage.writable_bytes, "inodesUsed": usage.writable_inodes},
            **({"logs": {"time": time, "usedBytes": log_bytes}} if log_bytes is not None else {}),
        }


def _network(interfaces: Sequence[Interface], time: str) -> JSON:
    """The first interface stands for all, as upstream has it; every one is listed besides."""
    if not interfaces:
        return {}
    listed = [
        {
            "name": one.name,
            "rxBytes": one.received,
            "rxErrors": one.receive_errors,
            "txBytes": one.sent,
            "txErrors": one.send_errors,
        }
        for one in interfaces
    ]
    return {"network": {"time": time, **listed[0], "interfaces": listed}}


def _space(space: Space, time: str) -> JSON:
    return {
        "time": time,
        "availableBytes": space.available,
        "capacityBytes": space.capacity,
        "usedBytes": space.used,
        "inodesFree": space.inodes_free,
        "inodes": space.inodes,
        "inodesUsed": space.inodes_used,
    }


def _volume(volume: VolumeUse, namespace: str, time: str) -> JSON:
    claim = {"pvcRef": {"name": volume.claim, "namespace": namespace}} if volume.claim else {}
    return {**_space(volume.space, time), "name": volume.name, **claim}


def _time(seconds: float) -> str:
    return format_time(datetime.fromtimestamp(seconds, UTC))
