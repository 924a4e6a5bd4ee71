"""The plan for one Job: upstream's syncJob as a function of what is observed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from apimachinery.objects.meta import parse_time
from apimachinery.objects.resources import JOBS, PODS
from apimachinery.objects.selectors import from_label_selector
from engine.controllers.actions import Action, Delete, RequeueAfter
from engine.controllers.job import backoff, podsof
from engine.controllers.job.counting import Tally, is_tracked, release, tally
from engine.controllers.job.ending import Ending, ending_of
from engine.controllers.job.status import status_write
from engine.controllers.job.views import OURS, Job, finish_of, has_condition
from engine.controllers.ownership import claim
from engine.controllers.podstate import is_active, is_terminal, is_terminating
from engine.controllers.views import Pod

BURST = 500
"""Pods made or deleted in one go at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    job: Job | None
    """None for a Job that is gone, whose pods are still held by their finalizers."""
    pods: tuple[Pod, ...]
    """Pods of the namespace that this Job manages or nobody does."""
    now: datetime


@dataclass(slots=True)
class Moves:
    """What happens to pods now. `active` is how many run once it is done."""

    active: int
    actions: list[Action] = field(default_factory=list[Action])
    wait: float = 0.0


def plan(observed: Observed) -> list[Action]:
    job = observed.job
    if job is None:
        return [release(pod) for pod in observed.pods if is_tracked(pod)]
    if job.spec.managed_by not in (None, OURS):
        return []
    selector = from_label_selector(job.spec.selector)
    held, actions = claim(JOBS, job, selector, PODS, observed.pods)
    finish = finish_of(job)
    if job.metadata.deletion_timestamp is not None or finish is not None:
        actions += (release(pod) for pod in held if is_tracked(pod))
        return actions + _expire(job, observed.now)
    return actions + _sync(job, held, observed.now)


def _sync(job: Job, held: Sequence[Pod], now: datetime) -> list[Action]:
    active = [pod for pod in held if is_active(pod)]
    count = tally(job, held, finishing=_finishing(job))
    ending = ending_of(job, held, active, count, now)
    if ending is not None and count.awaiting:
        # Nobody waits for successors any more.
        count = tally(job, held, finishing=True)
    if ending is not None:
        moves = Moves(0, [podsof.delete(job, pod) for pod in active[:BURST]])
        moves.active = max(0, len(active) - BURST)
    else:
        moves = _manage(job, held, active, count, now)
    terminating = sum(1 for pod in held if is_terminating(pod) and not is_terminal(pod))
    if ending is None and not active and not moves.active and _reached(job, count, active):
        ending = Ending.complete("CompletionsReached", "Reached expected number of succeeded pods")
    over = ending is not None and not active and not terminating and not any(is_tracked(pod) for pod in held)
    status = status_write(
        job, active, count, ending, remaining=moves.active, terminating=terminating, over=over, now=now
    )
    return moves.actions + count.releases + status + _requeue(job, moves, ending, now)


def _finishing(job: Job) -> bool:
    return has_condition(job, "FailureTarget") or has_condition(job, "SuccessCriteriaMet")


def _reached(job: Job, count: Tally, active: Sequence[Pod]) -> bool:
    if job.spec.completions is None:
        return count.succeeded > 0 and not active
    return count.succeeded >= job.spec.completions


def _manage(job: Job, held: Sequence[Pod], active: Sequence[Pod], count: Tally, now: datetime) -> Moves:
    """As many pods as parallelism and what is left to do ask for. Takes away or makes pods, never both at once."""
    if job.spec.suspend:
        gone = active[:BURST]
        return Moves(len(active) - len(gone), [action for pod in gone for action in podsof.delete_uncounted(job, pod)])
    wanted = _wanted(job, len(active), count)
    over = count.succeeded_indexes | count.failed_indexes
    unwanted = podsof.surplus(job, active, over, max(0, len(active) - wanted), now)[:BURST]
    if unwanted:
        actions = [action for pod in unwanted for action in podsof.delete_uncounted(job, pod)]
        return Moves(len(active) - len(unwanted), actions)
    leaving = [pod for pod in held if is_terminating(pod) and not is_terminal(pod)]
    blocking = leaving if job.spec.replaces_only_failed else []
    missing = min(wanted - len(active) - len(blocking), BURST)
    if missing <= 0:
        return Moves(len(active))
    if job.spec.backoff_limit_per_index is None:
        wait = backoff.seconds_left(job, held, now)
        if wait > 0:
            return Moves(len(active), wait=wait)
    if not job.spec.indexed:
        return Moves(len(active) + missing, podsof.new_pods(job, missing))
    return _make_indexed(job, [*active, *blocking], count, active=len(active), missing=missing, now=now)


def _make_indexed(
    job: Job,
    occupying: Sequence[Pod],
    count: Tally,
    *,
    active: int,
    missing: int,
    now: datetime,
) -> Moves:
    moves = Moves(active)
    over = count.succeeded_indexes | count.failed_indexes
    waits: list[float] = []
    for index in podsof.pending_indexes(job, occupying, over, missing):
        failed = count.awaiting.get(index)
        wait = backoff.index_seconds_left(failed, now) if failed is not None else 0.0
        if wait > 0:
            waits.append(wait)
        else:
            moves.actions.append(podsof.new_indexed_pod(job, index, failed))
            moves.active += 1
    moves.wait = min(waits, default=0.0)
    return moves


def _wanted(job: Job, active: int, count: Tally) -> int:
    if job.spec.completions is None:
        # After the first success nobody is started any more; who runs may end.
        return active if count.succeeded > 0 else job.spec.parallelism
    left = job.spec.completions - count.succeeded - len(count.failed_indexes)
    return max(0, min(left, job.spec.parallelism))


def _requeue(job: Job, moves: Moves, ending: Ending | None, now: datetime) -> list[Action]:
    waits = [moves.wait] if moves.wait > 0 else []
    if ending is None and job.spec.active_deadline_seconds is not None and not job.spec.suspend:
        started = parse_time(job.status.start_time) if job.status.start_time else now
        due = started + timedelta(seconds=job.spec.active_deadline_seconds)
        waits.append(max(0.1, (due - now).total_seconds()))
    return [RequeueAfter(seconds=min(waits))] if waits else []


def _expire(job: Job, now: datetime) -> list[Action]:
    """Delete a Job whose time to live after its end is over."""
    finish = finish_of(job)
    ttl = job.spec.ttl_seconds_after_finished
    if ttl is None or finish is None or job.metadata.deletion_timestamp is not None:
        return []
    ended = finish.last_transition_time or job.status.completion_time
    if ended is None:
        return []
    left = (parse_time(ended) + timedelta(seconds=ttl) - now).total_seconds()
    if left > 0:
        return [RequeueAfter(seconds=left)]
    meta = job.metadata
    return [Delete(resource=JOBS, namespace=meta.namespace, name=meta.name, uid=meta.uid, propagation="Foreground")]
