"""What the cron job controller reads of a CronJob."""

from typing import Any

import msgspec

from apimachinery.objects.meta import Object
from apimachinery.objects.resources import CRONJOBS
from engine.controllers.controller import Source

SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp"


class JobReference(msgspec.Struct, frozen=True, rename="camel"):
    api_version: str = "batch/v1"
    kind: str = "Job"
    namespace: str = ""
    name: str = ""
    uid: str = ""
    resource_version: str = ""


class CronJobSpec(msgspec.Struct, frozen=True, rename="camel"):
    schedule: str = ""
    time_zone: str | None = None
    concurrency_policy: str = "Allow"
    starting_deadline_seconds: int | None = None
    suspend: bool = False
    successful_jobs_history_limit: int | None = 3
    failed_jobs_history_limit: int | None = 1
    job_template: dict[str, Any] = {}


class CronJobStatus(msgspec.Struct, frozen=True, rename="camel"):
    active: tuple[JobReference, ...] = ()
    last_schedule_time: str | None = None
    last_successful_time: str | None = None


class CronJob(Object, frozen=True):
    spec: CronJobSpec = CronJobSpec()
    status: CronJobStatus = CronJobStatus()


CRONJOB_SOURCE = Source(CRONJOBS, CronJob)
