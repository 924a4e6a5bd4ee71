"""CronJob: Jobs at given times."""

from __future__ import annotations

from datetime import datetime

import msgspec

from apimachinery.objects import cron
from apimachinery.objects.field import FieldError, invalid, not_supported, required
from engine.apiserver.registry import columns, names, status
from engine.apiserver.registry.apps import workload
from engine.apiserver.registry.batch import jobspec
from engine.apiserver.registry.kind import Cell, Context, Json, Kind
from engine.apiserver.registry.views import (
    AGE,
    NAME,
    NONE,
    UNSET,
    Metadata,
    Selector,
    Template,
    container_images,
    container_names,
    selector_text,
    since,
)

_POLICIES = ("Allow", "Forbid", "Replace")
# Room for the dash and ten digits that name each Job.
_LONGEST_NAME = 52


class _JobSpec(msgspec.Struct, frozen=True):
    selector: Selector | None = None
    template: Template = Template()


class _JobTemplate(msgspec.Struct, frozen=True):
    spec: _JobSpec = _JobSpec()


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    schedule: str = ""
    time_zone: str | None = None
    suspend: bool | None = None
    job_template: _JobTemplate = _JobTemplate()


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    active: list[msgspec.Raw] = []
    last_schedule_time: datetime | None = None


class CronJobRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata
    spec: _Spec = _Spec()
    status: _Status = _Status()


def _suspended(view: CronJobRow) -> Cell:
    return UNSET if view.spec.suspend is None else str(view.spec.suspend)


def _last(view: CronJobRow) -> Cell:
    when = view.status.last_schedule_time
    return NONE if when is None else since(when)


def _set_defaults(obj: Json) -> None:
    spec: Json = obj.setdefault("spec", {})
    spec["concurrencyPolicy"] = spec.get("concurrencyPolicy") or "Allow"
    spec.setdefault("suspend", False)
    spec.setdefault("successfulJobsHistoryLimit", 3)
    spec.setdefault("failedJobsHistoryLimit", 1)
    jobspec.set_template_defaults(spec.setdefault("jobTemplate", {}).setdefault("spec", {}))


def _validate(obj: Json) -> list[FieldError]:
    spec: Json = obj["spec"]
    errors: list[FieldError] = []
    name: str = obj["metadata"].get("name", "")
    if len(name) > _LONGEST_NAME:
        errors.append(invalid("metadata.name", name, f"must be no more than {_LONGEST_NAME} characters"))
    _append_schedule_errors(errors, spec)
    workload.append_count_errors(
        errors, spec, "startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"
    )
    if spec["concurrencyPolicy"] not in _POLICIES:
        errors.append(not_supported("spec.concurrencyPolicy", spec["concurrencyPolicy"], _POLICIES))
    job: Json = spec["jobTemplate"]["spec"]
    jobspec.append_job_errors(errors, job, "spec.jobTemplate.spec")
    if job.get("manualSelector"):
        errors.append(not_supported("spec.jobTemplate.spec.manualSelector", True, ["nil", "false"]))
    return errors


def _append_schedule_errors(errors: list[FieldError], spec: Json) -> None:
    schedule: str = spec.get("schedule", "")
    zone: str | None = spec.get("timeZone")
    if not schedule:
        errors.append(required("spec.schedule"))
    else:
        if "TZ" in schedule:
            detail = (
                "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
                if zone is None
                else "cannot use both timeZone field and TZ or CRON_TZ in schedule"
            )
            errors.append(invalid("spec.schedule", schedule, detail))
            schedule = schedule.partition(" ")[2]
        try:
            cron.parse(schedule)
        except ValueError as error:
            errors.append(invalid("spec.schedule", schedule, str(error)))
    if zone is not None:
        _append_zone_errors(errors, zone)


def _append_zone_errors(errors: list[FieldError], zone: str) -> None:
    if not zone:
        errors.append(invalid("spec.timeZone", zone, "timeZone must be nil or non-empty string"))
    elif zone.lower() == "local":
        detail = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        errors.append(invalid("spec.timeZone", zone, detail))
    else:
        # Few CronJobs name a zone; the engine starts faster without this.
        import zoneinfo

        try:
            zoneinfo.ZoneInfo(zone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            errors.append(invalid("spec.timeZone", zone, f"unknown time zone {zone}"))


def _prepare_create(obj: Json, _context: Context) -> None:
    obj["metadata"]["generation"] = 1
    obj["status"] = {}


CRON_JOB = Kind(
    group="batch",
    version="v1",
    kind="CronJob",
    plural="cronjobs",
    singular="cronjob",
    namespaced=True,
    short_names=("cj",),
    categories=("all",),
    subresources={"status": status.STATUS},
    name_errors=names.dns_subdomain,
    set_defaults=_set_defaults,
    validate=_validate,
    prepare_create=_prepare_create,
    prepare_update=status.change_without,
    table_view=CronJobRow,
    columns=(
        NAME,
        columns.text("Schedule", lambda view: view.spec.schedule, "The schedule in Cron format."),
        columns.text(
            "Timezone",
            lambda view: NONE if view.spec.time_zone is None else view.spec.time_zone,
            "The time zone name for the given schedule.",
        ),
        columns.boolean("Suspend", _suspended, "This flag tells the controller to suspend subsequent executions."),
        columns.number("Active", lambda view: len(view.status.active), "A list of pointers to currently running jobs."),
        columns.text("Last Schedule", _last, "Information when was the last time the job was successfully scheduled."),
        AGE,
        columns.text(
            "Containers",
            lambda view: container_names(view.spec.job_template.spec.template),
            "Names of each container in the template.",
            wide=True,
        ),
        columns.text(
            "Images",
            lambda view: container_images(view.spec.job_template.spec.template),
            "Images referenced by each container in the template.",
            wide=True,
        ),
        columns.text(
            "Selector",
            lambda view: selector_text(view.spec.job_template.spec.selector),
            "A label query over pods that should match the pod count.",
            wide=True,
        ),
    ),
)
