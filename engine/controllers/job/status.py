"""The status of a Job, written once per plan."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from apimachinery.objects.meta import format_time
from apimachinery.objects.resources import JOBS
from engine.controllers.actions import About, Action, Emit, Json, Note, SetStatus
from engine.controllers.job import indexes
from engine.controllers.job.counting import Tally
from engine.controllers.job.ending import Ending
from engine.controllers.job.views import Job, JobCondition, JobStatus, Uncounted
from engine.controllers.podstate import is_ready
from engine.controllers.views import Pod, condition_of

Conditions = tuple[JobCondition, ...]


def status_write(
    job: Job,
    active: Sequence[Pod],
    count: Tally,
    ending: Ending | None,
    *,
    remaining: int,
    terminating: int,
    over: bool,
    now: datetime,
) -> list[Action]:
    """`remaining`: active pods once the plan is carried out. `over`: the ending may be made final."""
    before = job.status
    settled = not count.uncounted.succeeded and not count.uncounted.failed
    final = ending is not None and over and settled
    conditions = _with_ending(before.conditions, ending, final=final, now=now)
    start = before.start_time
    told: list[Action] = []
    if ending is None:
        conditions, note = _with_suspension(job, conditions, now)
        if note is not None:
            told.append(Emit(note=note))
            if not job.spec.suspend:
                start = format_time(now)
    if start is None and not job.spec.suspend:
        start = format_time(now)
    per_index = job.spec.backoff_limit_per_index is not None
    status = JobStatus(
        conditions=conditions,
        start_time=start,
        completion_time=format_time(now) if final and ending and ending.kind == "Complete" else before.completion_time,
        active=remaining if ending is None else len(active),
        ready=sum(1 for pod in active if is_ready(pod)),
        terminating=terminating,
        succeeded=count.counted_succeeded,
        failed=count.counted_failed,
        completed_indexes=indexes.written(count.succeeded_indexes) if job.spec.indexed else "",
        failed_indexes=indexes.written(count.failed_indexes) if per_index else None,
        uncounted_terminated_pods=count.uncounted,
    )
    if status == before:
        return told
    note = _farewell(job, ending) if final and ending is not None else None
    meta = job.metadata
    write = SetStatus(
        resource=JOBS, namespace=meta.namespace, name=meta.name, resource_version=meta.resource_version,
        status=_on_the_wire(status), succeeded=note,
    )  # fmt: skip
    return [*told, write]


def _on_the_wire(status: JobStatus) -> Json:
    return {
        "conditions": msgspec.to_builtins(status.conditions) or None,
        "startTime": status.start_time,
        "completionTime": status.completion_time,
        "active": status.active or None,
        "ready": status.ready,
        "terminating": status.terminating,
        "succeeded": status.succeeded or None,
        "failed": status.failed or None,
        "completedIndexes": status.completed_indexes or None,
        "failedIndexes": status.failed_indexes,
        "uncountedTerminatedPods": _uncounted(status.uncounted_terminated_pods),
    }


def _uncounted(uncounted: Uncounted) -> Json:
    return {"succeeded": list(uncounted.succeeded) or None, "failed": list(uncounted.failed) or None}


def _with_ending(conditions: Conditions, ending: Ending | None, *, final: bool, now: datetime) -> Conditions:
    if ending is None:
        return conditions
    for kind in (ending.target, ending.kind) if final else (ending.target,):
        if condition_of(conditions, kind) is None:
            conditions = (*conditions, _condition(kind, "True", ending.reason, ending.message, now))
    return conditions


def _with_suspension(job: Job, conditions: Conditions, now: datetime) -> tuple[Conditions, Note | None]:
    """The condition Suspended, and the event that tells of its change."""
    current = condition_of(conditions, "Suspended")
    about = About.of(JOBS, job)
    if job.spec.suspend:
        if current is not None and current.status == "True":
            return conditions, None
        fresh = _condition("Suspended", "True", "JobSuspended", "Job suspended", now)
        note = Note(about=about, reason="Suspended", message="Job suspended")
    elif current is not None and current.status == "True":
        fresh = _condition("Suspended", "False", "JobResumed", "Job resumed", now)
        note = Note(about=about, reason="Resumed", message="Job resumed")
    else:
        return conditions, None
    return (*(c for c in conditions if c.type != "Suspended"), fresh), note


def _condition(kind: str, status: str, reason: str, message: str, now: datetime) -> JobCondition:
    moment = format_time(now)
    return JobCondition(
        type=kind, status=status, reason=reason, message=message, last_transition_time=moment, last_probe_time=moment
    )


def _farewell(job: Job, ending: Ending) -> Note:
    about = About.of(JOBS, job)
    if ending.kind == "Complete":
        return Note(about=about, reason="Completed", message="Job completed")
    return Note(about=about, reason=ending.reason, message=ending.message, type="Warning")
