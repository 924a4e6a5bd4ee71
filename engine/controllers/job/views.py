"""What the job controller reads of a Job."""

from typing import Any

import msgspec

from apimachinery.objects.meta import Object
from apimachinery.objects.resources import JOBS
from engine.controllers.controller import Source
from engine.controllers.views import Condition, by_controller, condition_of

FINALIZER = "batch.kubernetes.io/job-tracking"
INDEX = "batch.kubernetes.io/job-completion-index"
INDEX_FAILURES = "batch.kubernetes.io/job-index-failure-count"
INDEX_IGNORED_FAILURES = "batch.kubernetes.io/job-index-ignored-failure-count"
JOB_NAME_LABEL = "batch.kubernetes.io/job-name"
OURS = "kubernetes.io/job-controller"


class ExitCodes(msgspec.Struct, frozen=True, rename="camel"):
    operator: str = "In"
    values: tuple[int, ...] = ()
    container_name: str | None = None


class PodCondition(msgspec.Struct, frozen=True, rename="camel"):
    type: str = ""
    status: str = "True"


class FailureRule(msgspec.Struct, frozen=True, rename="camel"):
    action: str = "Count"
    on_exit_codes: ExitCodes | None = None
    on_pod_conditions: tuple[PodCondition, ...] = ()


class FailurePolicy(msgspec.Struct, frozen=True, rename="camel"):
    rules: tuple[FailureRule, ...] = ()


class SuccessRule(msgspec.Struct, frozen=True, rename="camel"):
    succeeded_indexes: str | None = None
    succeeded_count: int | None = None


class SuccessPolicy(msgspec.Struct, frozen=True, rename="camel"):
    rules: tuple[SuccessRule, ...] = ()


class JobSpec(msgspec.Struct, frozen=True, rename="camel"):
    parallelism: int = 1
    completions: int | None = None
    completion_mode: str = "NonIndexed"
    backoff_limit: int = 6
    backoff_limit_per_index: int | None = None
    max_failed_indexes: int | None = None
    active_deadline_seconds: int | None = None
    ttl_seconds_after_finished: int | None = None
    suspend: bool = False
    pod_replacement_policy: str | None = None
    pod_failure_policy: FailurePolicy | None = None
    success_policy: SuccessPolicy | None = None
    managed_by: str | None = None
    selector: dict[str, Any] = {}
    template: msgspec.Raw = msgspec.Raw(b"{}")

    @property
    def indexed(self) -> bool:
        return self.completion_mode == "Indexed"

    @property
    def replaces_only_failed(self) -> bool:
        """A pod on its way out counts as running until it has ended."""
        return self.pod_replacement_policy == "Failed" or self.pod_failure_policy is not None


class JobCondition(Condition, frozen=True, rename="camel", omit_defaults=True):
    last_probe_time: str | None = None


class Uncounted(msgspec.Struct, frozen=True, rename="camel"):
    """Ended pods (uids) that are written down but not yet in the counters."""

    succeeded: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


class JobStatus(msgspec.Struct, frozen=True, rename="camel"):
    conditions: tuple[JobCondition, ...] = ()
    start_time: str | None = None
    completion_time: str | None = None
    active: int = 0
    ready: int | None = None
    terminating: int | None = None
    succeeded: int = 0
    failed: int = 0
    completed_indexes: str = ""
    failed_indexes: str | None = None
    uncounted_terminated_pods: Uncounted = Uncounted()


class Job(Object, frozen=True):
    spec: JobSpec = JobSpec()
    status: JobStatus = JobStatus()


JOB_SOURCE = Source(JOBS, Job, {"controller": by_controller})


def has_condition(job: Job, kind: str) -> bool:
    found = condition_of(job.status.conditions, kind)
    return found is not None and found.status == "True"


def finish_of(job: Job) -> Condition | None:
    """The condition by which the Job is over: Complete or Failed."""
    return next((c for c in job.status.conditions if c.type in ("Complete", "Failed") and c.status == "True"), None)
