"""What the API server counts, in Prometheus' text format and under upstream's names.

Written by hand: the format is a few lines, and a client library would cost every start more than this costs a scrape.
"""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from engine.apiserver.route import Route

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_BUCKETS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0)
_VERBS = {
    "get": "GET",
    "list": "LIST",
    "watch": "WATCH",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
    "deletecollection": "DELETECOLLECTION",
}
_STARTED = time.time()

Labels = Mapping[str, str]
Gauge = Callable[[], Iterable[tuple[Labels, float]]]


class _What(NamedTuple):
    """What a request was about, as far as it is counted apart."""

    verb: str
    group: str
    version: str
    resource: str
    subresource: str
    scope: str

    def labels(self) -> dict[str, str]:
        return self._asdict()


class Metrics:
    """Counts requests; asks for the rest when somebody wants to know."""

    def __init__(self) -> None:
        self._counts: dict[tuple[_What, int], int] = {}
        self._durations: dict[_What, list[float]] = {}
        self._gauges: dict[str, tuple[str, Gauge]] = {}

    def gauge(self, name: str, purpose: str, read: Gauge) -> None:
        """Show a number that somebody else keeps."""
        self._gauges[name] = (purpose, read)

    def count(self, route: Route, code: int, seconds: float) -> None:
        """Note an answered request."""
        scope = "resource" if route.name else "namespace" if route.namespace else "cluster"
        what = _What(
            _VERBS.get(route.verb, route.verb), route.group, route.version, route.plural, route.subresource, scope
        )
        self._counts[what, code] = self._counts.get((what, code), 0) + 1
        durations = self._durations.get(what)
        if durations is None:
            # One bucket each, one for what took longer than all, and the sum.
            durations = self._durations[what] = [0.0] * (len(_BUCKETS) + 2)
        durations[bisect_left(_BUCKETS, seconds)] += 1
        durations[-1] += seconds

    def text(self) -> str:
        """Everything, as Prometheus reads it."""
        lines = _head("apiserver_request_total", "counter", "Requests answered, by what they asked for and HTTP code.")
        lines += (
            _line("apiserver_request_total", {**what.labels(), "code": str(code)}, count)
            for (what, code), count in self._counts.items()
        )
        lines += _head("apiserver_request_duration_seconds", "histogram", "Seconds until a request was answered.")
        for what, durations in self._durations.items():
            lines += _histogram("apiserver_request_duration_seconds", what.labels(), durations)
        for name, (purpose, read) in self._gauges.items():
            lines += _head(name, "gauge", purpose)
            lines += (_line(name, labels, value) for labels, value in read())
        lines += _process()
        return "\n".join(lines) + "\n"


def _histogram(name: str, labels: Labels, durations: list[float]) -> list[str]:
    lines: list[str] = []
    total = 0.0
    for bound, count in zip((*map(str, _BUCKETS), "+Inf"), durations, strict=False):
        total += count
        lines.append(_line(f"{name}_bucket", {**labels, "le": bound}, total))
    return [*lines, _line(f"{name}_sum", labels, durations[-1]), _line(f"{name}_count", labels, total)]


def _head(name: str, sort: str, purpose: str) -> list[str]:
    return [f"# HELP {name} {purpose}", f"# TYPE {name} {sort}"]


def _line(name: str, labels: Labels, value: float) -> str:
    shown = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    number = int(value) if value == int(value) else value
    return f"{name}{{{shown}}} {number}" if shown else f"{name} {number}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _process() -> list[str]:
    lines = [
        *_head("process_cpu_seconds_total", "counter", "Processor time used."),
        _line("process_cpu_seconds_total", {}, time.process_time()),
        *_head("process_start_time_seconds", "gauge", "When the process started, in seconds of the epoch."),
        _line("process_start_time_seconds", {}, round(_STARTED, 2)),
    ]
    memory = Path("/proc/self/statm")
    if memory.exists():
        pages = int(memory.read_text(encoding="ascii").split()[1])
        lines += _head("process_resident_memory_bytes", "gauge", "Memory held.")
        lines.append(_line("process_resident_memory_bytes", {}, pages * os.sysconf("SC_PAGE_SIZE")))
    return lines
