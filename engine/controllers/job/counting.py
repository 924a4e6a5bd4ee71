"""Counting ended pods, each exactly once.

Three steps, each resting on what the one before has made durable: the uid of an ended pod is written to
`uncountedTerminatedPods`; then its finalizer is taken away; then, the finalizer being gone, the uid moves into the
counter. A pod with the finalizer cannot vanish uncounted; one without cannot be counted again. An index needs no uid:
`completedIndexes` is a set.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from apimachinery.objects.resources import PODS
from engine.controllers.actions import Action, Patch
from engine.controllers.job import indexes
from engine.controllers.job.backoff import ended_at, failures_before
from engine.controllers.job.policies import has_failed, judge
from engine.controllers.job.views import FINALIZER, Job, Uncounted
from engine.controllers.podstate import is_active
from engine.controllers.views import Pod

MOST_UNCOUNTED = 500


@dataclass(slots=True, kw_only=True)
class Tally:
    """`succeeded` and `failed` for decisions: everything known. The status gets `counted_*` and `uncounted`."""

    succeeded: int = 0
    failed: int = 0
    counted_succeeded: int = 0
    counted_failed: int = 0
    uncounted: Uncounted = field(default_factory=Uncounted)
    succeeded_indexes: frozenset[int] = frozenset()
    failed_indexes: frozenset[int] = frozenset()
    awaiting: dict[int, Pod] = field(default_factory=dict[int, Pod])
    """By index the failed pod that stays until it has a successor, which takes over its count."""
    releases: list[Action] = field(default_factory=list[Action])


def is_tracked(pod: Pod) -> bool:
    return FINALIZER in pod.metadata.finalizers


def release(pod: Pod) -> Patch:
    """Take the finalizer away."""
    return Patch(
        resource=PODS,
        namespace=pod.metadata.namespace,
        name=pod.metadata.name,
        uid=pod.metadata.uid,
        kind="strategic",
        body={"metadata": {"$deleteFromPrimitiveList/finalizers": [FINALIZER]}},
    )


def tally(job: Job, pods: Sequence[Pod], *, finishing: bool) -> Tally:
    """`finishing`: no more pods will be made, so none waits for a successor."""
    tracked = [pod for pod in pods if is_tracked(pod)]
    outcome = Tally()
    _flush(job, outcome, {pod.metadata.uid for pod in tracked})
    if job.spec.indexed:
        _count_indexes(job, outcome, tracked)
    if job.spec.backoff_limit_per_index is not None:
        _fail_indexes(job, outcome, pods, tracked, finishing=finishing)
    before = job.status.uncounted_terminated_pods
    written_down = {*before.succeeded, *before.failed}
    waiting = {pod.metadata.uid for pod in outcome.awaiting.values()}
    fresh_succeeded: list[str] = []
    fresh_failed: list[str] = []
    durable = indexes.parse(job.status.completed_indexes)
    for pod in tracked:
        uid = pod.metadata.uid
        if uid in written_down:
            outcome.releases.append(release(pod))
        elif pod.status.phase == "Succeeded":
            index = indexes.index_of(pod) if job.spec.indexed else None
            if not job.spec.indexed:
                fresh_succeeded.append(uid)
            elif index is None or index in durable or index not in outcome.succeeded_indexes:
                outcome.releases.append(release(pod))
        elif has_failed(pod, job):
            counts = _counts(job, pod)
            if uid in waiting:
                outcome.failed += counts
            elif counts:
                fresh_failed.append(uid)
            else:
                outcome.releases.append(release(pod))
    if not job.spec.indexed:
        outcome.succeeded = outcome.counted_succeeded + len(outcome.uncounted.succeeded) + len(fresh_succeeded)
    outcome.failed += outcome.counted_failed + len(outcome.uncounted.failed) + len(fresh_failed)
    _write_down(outcome, fresh_succeeded, fresh_failed)
    return outcome


def _flush(job: Job, outcome: Tally, tracked: set[str]) -> None:
    """What is written down and has lost its finalizer goes into the counters."""
    status = job.status
    before = status.uncounted_terminated_pods
    succeeded = tuple(uid for uid in before.succeeded if uid in tracked)
    failed = tuple(uid for uid in before.failed if uid in tracked)
    outcome.uncounted = Uncounted(succeeded=succeeded, failed=failed)
    outcome.counted_succeeded = status.succeeded + len(before.succeeded) - len(succeeded)
    outcome.counted_failed = status.failed + len(before.failed) - len(failed)


def _write_down(outcome: Tally, succeeded: Sequence[str], failed: Sequence[str]) -> None:
    before = outcome.uncounted
    room = max(0, MOST_UNCOUNTED - len(before.succeeded) - len(before.failed))
    taken = succeeded[:room]
    outcome.uncounted = Uncounted(
        succeeded=(*before.succeeded, *taken), failed=(*before.failed, *failed[: room - len(taken)])
    )


def _counts(job: Job, pod: Pod) -> bool:
    per_index = job.spec.backoff_limit_per_index is not None
    return judge(job.spec.pod_failure_policy, pod, per_index=per_index).action != "Ignore"


def _count_indexes(job: Job, outcome: Tally, tracked: Iterable[Pod]) -> None:
    completions = job.spec.completions or 0
    fresh = {
        index
        for pod in tracked
        if pod.status.phase == "Succeeded" and (index := indexes.index_of(pod)) is not None and index < completions
    }
    outcome.succeeded_indexes = indexes.parse(job.status.completed_indexes, completions) | fresh
    outcome.succeeded = outcome.counted_succeeded = len(outcome.succeeded_indexes)


def _fail_indexes(job: Job, outcome: Tally, pods: Sequence[Pod], tracked: Iterable[Pod], *, finishing: bool) -> None:
    limit = job.spec.backoff_limit_per_index or 0
    known = set(indexes.parse(job.status.failed_indexes, job.spec.completions))
    latest: dict[int, Pod] = {}
    for pod in tracked:
        index = indexes.index_of(pod)
        if index is None or not has_failed(pod, job):
            continue
        verdict = judge(job.spec.pod_failure_policy, pod, per_index=True)
        if verdict.action == "FailIndex" or (verdict.action != "Ignore" and failures_before(pod) >= limit):
            known.add(index)
        elif index not in latest or _later(pod, latest[index]):
            latest[index] = pod
    outcome.failed_indexes = frozenset(known - outcome.succeeded_indexes)
    if finishing:
        return
    succeeded_or_running = outcome.succeeded_indexes | {indexes.index_of(pod) for pod in pods if is_active(pod)}
    outcome.awaiting = {
        index: pod for index, pod in latest.items() if index not in known and index not in succeeded_or_running
    }


def _later(pod: Pod, other: Pod) -> bool:
    left, right = ended_at(pod), ended_at(other)
    return failures_before(pod) > failures_before(other) or (left is not None and right is not None and left > right)
