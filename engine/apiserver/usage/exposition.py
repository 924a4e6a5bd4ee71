"""Reading what an agent says at /metrics/resource: Prometheus' text format, as far as it is used there. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_SAMPLE = re.compile(r"^([a-z_]+)(?:\{([^}]*)\})? (\S+)(?: (\d+))?$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(slots=True)
class Reading:
    """One container's or machine's counters at one moment (seconds since the epoch; 0.0 = not told)."""

    at: float = 0.0
    cpu_seconds: float | None = None
    memory: float | None = None
    started: float = 0.0


@dataclass(slots=True)
class Scrape:
    """What one machine said. Containers are known by (namespace, pod, container)."""

    node: Reading = field(default_factory=Reading)
    containers: dict[tuple[str, str, str], Reading] = field(default_factory=dict[tuple[str, str, str], Reading])


def parse(text: str) -> Scrape:
    """Lines that are not of interest, or not understood, are passed over."""
    scrape = Scrape()
    for name, labels, value, at in _samples(text):
        if name.startswith("node_"):
            reading = scrape.node
        elif name.startswith("container_"):
            key = (labels.get("namespace", ""), labels.get("pod", ""), labels.get("container", ""))
            reading = scrape.containers.setdefault(key, Reading())
        else:
            continue
        what = name.partition("_")[2]
        if what == "cpu_usage_seconds_total":
            reading.cpu_seconds, reading.at = value, at
        elif what == "memory_working_set_bytes":
            reading.memory = value
        elif what == "start_time_seconds":
            reading.started = value
    return scrape


def _samples(text: str) -> Iterator[tuple[str, dict[str, str], float, float]]:
    for line in text.splitlines():
        match = _SAMPLE.match(line)
        if match is None:
            continue
        name, labels, value, at = match.groups()
        try:
            number = float(value)
        except ValueError:
            continue
        yield name, dict(_LABEL.findall(labels or "")), number, int(at or 0) / 1000
