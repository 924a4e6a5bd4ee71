"""The plan for one CronJob: upstream's syncCronJob as a function of what is observed.

A Job's name follows from the minute it is for, so that a minute has one Job however often this is planned. What the
status says of the last start is read off the Jobs themselves: a start is noted only once its Job is there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from apimachinery.objects.meta import format_time, parse_time
from apimachinery.objects.resources import CRONJOBS, JOBS
from engine.controllers.actions import About, Action, Create, Delete, Emit, Json, Note, RequeueAfter, SetStatus
from engine.controllers.cronjob.schedule import BadSchedule, Due, Schedule, UnknownZone, due_between, parse
from engine.controllers.cronjob.views import SCHEDULED_AT, CronJob, CronJobStatus, JobReference
from engine.controllers.job.views import Job, finish_of
from engine.controllers.ownership import owner_reference

MANY_MISSED = 100
SLACK = 0.1
"""Seconds to come back after a due moment rather than before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    cron_job: CronJob
    jobs: tuple[Job, ...]
    """Those that this CronJob manages."""
    now: datetime


def plan(observed: Observed) -> list[Action]:
    cron_job, now = observed.cron_job, observed.now
    actions = _status(observed) + _cleanup(cron_job, observed.jobs)
    if cron_job.metadata.deletion_timestamp is not None or cron_job.spec.suspend:
        return actions
    try:
        schedule = parse(cron_job.spec.schedule, cron_job.spec.time_zone)
    except UnknownZone:
        zone = f'invalid timeZone: "{cron_job.spec.time_zone}": unknown time zone {cron_job.spec.time_zone}'
        return [*actions, _told(cron_job, "UnknownTimeZone", zone)]
    except BadSchedule as error:
        text = f'unparseable schedule: "{cron_job.spec.schedule}" : {error}'
        return [*actions, _told(cron_job, "UnparseableSchedule", text)]
    due = due_between(schedule, _earliest(observed), now)
    if due.moment is not None:
        actions += _start(observed, schedule, due, due.moment)
    following = schedule.after(now)
    if following is not None:
        actions.append(RequeueAfter(seconds=(following - now).total_seconds() + SLACK))
    return actions


def job_name(cron_job: CronJob, moment: datetime) -> str:
    return f"{cron_job.metadata.name}-{int(moment.timestamp()) // 60}"


def _earliest(observed: Observed) -> datetime:
    """From when on starts count as missed: after the last one, within the deadline."""
    cron_job = observed.cron_job
    last = _last_start(observed)
    text = last or cron_job.metadata.creation_timestamp
    earliest = parse_time(text) if text else observed.now
    deadline = cron_job.spec.starting_deadline_seconds
    if deadline is not None:
        earliest = max(earliest, observed.now - timedelta(seconds=deadline))
    return earliest


def _last_start(observed: Observed) -> str | None:
    starts = [
        job.metadata.annotations[SCHEDULED_AT] for job in observed.jobs if SCHEDULED_AT in job.metadata.annotations
    ]
    known = [parse_time(text) for text in (observed.cron_job.status.last_schedule_time, *starts) if text]
    return format_time(max(known)) if known else None


def _start(observed: Observed, schedule: Schedule, due: Due, moment: datetime) -> list[Action]:
    cron_job, now = observed.cron_job, observed.now
    told: list[Action] = []
    if due.missed > MANY_MISSED:
        advice = "Set or decrease .spec.startingDeadlineSeconds or check clock skew"
        text = f"too many missed start times: {due.missed}. {advice}"
        told.append(_told(cron_job, "TooManyMissedTimes", text))
    deadline = cron_job.spec.starting_deadline_seconds
    if deadline is not None and moment + timedelta(seconds=deadline) < now:
        stamp = moment.astimezone(schedule.zone).strftime("%a, %d %b %Y %H:%M:%S %z")
        return [*told, _told(cron_job, "MissSchedule", f"Missed scheduled time to start a job: {stamp}")]
    name = job_name(cron_job, moment)
    if any(job.metadata.name == name for job in observed.jobs):
        return told
    running = [job for job in observed.jobs if finish_of(job) is None]
    if cron_job.spec.concurrency_policy == "Forbid" and running:
        text = "Not starting job because prior execution is running and concurrency policy is Forbid"
        return [*told, _told(cron_job, "JobAlreadyActive", text, "Normal")]
    if cron_job.spec.concurrency_policy == "Replace":
        told += (_delete(cron_job, job) for job in running)
    body = new_job(cron_job, name, moment.astimezone(schedule.zone).isoformat().replace("+00:00", "Z"))
    return [*told, _create(cron_job, body)]


