"""Which pods to delete first when there are too many (upstream's ActivePodsWithRanks)."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from apimachinery.objects.meta import parse_time
from engine.controllers.podstate import is_active, is_ready, ready_since
from engine.controllers.views import Pod

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}

Rank = tuple[bool, int, bool, int, int, float, float, int, float, float, str]


def pods_to_delete(pods: Sequence[Pod], related: Iterable[Pod], count: int, now: datetime) -> list[Pod]:
    """The `count` pods whose loss hurts least. `related`: pods of the controllers with the same owner, these too."""
    if count >= len(pods):
        return list(pods)
    crowd = Counter(pod.spec.node_name for pod in related if is_active(pod))
    return sorted(pods, key=lambda pod: rank(pod, crowd[pod.spec.node_name], now))[:count]


def rank(pod: Pod, neighbours: int, now: datetime) -> Rank:
    """Sorts ascending from the pod to delete first.

    In order: unassigned, by phase, unready, by deletion cost, on the most crowded machine, ready for the shortest
    time, with the most restarts, youngest. Ages count by powers of two, so that of pods about as old any may go (the
    uid decides): a scale-down does not always hit the newest.
    """
    ready = ready_since(pod)
    created = parse_time(pod.metadata.creation_timestamp) if pod.metadata.creation_timestamp else None
    return (
        bool(pod.spec.node_name),
        _PHASES.get(pod.status.phase, 0),
        is_ready(pod),
        _deletion_cost(pod),
        -neighbours,
        *_age(ready, now),
        -max((status.restart_count for status in pod.status.container_statuses), default=0),
        *_age(created, now),
        pod.metadata.uid,
    )


def _age(since: datetime | None, now: datetime) -> tuple[float, float]:
    """(0, 0) for no time at all, which goes first; else the power of two of the age in nanoseconds."""
    if since is None:
        return 0.0, 0.0
    seconds = (now - since).total_seconds()
    return (1.0, math.floor(math.log2(seconds * 1e9))) if seconds > 0 else (0.5, 0.0)


def _deletion_cost(pod: Pod) -> int:
    try:
        return int(pod.metadata.annotations.get(DELETION_COST, "0"))
    except ValueError:
        return 0
