"""The kubelet's stats/summary: what node, pods and containers use, from the kernel and the runtime."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from apimachinery.objects.meta import format_time
from nodeagent.cri.types import Usage
from nodeagent.stats.heat import heat
from nodeagent.stats.machine import cpu_nanoseconds, memory_info

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PodName:
    """Which pod a usage belongs to, and since when it runs."""

    name: str
    namespace: str
    uid: str
    started_at: str | None


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

    def build(self, now: float, pods: Iterable[PodName], usages: Sequence[Usage]) -> JSON:
        by_pod: dict[str, list[Usage]] = {}
        for usage in usages:
            by_pod.setdefault(usage.uid, []).append(usage)
        summary: JSON = {"node": self._node(now), "pods": [self._pod(now, p, by_pod.get(p.uid, [])) for p in pods]}
        # Ours alone: upstream's Summary knows no temperatures. Its readers pass over what they do not know.
        summary["node"] |= heat(self._sys)
        self._rates.keep_only({"", *(usage.id for usage in usages)})
        return summary

    def _node(self, now: float) -> JSON:
        memory, worked = memory_info(), cpu_nanoseconds()
        total, available = memory.get("MemTotal", 0), memory.get("MemAvailable", 0)
        time = _time(now)
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
        }

    def _pod(self, now: float, pod: PodName, usages: Sequence[Usage]) -> JSON:
        containers = [self._container(usage) for usage in usages]
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
        }

    def _container(self, usage: Usage) -> JSON:
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
        }


def _time(seconds: float) -> str:
    return format_time(datetime.fromtimestamp(seconds, UTC))