def new_job(cron_job: CronJob, name: str, scheduled_at: str) -> Json:
    """The Job of the template. `kubectl create job --from` makes the like."""
    template = cron_job.spec.job_template
    meta: Json = template.get("metadata") or {}
    return {
        "apiVersion": JOBS.api_version,
        "kind": JOBS.kind,
        "metadata": {
            "name": name,
            "namespace": cron_job.metadata.namespace,
            "labels": dict(meta.get("labels") or {}),
            "annotations": {**(meta.get("annotations") or {}), SCHEDULED_AT: scheduled_at},
            "ownerReferences": [owner_reference(CRONJOBS, cron_job)],
        },
        "spec": template.get("spec") or {},
    }


def _create(cron_job: CronJob, body: Json) -> Create:
    about = About.of(CRONJOBS, cron_job)
    return Create(
        resource=JOBS,
        namespace=cron_job.metadata.namespace,
        body=body,
        succeeded=Note(about=about, reason="SuccessfulCreate", message="Created job {name}"),
        failed=Note(about=about, reason="FailedCreate", message="Error creating job: {error}", type="Warning"),
    )


def _delete(cron_job: CronJob, job: Job) -> Delete:
    about = About.of(CRONJOBS, cron_job)
    return Delete(
        resource=JOBS,
        namespace=job.metadata.namespace,
        name=job.metadata.name,
        uid=job.metadata.uid,
        propagation="Background",
        succeeded=Note(about=about, reason="SuccessfulDelete", message=f"Deleted job {job.metadata.name}"),
        failed=Note(about=about, reason="FailedDelete", message="Deleted job: {error}", type="Warning"),
    )


def _cleanup(cron_job: CronJob, jobs: Iterable[Job]) -> list[Action]:
    """Delete the oldest of the ended Jobs beyond the limits of the history."""
    ended = sorted(jobs, key=lambda job: (job.status.start_time or "9", job.metadata.name))
    actions: list[Action] = []
    limits = (
        ("Complete", cron_job.spec.successful_jobs_history_limit),
        ("Failed", cron_job.spec.failed_jobs_history_limit),
    )
    for kind, limit in limits:
        if limit is None:
            continue
        of_kind = [job for job in ended if (end := finish_of(job)) is not None and end.type == kind]
        actions += (
            _delete(cron_job, job)
            for job in of_kind[: max(0, len(of_kind) - limit)]
            if job.metadata.deletion_timestamp is None
        )
    return actions


def _status(observed: Observed) -> list[Action]:
    """Running Jobs, the last start and the last success; what came to pass is told once, when the status changes."""
    cron_job = observed.cron_job
    before = cron_job.status
    by_uid = {job.metadata.uid: job for job in observed.jobs}
    kept = [ref for ref in before.active if ref.uid in by_uid and finish_of(by_uid[ref.uid]) is None]
    listed = {ref.uid for ref in before.active}
    fresh = [job for job in observed.jobs if job.metadata.uid not in listed and finish_of(job) is None]
    status = CronJobStatus(
        active=(*kept, *map(_reference, sorted(fresh, key=lambda job: job.metadata.name))),
        last_schedule_time=_last_start(observed),
        last_successful_time=_last_success(before, observed.jobs),
    )
    if status == before:
        return []
    meta = cron_job.metadata
    write = SetStatus(
        resource=CRONJOBS,
        namespace=meta.namespace,
        name=meta.name,
        resource_version=meta.resource_version,
        status={
            "active": msgspec.to_builtins(status.active) or None,
            "lastScheduleTime": status.last_schedule_time,
            "lastSuccessfulTime": status.last_successful_time,
        },
    )
    return [*_farewells(cron_job, by_uid, fresh), write]


def _farewells(cron_job: CronJob, by_uid: dict[str, Job], fresh: Sequence[Job]) -> list[Action]:
    told: list[Action] = []
    for ref in cron_job.status.active:
        job = by_uid.get(ref.uid)
        if job is None:
            told.append(_told(cron_job, "MissingJob", f"Active job went missing: {ref.name}", "Normal"))
        elif (end := finish_of(job)) is not None:
            text = f"Saw completed job: {ref.name}, condition: {end.type}"
            told.append(_told(cron_job, "SawCompletedJob", text, "Normal"))
    for job in fresh:
        if SCHEDULED_AT not in job.metadata.annotations:
            text = f"Saw a job that the controller did not create or forgot: {job.metadata.name}"
            told.append(_told(cron_job, "UnexpectedJob", text))
    return told


def _last_success(before: CronJobStatus, jobs: Iterable[Job]) -> str | None:
    ends = [
        job.status.completion_time for job in jobs if (end := finish_of(job)) is not None and end.type == "Complete"
    ]
    known = [parse_time(text) for text in (before.last_successful_time, *ends) if text]
    return format_time(max(known)) if known else None


def _reference(job: Job) -> JobReference:
    meta = job.metadata
    return JobReference(namespace=meta.namespace, name=meta.name, uid=meta.uid, resource_version=meta.resource_version)


def _told(cron_job: CronJob, reason: str, message: str, kind: Literal["Normal", "Warning"] = "Warning") -> Emit:
    return Emit(note=Note(about=About.of(CRONJOBS, cron_job), reason=reason, message=message, type=kind))
