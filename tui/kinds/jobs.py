"""Jobs and CronJobs: what ran, what will run, started or held back by hand."""

from typing import Any

from apimachinery.objects.resources import CRONJOBS, JOBS
from tui.changes import Change
from tui.document import Document
from tui.kinds.lens import ANY_OBJECT, JSON, Action, Facts, Lens
from tui.kinds.podspec import containers, volumes
from tui.kinds.sections import age, conditions, events, identity, latest_warning, meta_of
from tui.kinds.words import general_tone
from tui.kinds.workload import pods_by_selector
from tui.rows import Row
from tui.target import Target
from tui.tones import Tone

_OVERLAP = {
    "Forbid": "a run that is still going keeps the next from starting",
    "Replace": "the next run ends the one that is still going",
}
MANUAL = "cronjob.kubernetes.io/instantiate"


def describe_job(obj: JSON, facts: Facts) -> Document:
    doc = Document()
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    identity(doc, obj, facts)
    doc.heading("Run")
    latest_warning(doc, facts)
    doc.field("Suspended", "yes" if spec.get("suspend") else None, Tone.WARN)
    doc.field("Completions", f"{status.get('succeeded', 0)} of {spec.get('completions', 1)}")
    doc.field("Pods", f"{status.get('active', 0)} running, {status.get('failed', 0)} failed")
    doc.field("Parallelism", spec.get("parallelism"))
    doc.field("Tries", f"{spec.get('backoffLimit', 6)} failures are allowed")
    doc.field("Started", _ago(status.get("startTime"), facts))
    doc.field("Ended", _ago(status.get("completionTime"), facts))
    _template(doc, spec, facts)
    conditions(doc, status.get("conditions"), facts)
    events(doc, facts)
    return doc


def describe_cron_job(obj: JSON, facts: Facts) -> Document:
    doc = Document()
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    identity(doc, obj, facts)
    doc.heading("Schedule")
    latest_warning(doc, facts)
    doc.field("Schedule", spec.get("schedule"))
    doc.field("Time zone", spec.get("timeZone"))
    doc.field("Suspended", "yes: nothing starts by itself" if spec.get("suspend") else None, Tone.WARN)
    doc.field("Overlap", _OVERLAP.get(spec.get("concurrencyPolicy", "")))
    doc.field("Last start", _ago(status.get("lastScheduleTime"), facts))
    doc.field("Last success", _ago(status.get("lastSuccessfulTime"), facts))
    doc.field("Running", ", ".join(one.get("name", "") for one in status.get("active") or ()))
    _template(doc, (spec.get("jobTemplate") or {}).get("spec") or {}, facts)
    events(doc, facts)
    return doc


def _template(doc: Document, job: JSON, facts: Facts) -> None:
    template = (job.get("template") or {}).get("spec") or {}
    containers(doc, "Containers of the template", template.get("containers"), None, facts.now)
    volumes(doc, template.get("volumes"))


def _ago(stamp: str | None, facts: Facts) -> str:
    return f"{age(stamp, facts.now)} ago" if stamp else ""


def jobs_of(row: Row) -> Target:
    """A CronJob's jobs are named after it."""
    return Target(resource=JOBS, namespace=row.namespace or None, filter=f"name:^{row.name}-", title=row.name)


def suspend(obj: JSON, resource: Any) -> Change:
    """Turns `spec.suspend` round."""
    now = bool((obj.get("spec") or {}).get("suspend"))
    meta = meta_of(obj)
    return Change(
        title="Resume" if now else "Suspend",
        resource=resource,
        name=meta.get("name", ""),
        namespace=meta.get("namespace"),
        patch={"spec": {"suspend": not now}},
        consequence="It starts again by its schedule." if now else "Nothing new starts until it is resumed.",
    )


def run_now(cron_job: JSON, suffix: str) -> JSON:
    """The Job that `kubectl create job --from=cronjob/NAME` makes."""
    meta = meta_of(cron_job)
    template = (cron_job.get("spec") or {}).get("jobTemplate") or {}
    given = template.get("metadata") or {}
    owner = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "name": meta["name"],
        "uid": meta.get("uid", ""),
        "controller": True,
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": f"{meta['name'][:52]}-{suffix}",
            "namespace": meta.get("namespace"),
            "labels": dict(given.get("labels") or {}),
            "annotations": {**(given.get("annotations") or {}), MANUAL: "manual"},
            "ownerReferences": [owner],
        },
        "spec": template.get("spec") or {},
    }


JOB = Lens(
    resource=JOBS,
    tone=general_tone,
    describe=describe_job,
    actions=ANY_OBJECT | {Action.LOGS, Action.SUSPEND},
    drill_object=pods_by_selector,
    pod_selector=pods_by_selector,
    enter_word="pods",
)
CRON_JOB = Lens(
    resource=CRONJOBS,
    tone=general_tone,
    describe=describe_cron_job,
    actions=ANY_OBJECT | {Action.SUSPEND, Action.TRIGGER},
    drill=jobs_of,
    enter_word="jobs",
)
