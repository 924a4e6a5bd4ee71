"""From requests and limits to cgroup settings, quality of service and the order of the kernel's kills.

Numbers are those of upstream's pkg/kubelet/cm/helpers_linux.go and pkg/kubelet/qos/policy.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from apimachinery.objects import quantity
from nodeagent.cri.types import Resources
from nodeagent.pods.view import Container, Pod

GUARANTEED, BURSTABLE, BEST_EFFORT = "Guaranteed", "Burstable", "BestEffort"
_PERIOD = 100_000
_MIN_SHARES, _MAX_SHARES, _MIN_QUOTA = 2, 262_144, 1000
_COMPUTE = ("cpu", "memory")


def qos_class(pod: Pod) -> str:
    """Guaranteed when every container has limits for cpu and memory that its requests equal; BestEffort when none
    asks for anything; Burstable between."""
    containers = [*pod.spec.containers, *pod.spec.init_containers]
    asked = [
        (name, where)
        for container in containers
        for where in (container.resources.requests, container.resources.limits)
        for name in _COMPUTE
        if _positive(where, name)
    ]
    if not asked:
        return BEST_EFFORT
    return GUARANTEED if all(_guaranteed(container) for container in containers) else BURSTABLE


def container_resources(pod: Pod, container: Container, memory_capacity: int) -> Resources:
    """The cgroup settings of one container; `memory_capacity` is the machine's, in bytes."""
    request = _milli(container.resources.requests, "cpu")
    limit = _milli(container.resources.limits, "cpu")
    quota = _quota(limit)
    return Resources(
        cpu_shares=_shares(request if "cpu" in container.resources.requests else limit),
        cpu_quota=quota,
        cpu_period=_PERIOD if quota else 0,
        memory_limit=_bytes(container.resources.limits, "memory"),
        oom_score_adj=oom_score(pod, container, memory_capacity),
    )


def pod_resources(pod: Pod) -> Resources:
    """The cgroup settings of the pod as a whole: limits only when every container has one."""
    apps, inits = pod.spec.containers, [c for c in pod.spec.init_containers if not c.is_sidecar]
    sidecars = pod.restartable_init

    def whole(read: Callable[[Container], int]) -> int:
        beside = sum(read(c) for c in sidecars)
        return max([sum(read(c) for c in apps) + beside, *(read(c) + beside for c in inits)])

    def limited(name: str) -> bool:
        return all(_positive(c.resources.limits, name) for c in (*apps, *pod.spec.init_containers))

    def cpu_request(c: Container) -> int:
        return _milli(c.resources.requests if "cpu" in c.resources.requests else c.resources.limits, "cpu")

    quota = _quota(whole(lambda c: _milli(c.resources.limits, "cpu"))) if limited("cpu") else 0
    return Resources(
        cpu_shares=_shares(whole(cpu_request)),
        cpu_quota=quota,
        cpu_period=_PERIOD if quota else 0,
        memory_limit=whole(lambda c: _bytes(c.resources.limits, "memory")) if limited("memory") else 0,
    )


def oom_score(pod: Pod, container: Container, memory_capacity: int) -> int:
    """-997 for Guaranteed, 1000 for BestEffort, between for Burstable by its share of the machine's memory."""
    match qos_class(pod):
        case "Guaranteed":
            return -997
        case "BestEffort":
            return 1000
        case _:
            request = _bytes(container.resources.requests, "memory")
            score = 1000 - (1000 * request) // max(memory_capacity, 1)
            return min(max(score, 3), 999)


def limit_or_request(container: Container, name: str, kind: str) -> str | int | float | None:
    """The limit or the request called `name`; a missing request falls back to the limit, as the API server defaults."""
    if kind == "limits":
        return container.resources.limits.get(name)
    return container.resources.requests.get(name, container.resources.limits.get(name))


def _guaranteed(container: Container) -> bool:
    limits, requests = container.resources.limits, container.resources.requests
    return all(
        _positive(limits, name) and quantity.parse(requests.get(name, limits[name])) == quantity.parse(limits[name])
        for name in _COMPUTE
    )


def _positive(amounts: Mapping[str, str | int | float], name: str) -> bool:
    return name in amounts and quantity.parse(amounts[name]) > 0


def _milli(amounts: Mapping[str, str | int | float], name: str) -> int:
    return quantity.milli(amounts[name]) if name in amounts else 0


def _bytes(amounts: Mapping[str, str | int | float], name: str) -> int:
    return quantity.value(amounts[name]) if name in amounts else 0


def _shares(milli: int) -> int:
    return min(max(milli * 1024 // 1000, _MIN_SHARES), _MAX_SHARES)


def _quota(milli: int) -> int:
    return max(milli * _PERIOD // 1000, _MIN_QUOTA) if milli else 0


def total_requests(containers: Iterable[Container], name: str) -> int:
    """The sum of a request over containers: millicores for cpu, bytes or units otherwise."""
    read = _milli if name == "cpu" else _bytes
    return sum(read(c.resources.requests, name) for c in containers)
