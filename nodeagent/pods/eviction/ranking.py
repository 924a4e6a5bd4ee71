"""Who goes first when the machine runs short, and what is said to him. Pure.

Order and texts are those of upstream's pkg/kubelet/eviction/helpers.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from apimachinery.objects import quantity
from nodeagent.pods.eviction.thresholds import RESOURCES, Observation, Threshold
from nodeagent.pods.manifests import is_mirror, is_static
from nodeagent.pods.resources import total_requests
from nodeagent.pods.view import Container, Pod

CRITICAL_PRIORITY = 2_000_000_000
_STORAGE = "ephemeral-storage"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerUse:
    """What a container uses now; bytes."""

    memory: int = 0
    disk: int = 0
    """Writable layer and log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodUse:
    """What a pod uses now."""

    pod: Pod
    containers: Mapping[str, ContainerUse]
    volumes: int = 0
    """Bytes of its emptyDirs on disk."""
    processes: int = 0

    @property
    def memory(self) -> int:
        return sum(use.memory for use in self.containers.values())

    @property
    def disk(self) -> int:
        return sum(use.disk for use in self.containers.values()) + self.volumes


def is_critical(pod: Pod) -> bool:
    """Ended by no pressure."""
    return is_static(pod) or is_mirror(pod) or (pod.spec.priority or 0) >= CRITICAL_PRIORITY


def rank(uses: Iterable[PodUse], threshold: Threshold) -> list[PodUse]:
    """Those that may go, the first to go first."""
    resource = RESOURCES[threshold.signal]
    candidates = [use for use in uses if not is_critical(use.pod) and not use.pod.deleting]
    if resource == "pids":
        return sorted(candidates, key=lambda use: (use.pod.spec.priority or 0, -use.processes))
    used: Callable[[PodUse], int] = _memory_used if resource == "memory" else _disk_used
    asked = "memory" if resource == "memory" else _STORAGE

    def order(use: PodUse) -> tuple[bool, int, int]:
        over = used(use) - _request(use.pod, asked)
        return over <= 0, use.pod.spec.priority or 0, -over

    return sorted(candidates, key=order)


def message(use: PodUse, threshold: Threshold, observed: Observation | None) -> str:
    resource = RESOURCES[threshold.signal]
    text = f"The node was low on resource: {resource}. "
    if observed is not None:
        least = _printed(threshold.amount(observed.capacity), resource)
        text += f"Threshold quantity: {least}, available: {_printed(observed.available, resource)}. "
    if resource not in ("memory", _STORAGE):
        return text
    for container in _running_together(use.pod):
        found = use.containers.get(container.name)
        if found is None:
            continue
        amount = found.memory if resource == "memory" else found.disk
        request = container.resources.requests.get(resource, 0)
        if amount > quantity.value(request):
            text += (
                f"Container {container.name} was using {quantity.format_bytes(amount)}, "
                f"request is {quantity.canonical(request)}, has larger consumption of {resource}. "
            )
    return text


def over_limit(use: PodUse) -> str:
    """Why a pod that takes more of the disk than it may has to go; empty: it does not."""
    limits = [(c, c.resources.limits.get(_STORAGE)) for c in _running_together(use.pod)]
    known = [(container, limit) for container, limit in limits if limit is not None]
    if not known:
        return ""
    whole = sum(quantity.value(limit) for _, limit in known)
    inits = [c.resources.limits.get(_STORAGE) for c in use.pod.spec.init_containers if not c.is_sidecar]
    whole = max([whole, *(quantity.value(limit) for limit in inits if limit is not None)])
    if use.disk > whole:
        shown = quantity.format_bytes(whole)
        return f"Pod ephemeral local storage usage exceeds the total limit of containers {shown}. "
    for container, limit in known:
        found = use.containers.get(container.name)
        if found is not None and found.disk > quantity.value(limit):
            shown = quantity.canonical(limit)
            return f'Container {container.name} exceeded its local ephemeral storage limit "{shown}". '
    return ""


def has_limit(pod: Pod) -> bool:
    """Whether there is any need to measure what the pod takes of the disk."""
    limited = any(_STORAGE in c.resources.limits for c in _running_together(pod))
    return limited or any(volume.is_bounded for volume in pod.spec.volumes)


def _running_together(pod: Pod) -> Sequence[Container]:
    return (*pod.spec.containers, *pod.restartable_init)


def _memory_used(use: PodUse) -> int:
    return use.memory


def _disk_used(use: PodUse) -> int:
    return use.disk


def _request(pod: Pod, name: str) -> int:
    beside = total_requests(_running_together(pod), name)
    return max([beside, *(total_requests([c], name) for c in pod.spec.init_containers if not c.is_sidecar)])


def _printed(amount: int, resource: str) -> str:
    return str(amount) if resource in ("inodes", "pids") else quantity.format_bytes(amount)
