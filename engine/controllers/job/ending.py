"""Whether and why a Job is to end, with upstream's reasons and messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from apimachinery.objects.meta import parse_time
from engine.controllers.job.counting import Tally
from engine.controllers.job.policies import has_failed, judge, restarts_exceed_limit, success_message
from engine.controllers.job.views import Job
from engine.controllers.views import Pod, condition_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    kind: Literal["Complete", "Failed"]
    reason: str
    message: str

    @property
    def target(self) -> str:
        """The condition that announces it while pods still run."""
        return "SuccessCriteriaMet" if self.kind == "Complete" else "FailureTarget"

    @staticmethod
    def complete(reason: str, message: str) -> "Ending":
        return Ending(kind="Complete", reason=reason, message=message)

    @staticmethod
    def failed(reason: str, message: str) -> "Ending":
        return Ending(kind="Failed", reason=reason, message=message)


def ending_of(job: Job, held: Sequence[Pod], active: Sequence[Pod], count: Tally, now: datetime) -> Ending | None:
    """What was announced stays; else the first reason that holds."""
    return (
        _announced(job)
        or _failure(job, held, active, count, now)
        or _failure_by_index(job, count)
        or _success(job, count)
    )


def _announced(job: Job) -> Ending | None:
    for target, make in (("FailureTarget", Ending.failed), ("SuccessCriteriaMet", Ending.complete)):
        found = condition_of(job.status.conditions, target)
        if found is not None and found.status == "True":
            return make(found.reason or "", found.message or "")
    return None


def _failure(job: Job, held: Sequence[Pod], active: Sequence[Pod], count: Tally, now: datetime) -> Ending | None:
    policy = job.spec.pod_failure_policy
    if policy is not None:
        per_index = job.spec.backoff_limit_per_index is not None
        verdicts = (judge(policy, pod, per_index=per_index) for pod in held if has_failed(pod, job))
        fatal = next((verdict for verdict in verdicts if verdict.action == "FailJob"), None)
        if fatal is not None:
            return Ending.failed("PodFailurePolicy", fatal.message)
    if count.failed > job.spec.backoff_limit or restarts_exceed_limit(job, active, restart_policy(job)):
        return Ending.failed("BackoffLimitExceeded", "Job has reached the specified backoff limit")
    if _too_late(job, now):
        return Ending.failed("DeadlineExceeded", "Job was active longer than specified deadline")
    return None


def _too_late(job: Job, now: datetime) -> bool:
    deadline = job.spec.active_deadline_seconds
    if deadline is None or job.spec.suspend or job.status.start_time is None:
        return False
    return now >= parse_time(job.status.start_time) + timedelta(seconds=deadline)


def _failure_by_index(job: Job, count: Tally) -> Ending | None:
    if job.spec.backoff_limit_per_index is None or not count.failed_indexes:
        return None
    allowed = job.spec.max_failed_indexes
    if allowed is not None and len(count.failed_indexes) > allowed:
        return Ending.failed(
            "MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes"
        )
    if len(count.failed_indexes) + len(count.succeeded_indexes) >= (job.spec.completions or 0):
        return Ending.failed("FailedIndexes", "Job has failed indexes")
    return None


def _success(job: Job, count: Tally) -> Ending | None:
    message = success_message(job.spec.success_policy, count.succeeded_indexes)
    return Ending.complete("SuccessPolicy", message) if message is not None else None


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    restart_policy: str = ""


class _Template(msgspec.Struct, frozen=True):
    spec: _Spec = _Spec()


def restart_policy(job: Job) -> str:
    return msgspec.json.decode(job.spec.template, type=_Template).spec.restart_policy
