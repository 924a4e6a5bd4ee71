"""Job: pods that run to an end."""

from __future__ import annotations

from datetime import datetime

import msgspec

from apimachinery.objects.field import FieldError, invalid, required
from engine.apiserver.registry import columns, names, status
from engine.apiserver.registry.batch import jobspec
from engine.apiserver.registry.kind import Cell, Context, Json, Kind
from engine.apiserver.registry.labelselector import append_selector_errors, matches
from engine.apiserver.registry.views import AGE, NAME, Metadata, Selector, Template, since

CONTROLLER_UID = "batch.kubernetes.io/controller-uid"
JOB_NAME = "batch.kubernetes.io/job-name"
_OLD_CONTROLLER_UID, _OLD_JOB_NAME = "controller-uid", "job-name"


class _Spec(msgspec.Struct, frozen=True):
    completions: int | None = None
    parallelism: int = 0
    selector: Selector | None = None
    template: Template = Template()


class _Condition(msgspec.Struct, frozen=True):
    type: str = ""
    status: str = ""


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    succeeded: int = 0
    conditions: list[_Condition] = []
    start_time: datetime | None = None
    completion_time: datetime | None = None


class JobRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata
    spec: _Spec = _Spec()
    status: _Status = _Status()


class _SucceededStatus(msgspec.Struct, frozen=True):
    succeeded: int = 0


class JobFields(msgspec.Struct, frozen=True):
    """What field selectors read."""

    status: _SucceededStatus = _SucceededStatus()


def _state(view: JobRow) -> Cell:
    holding = {condition.type for condition in view.status.conditions if condition.status == "True"}
    for condition in ("Complete", "Failed"):
        if condition in holding:
            return condition
    if view.metadata.deletion_timestamp is not None:
        return "Terminating"
    for condition in ("Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if condition in holding:
            return condition
    return "Running"


def _completions(view: JobRow) -> Cell:
    spec, done = view.spec, view.status.succeeded
    if spec.completions is not None:
        return f"{done}/{spec.completions}"
    return f"{done}/1 of {spec.parallelism}" if spec.parallelism > 1 else f"{done}/1"


def _duration(view: JobRow) -> Cell:
    start, end = view.status.start_time, view.status.completion_time
    if start is None:
        return ""
    if end is None:
        return since(start)
    # Printing belongs to the tables, which are above this package; it is only needed once a job is done.
    from engine.apiserver.tables import human_duration

    return human_duration((end - start).total_seconds())


def _set_defaults(obj: Json) -> None:
    spec: Json = obj.setdefault("spec", {})
    jobspec.set_job_defaults(spec)
    _label(obj)


def _label(obj: Json) -> None:
    labels: dict[str, str] = obj["spec"]["template"].get("metadata", {}).get("labels", {})
    if labels and not obj["metadata"].get("labels"):
        obj["metadata"]["labels"] = dict(labels)


def _validate(obj: Json) -> list[FieldError]:
    spec: Json = obj["spec"]
    errors: list[FieldError] = []
    _append_generated_selector_errors(errors, obj)
    jobspec.append_job_errors(errors, spec, "spec")
    selector: Json | None = spec.get("selector")
    if selector is None:
        errors.append(required("spec.selector"))
        return errors
    append_selector_errors(errors, selector, "spec.selector")
    labels: dict[str, str] = spec["template"].get("metadata", {}).get("labels", {})
    if not matches(selector, labels):
        detail = "`selector` does not match template `labels`"
        errors.append(invalid("spec.template.metadata.labels", labels, detail))
    return errors


def _append_generated_selector_errors(errors: list[FieldError], obj: Json) -> None:
    spec, uid = obj["spec"], obj["metadata"].get("uid", "")
    selector: Json | None = spec.get("selector")
    if spec.get("manualSelector") or selector is None:
        return
    generated = ({CONTROLLER_UID: uid}, {_OLD_CONTROLLER_UID: uid})
    if selector.get("matchExpressions") or selector.get("matchLabels") not in generated:
        errors.append(invalid("spec.selector", selector, "`selector` not auto-generated"))


def _prepare_create(obj: Json, _context: Context) -> None:
    meta, spec = obj["metadata"], obj["spec"]
    meta["generation"] = 1
    obj["status"] = {}
    if spec.get("manualSelector"):
        return
    labels: dict[str, str] = spec["template"].setdefault("metadata", {}).setdefault("labels", {})
    name, uid = meta.get("name", ""), meta["uid"]
    for label, value in (
        (_OLD_JOB_NAME, name),
        (JOB_NAME, name),
        (_OLD_CONTROLLER_UID, uid),
        (CONTROLLER_UID, uid),
    ):
        labels.setdefault(label, value)
    spec.setdefault("selector", {}).setdefault("matchLabels", {})[CONTROLLER_UID] = uid
    # Upstream defaults a stored Job again on each read, when its template has the generated labels.
    _label(obj)


JOB = Kind(
    group="batch",
    version="v1",
    kind="Job",
    plural="jobs",
    singular="job",
    namespaced=True,
    categories=("all",),
    default_propagation="Orphan",
    subresources={"status": status.STATUS},
    name_errors=names.dns_subdomain,
    set_defaults=_set_defaults,
    validate=_validate,
    validate_update=jobspec.changed_template_errors,
    prepare_create=_prepare_create,
    prepare_update=status.change_without,
    table_view=JobRow,
    columns=(
        NAME,
        columns.text("Status", _state, "Status of the job."),
        columns.text(
            "Completions",
            _completions,
            "Specifies the desired number of successfully finished pods the job should be run with.",
        ),
        columns.text("Duration", _duration, "Time required to complete the job."),
        AGE,
        columns.containers(),
        columns.images(),
        columns.selector("A label query over pods that should match the pod count."),
    ),
    field_view=JobFields,
    field_labels=lambda view: {"status.successful": str(view.status.succeeded)},
)
