"""How long a Job waits after failures before it makes another pod: 10 s, doubling up to 10 minutes."""

from collections.abc import Iterable
from datetime import datetime

from apimachinery.objects.meta import parse_time
from engine.controllers.job.policies import has_failed
from engine.controllers.job.views import INDEX_FAILURES, INDEX_IGNORED_FAILURES, Job
from engine.controllers.views import Pod

INITIAL = 10.0
LONGEST = 600.0


def seconds_left(job: Job, pods: Iterable[Pod], now: datetime) -> float:
    """By the failures since the last success, as far as their pods are still there."""
    ended = ((ended_at(pod), pod.status.phase == "Succeeded") for pod in pods if _is_over(pod, job))
    ordered = sorted((moment, good) for moment, good in ended if moment is not None)
    failures: list[datetime] = []
    for moment, good in ordered:
        failures = [] if good else [*failures, moment]
    return _wait(len(failures), failures[-1], now) if failures else 0.0


def index_seconds_left(failed: Pod, now: datetime) -> float:
    """The same for one index, whose last pod carries how often it failed before."""
    moment = ended_at(failed)
    return _wait(failures_before(failed) + ignored_before(failed) + 1, moment, now) if moment is not None else 0.0


def failures_before(pod: Pod) -> int:
    return _count(pod, INDEX_FAILURES)


def ignored_before(pod: Pod) -> int:
    return _count(pod, INDEX_IGNORED_FAILURES)


def ended_at(pod: Pod) -> datetime | None:
    """When its last container ended; else when it was told to go."""
    ends = [
        status.state.terminated.finished_at
        for status in pod.status.container_statuses
        if status.state.terminated is not None and status.state.terminated.finished_at
    ]
    if ends:
        return max(map(parse_time, ends))
    ready = next((c.last_transition_time for c in pod.status.conditions if c.type == "Ready"), None)
    text = pod.metadata.deletion_timestamp or ready or pod.metadata.creation_timestamp
    return parse_time(text) if text else None


def _is_over(pod: Pod, job: Job) -> bool:
    return pod.status.phase == "Succeeded" or has_failed(pod, job)


def _wait(failures: int, last: datetime, now: datetime) -> float:
    delay = min(INITIAL * 2.0 ** (failures - 1), LONGEST)
    return max(0.0, delay - (now - last).total_seconds())


def _count(pod: Pod, annotation: str) -> int:
    text = pod.metadata.annotations.get(annotation, "")
    return int(text) if text.isdigit() else 0
