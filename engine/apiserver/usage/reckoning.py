"""From two readings of growing counters to usage, as a metrics server reckons it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from apimachinery.objects.meta import format_time
from engine.apiserver.usage.exposition import Reading, Scrape

Json = dict[str, Any]
_LONGEST_WINDOW = 60.0


@dataclass(frozen=True, slots=True)
class Usage:
    """Cores and bytes, averaged over the `window` seconds that ended `at`."""

    cpu: float
    memory: float
    at: float
    window: float

    def amounts(self) -> dict[str, str]:
        return {"cpu": f"{round(self.cpu * 1e9)}n", "memory": f"{int(self.memory) // 1024}Ki"}


def worth_comparing(before: Scrape | None, now: float) -> bool:
    """Whether an older scrape is there and young enough to tell of the present."""
    return before is not None and now - before.node.at <= _LONGEST_WINDOW


def usage(before: Reading | None, after: Reading) -> Usage | None:
    """None where the readings do not tell."""
    if after.cpu_seconds is None or after.memory is None:
        return None
    same = before is not None and before.cpu_seconds is not None and before.started == after.started
    if same and before is not None and before.cpu_seconds is not None and after.at > before.at:
        since, spent = before.at, after.cpu_seconds - before.cpu_seconds
    elif after.started and after.at > after.started:
        # Too young to have been seen twice: its whole life is the window.
        since, spent = after.started, after.cpu_seconds
    else:
        return None
    window = after.at - since
    return Usage(cpu=max(0.0, spent / window), memory=after.memory, at=after.at, window=window)


def node_metrics(name: str, labels: Mapping[str, str], used: Usage) -> Json:
    return {
        "kind": "NodeMetrics",
        "apiVersion": "metrics.k8s.io/v1beta1",
        "metadata": _metadata({"name": name}, labels, used.at),
        "timestamp": _time(used.at),
        "window": _duration(used.window),
        "usage": used.amounts(),
    }


def pod_metrics(namespace: str, name: str, labels: Mapping[str, str], used: Mapping[str, Usage]) -> Json:
    """`used` is by container and not empty."""
    oldest = min(used.values(), key=lambda one: one.at)
    return {
        "kind": "PodMetrics",
        "apiVersion": "metrics.k8s.io/v1beta1",
        "metadata": _metadata({"name": name, "namespace": namespace}, labels, oldest.at),
        "timestamp": _time(oldest.at),
        "window": _duration(oldest.window),
        "containers": [{"name": container, "usage": one.amounts()} for container, one in used.items()],
    }


def _metadata(names: Json, labels: Mapping[str, str], at: float) -> Json:
    metadata: Json = {**names, "creationTimestamp": _time(at)}
    if labels:
        metadata["labels"] = dict(labels)
    return metadata


def _time(at: float) -> str:
    return format_time(datetime.fromtimestamp(at, UTC))


def _duration(seconds: float) -> str:
    """As Go writes it: `15.012s`, `1m0s`."""
    minutes, rest = divmod(round(seconds, 3), 60)
    shown = f"{rest:.3f}".rstrip("0").rstrip(".") + "s"
    return f"{int(minutes)}m{shown}" if minutes else shown
