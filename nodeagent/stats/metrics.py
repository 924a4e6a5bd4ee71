"""What the agent's three Prometheus endpoints say. Names and labels are upstream's. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from nodeagent.cri.types import Container, Usage
from nodeagent.stats.exposition import Family, Sample, text
from nodeagent.stats.filesystems import Space, VolumeUse
from nodeagent.stats.machine import NodeUsage
from nodeagent.stats.network import Interface

_NANO = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class PodRuns:
    """A pod with the containers that the runtime has of it."""

    name: str
    namespace: str
    uid: str
    containers: Sequence[Container] = ()
    interfaces: Sequence[Interface] = ()
    volumes: Sequence[VolumeUse] = ()


@dataclass(frozen=True, slots=True)
class _Measured:
    pod: PodRuns
    ran: Container | None
    usage: Usage

    @property
    def labels(self) -> dict[str, str]:
        return {"container": self.usage.name, "namespace": self.pod.namespace, "pod": self.pod.name}

    @property
    def cadvisor_labels(self) -> dict[str, str]:
        image = self.ran.image if self.ran is not None else ""
        return {**self.labels, "id": f"/{self.usage.uid}/{self.usage.id}", "image": image, "name": self.usage.id}


def own_metrics(restarts: Mapping[str, int], pods: Sequence[PodRuns]) -> str:
    """/metrics. `restarts` counts how often each supervised part had to be started again."""
    states = Counter(ran.state.value for pod in pods for ran in pod.containers)
    running = sum(any(ran.state.value == "running" for ran in pod.containers) for pod in pods)
    return text(
        [
            Family(
                "kubelet_running_containers",
                "gauge",
                "[ALPHA] Number of containers currently running",
                [Sample({"container_state": state}, count) for state, count in sorted(states.items())],
            ),
            Family(
                "kubelet_running_pods",
                "gauge",
                "[ALPHA] Number of pods that have a running pod sandbox",
                [Sample({}, running)],
            ),
            Family(
                "pilothouse_agent_task_restarts_total",
                "counter",
                "Restarts of the agent's supervised parts.",
                [Sample({"task": name}, count) for name, count in sorted(restarts.items())],
            ),
            *_volume_families(pods),
        ]
    )


def resource_metrics(now: float, node: NodeUsage, pods: Sequence[PodRuns], usages: Iterable[Usage]) -> str:
    """/metrics/resource: what a metrics server reads."""
    measured = list(_measured(pods, usages))
    by_pod: dict[str, list[_Measured]] = {}
    for one in measured:
        by_pod.setdefault(one.pod.uid, []).append(one)
    totals = [
        (
            {"namespace": group[0].pod.namespace, "pod": group[0].pod.name},
            max(one.usage.timestamp for one in group),
            sum(one.usage.cpu_nanoseconds for one in group) * _NANO,
            sum(one.usage.memory_working_set for one in group),
        )
        for group in by_pod.values()
    ]
    return text(
        [
            Family(
                "container_cpu_usage_seconds_total",
                "counter",
                "[STABLE] Cumulative cpu time consumed by the container in core-seconds",
                _each(measured, lambda usage: usage.cpu_nanoseconds * _NANO),
            ),
            Family(
                "container_memory_working_set_bytes",
                "gauge",
                "[STABLE] Current working set of the container in bytes",
                _each(measured, lambda usage: usage.memory_working_set),
            ),
            Family(
                "container_start_time_seconds",
                "gauge",
                "[STABLE] Start time of the container since unix epoch in seconds",
                [Sample(m.labels, m.ran.started_at) for m in measured if m.ran is not None and m.ran.started_at],
            ),
            Family(
                "node_cpu_usage_seconds_total",
                "counter",
                "[STABLE] Cumulative cpu time consumed by the node in core-seconds",
                [Sample({}, node.cpu_nanoseconds * _NANO, now)],
            ),
            Family(
                "node_memory_working_set_bytes",
                "gauge",
                "[STABLE] Current working set of the node in bytes",
                [Sample({}, node.memory_working_set, now)],
            ),
            Family(
                "pod_cpu_usage_seconds_total",
                "counter",
                "[STABLE] Cumulative cpu time consumed by the pod in core-seconds",
                [Sample(labels, cpu, at) for labels, at, cpu, _ in totals],
            ),
            Family(
                "pod_memory_working_set_bytes",
                "gauge",
                "[STABLE] Current working set of the pod in bytes",
                [Sample(labels, memory, at) for labels, at, _, memory in totals],
            ),
            Family(
                "resource_scrape_error",
                "gauge",
                "[STABLE] 1 if there was an error while getting container metrics, 0 otherwise",
                [Sample({}, 0)],
            ),
        ]
    )


def cadvisor_metrics(now: float, node: NodeUsage, pods: Sequence[PodRuns], usages: Iterable[Usage]) -> str:
    """/metrics/cadvisor: what dashboards read."""
    measured = list(_measured(pods, usages))

    def family(name: str, kind: str, help_: str, value: Callable[[Usage], float]) -> Family:
        samples = [Sample(m.cadvisor_labels, value(m.usage), m.usage.timestamp) for m in measured]
        return Family(name, kind, help_, samples)

    return text(
        [
            family(
                "container_cpu_usage_seconds_total",
                "counter",
                "Cumulative cpu time consumed in seconds.",
                lambda usage: usage.cpu_nanoseconds * _NANO,
            ),
            family(
                "container_fs_inodes_total",
                "gauge",
                "Number of Inodes",
                lambda usage: usage.writable_inodes,
            ),
            family(
                "container_fs_usage_bytes",
                "gauge",
                "Number of bytes that are consumed by the container on this filesystem.",
                lambda usage: usage.writable_bytes,
            ),
            Family(
                "container_last_seen",
                "gauge",
                "Last time a container was seen by the exporter",
                [Sample(m.cadvisor_labels, int(now)) for m in measured],
            ),
            family("container_memory_rss", "gauge", "Size of RSS in bytes.", lambda usage: usage.memory_rss),
            family(
                "container_memory_usage_bytes",
                "gauge",
                "Current memory usage in bytes, including all memory regardless of when it was accessed",
                lambda usage: usage.memory_usage,
            ),
            family(
                "container_memory_working_set_bytes",
                "gauge",
                "Current working set in bytes.",
                lambda usage: usage.memory_working_set,
            ),
            Family(
                "container_start_time_seconds",
                "gauge",
                "Start time of the container since unix epoch in seconds.",
                [Sample(m.cadvisor_labels, int(m.ran.started_at)) for m in measured if m.ran is not None],
            ),
            *_network_families(pods),
            Family("machine_cpu_cores", "gauge", "Number of logical CPU cores.", [Sample({}, node.cpus)]),
            Family(
                "machine_memory_bytes", "gauge", "Amount of memory installed on the machine.", [Sample({}, node.memory)]
            ),
        ]
    )


def _volume_families(pods: Sequence[PodRuns]) -> Iterator[Family]:
    """Of claims; those of several pods are told once."""
    spaces = {(pod.namespace, one.claim): one.space for pod in pods for one in pod.volumes if one.claim}
    figures: Sequence[tuple[str, str, Callable[[Space], int]]] = (
        ("available_bytes", "Number of available bytes in the volume", lambda space: space.available),
        ("capacity_bytes", "Capacity in bytes of the volume", lambda space: space.capacity),
        ("inodes", "Maximum number of inodes in the volume", lambda space: space.inodes),
        ("inodes_free", "Number of free inodes in the volume", lambda space: space.inodes_free),
        ("inodes_used", "Number of used inodes in the volume", lambda space: space.inodes_used),
        ("used_bytes", "Number of used bytes in the volume", lambda space: space.used),
    )
    for name, help_, value in figures:
        samples = [
            Sample({"namespace": namespace, "persistentvolumeclaim": claim}, value(space))
            for (namespace, claim), space in sorted(spaces.items(), key=lambda item: item[0])
        ]
        yield Family(f"kubelet_volume_stats_{name}", "gauge", f"[ALPHA] {help_}", samples)


def _network_families(pods: Sequence[PodRuns]) -> Iterator[Family]:
    figures: Sequence[tuple[str, str, Callable[[Interface], int]]] = (
        ("receive_bytes", "bytes received", lambda one: one.received),
        ("receive_errors", "errors encountered while receiving", lambda one: one.receive_errors),
        ("receive_packets", "packets received", lambda one: one.received_packets),
        ("receive_packets_dropped", "packets dropped while receiving", lambda one: one.received_dropped),
        ("transmit_bytes", "bytes transmitted", lambda one: one.sent),
        ("transmit_errors", "errors encountered while transmitting", lambda one: one.send_errors),
        ("transmit_packets", "packets transmitted", lambda one: one.sent_packets),
        ("transmit_packets_dropped", "packets dropped while transmitting", lambda one: one.sent_dropped),
    )
    for name, what, value in figures:
        samples = [
            Sample(
                {"id": f"/{pod.uid}", "interface": one.name, "namespace": pod.namespace, "pod": pod.name}, value(one)
            )
            for pod in pods
            for one in pod.interfaces
        ]
        yield Family(f"container_network_{name}_total", "counter", f"Cumulative count of {what}", samples)


def _measured(pods: Sequence[PodRuns], usages: Iterable[Usage]) -> Iterable[_Measured]:
    """Usages of pods that are ours, each with its container."""
    ours = {pod.uid: pod for pod in pods}
    for usage in usages:
        pod = ours.get(usage.uid)
        if pod is not None:
            yield _Measured(pod, next((ran for ran in pod.containers if ran.id == usage.id), None), usage)


def _each(measured: Iterable[_Measured], value: Callable[[Usage], float]) -> list[Sample]:
    return [Sample(one.labels, value(one.usage), one.usage.timestamp) for one in measured]
