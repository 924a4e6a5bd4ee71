"""Deployment: a number of like pods, and the way from one version of them to the next."""

from __future__ import annotations

import msgspec

from apimachinery.objects.field import FieldError, forbidden, invalid, not_supported, required
from engine.apiserver.registry import metadata, names
from engine.apiserver.registry.apps import workload
from engine.apiserver.registry.kind import Cell, Column, Context, Json, Kind
from engine.apiserver.registry.views import (
    AGE,
    NAME,
    Metadata,
    Selector,
    Template,
    container_images,
    container_names,
    selector_text,
)

_STRATEGIES = ("Recreate", "RollingUpdate")
_SHARE = "25%"
_HISTORY = 10
_DEADLINE = 600


class _Spec(msgspec.Struct, frozen=True):
    replicas: int = 0
    selector: Selector | None = None
    template: Template = Template()


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    ready_replicas: int = 0
    updated_replicas: int = 0
    available_replicas: int = 0


class DeploymentRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata
    spec: _Spec = _Spec()
    status: _Status = _Status()


def _ready(view: DeploymentRow) -> Cell:
    return f"{view.status.ready_replicas}/{view.spec.replicas}"


def _set_defaults(obj: Json) -> None:
    spec: Json = obj.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    strategy: Json = spec.setdefault("strategy", {})
    strategy["type"] = strategy.get("type") or "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        rolling: Json = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", _SHARE)
        rolling.setdefault("maxSurge", _SHARE)
    spec.setdefault("revisionHistoryLimit", _HISTORY)
    spec.setdefault("progressDeadlineSeconds", _DEADLINE)
    workload.set_template_defaults(spec)


def _validate(obj: Json) -> list[FieldError]:
    spec: Json = obj["spec"]
    errors: list[FieldError] = []
    workload.append_count_errors(errors, spec, "replicas", "minReadySeconds", "revisionHistoryLimit")
    workload.append_template_errors(errors, spec)
    _append_strategy_errors(errors, spec["strategy"])
    deadline, wait = spec["progressDeadlineSeconds"], spec.get("minReadySeconds", 0)
    if deadline < 0:
        errors.append(invalid("spec.progressDeadlineSeconds", deadline, workload.NOT_NEGATIVE))
    if deadline <= wait:
        errors.append(invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"))
    return errors


def _append_strategy_errors(errors: list[FieldError], strategy: Json) -> None:
    path = "spec.strategy.rollingUpdate"
    match strategy["type"]:
        case "Recreate":
            if "rollingUpdate" in strategy:
                detail = "may not be specified when strategy `type` is 'Recreate'"
                errors.append(forbidden(path, detail))
        case "RollingUpdate":
            rolling: Json = strategy.get("rollingUpdate", {})
            if not rolling:
                errors.append(required(path, "this should be defaulted and never be nil"))
                return
            unavailable, surge = rolling["maxUnavailable"], rolling["maxSurge"]
            workload.append_share_errors(errors, unavailable, f"{path}.maxUnavailable", up_to_all=True)
            workload.append_share_errors(errors, surge, f"{path}.maxSurge", up_to_all=False)
            if workload.share_is_zero(unavailable) and workload.share_is_zero(surge):
                errors.append(invalid(f"{path}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0"))
        case other:
            errors.append(not_supported("spec.strategy.type", other, _STRATEGIES))


def _prepare_create(obj: Json, _context: Context) -> None:
    obj["metadata"]["generation"] = 1
    obj["status"] = {}


def _prepare_update(new: Json, old: Json, _context: Context) -> None:
    metadata.put_back_part(new, old, "status")
    # Annotations count as well: the controller copies them to its ReplicaSets and must look again.
    annotated = new["metadata"].get("annotations") != old["metadata"].get("annotations")
    if annotated or new["spec"] != old["spec"]:
        new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1


DEPLOYMENT = Kind(
    group="apps",
    version="v1",
    kind="Deployment",
    plural="deployments",
    singular="deployment",
    namespaced=True,
    short_names=("deploy",),
    categories=("all",),
    subresources={"scale": workload.SCALE, "status": workload.STATUS},
    name_errors=names.dns_subdomain,
    set_defaults=_set_defaults,
    validate=_validate,
    validate_update=workload.selector_update_errors,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    table_view=DeploymentRow,
    columns=(
        NAME,
        Column(name="Ready", cell=_ready, description="Number of the pod with ready state"),
        Column(
            name="Up-to-date",
            type="integer",
            cell=lambda view: view.status.updated_replicas,
            description="Total number of non-terminated pods targeted by this deployment that have the desired"
            " template.",
        ),
        Column(
            name="Available",
            type="integer",
            cell=lambda view: view.status.available_replicas,
            description="Total number of available pods (ready for at least minReadySeconds) targeted by this"
            " deployment.",
        ),
        AGE,
        Column(
            name="Containers",
            priority=1,
            cell=lambda view: container_names(view.spec.template),
            description="Names of each container in the template.",
        ),
        Column(
            name="Images",
            priority=1,
            cell=lambda view: container_images(view.spec.template),
            description="Images referenced by each container in the template.",
        ),
        Column(
            name="Selector",
            priority=1,
            cell=lambda view: selector_text(view.spec.selector),
            description="Label selector for pods. Existing ReplicaSets whose pods are selected by this will be the ones"
            " affected by this deployment.",
        ),
    ),
)
