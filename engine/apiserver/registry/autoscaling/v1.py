"""HorizontalPodAutoscaler of autoscaling/v1: v2's autoscaler seen through its cpu target.

What v1 has no field for it keeps in annotations, as upstream does (pkg/apis/autoscaling/v1/conversion.go).
"""

from __future__ import annotations

from typing import Any

import msgspec

from apimachinery.objects.field import FieldError, invalid
from engine.apiserver.registry import metadata, names
from engine.apiserver.registry.autoscaling.horizontalpodautoscaler import (
    AUTOSCALER_COLUMNS,
    append_bound_errors,
    cpu_metric,
    prepare_create,
)
from engine.apiserver.registry.kind import Json, Kind
from engine.apiserver.registry.status import STATUS
from engine.apiserver.registry.views import Metadata

_CPU_TARGET = 80
_PREFIX = "autoscaling.alpha.kubernetes.io/"
# (part of the object, its field in v2, the annotation that keeps it in v1)
_KEPT = (
    ("spec", "metrics", f"{_PREFIX}metrics"),
    ("spec", "behavior", f"{_PREFIX}behavior"),
    ("status", "currentMetrics", f"{_PREFIX}current-metrics"),
    ("status", "conditions", f"{_PREFIX}conditions"),
)


class _Target(msgspec.Struct, frozen=True):
    kind: str = ""
    name: str = ""


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    scale_target_ref: _Target = _Target()
    min_replicas: int | None = None
    max_replicas: int = 0
    target_cpu: int | None = msgspec.field(default=None, name="targetCPUUtilizationPercentage")

    @property
    def metrics(self) -> list[dict[str, Any]]:
        return [] if self.target_cpu is None else [cpu_metric(self.target_cpu)]


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    current_replicas: int = 0
    current_cpu: int | None = msgspec.field(default=None, name="currentCPUUtilizationPercentage")

    @property
    def current_metrics(self) -> list[dict[str, Any]]:
        if self.current_cpu is None:
            return []
        current = {"averageUtilization": self.current_cpu}
        return [{"type": "Resource", "resource": {"name": "cpu", "current": current}}]


class HorizontalPodAutoscalerV1Row(msgspec.Struct, frozen=True):
    """What the table cells of v2 read, found in the fields of v1."""

    metadata: Metadata
    spec: _Spec = _Spec()
    status: _Status = _Status()


def _is_cpu(metric: Json) -> bool:
    resource: Json = metric.get("resource") or {}
    share = {**(resource.get("target") or {}), **(resource.get("current") or {})}
    return metric.get("type") == "Resource" and resource.get("name") == "cpu" and "averageUtilization" in share


def _to_storage(obj: Json) -> None:
    spec, status = obj.setdefault("spec", {}), obj.get("status", {})
    annotations: dict[str, str] = obj["metadata"].get("annotations", {})
    for part, field, annotation in _KEPT:
        text = annotations.pop(annotation, None)
        if text is not None and part in obj:
            obj[part][field] = _decoded(text)
    if not annotations:
        obj["metadata"].pop("annotations", None)
    target, current = (
        spec.pop("targetCPUUtilizationPercentage", None),
        status.pop("currentCPUUtilizationPercentage", None),
    )
    if target is not None:
        spec["metrics"] = [cpu_metric(target), *(spec.get("metrics") or ())]
    elif not spec.get("metrics"):
        spec["metrics"] = [cpu_metric(_CPU_TARGET)]
    if current is not None:
        measured = {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": current}}}
        status["currentMetrics"] = [measured, *(status.get("currentMetrics") or ())]


def _from_storage(obj: Json) -> None:
    spec, status = obj.get("spec", {}), obj.get("status", {})
    cpu = _taken(spec, "metrics")
    if cpu is not None:
        spec["targetCPUUtilizationPercentage"] = cpu["resource"]["target"]["averageUtilization"]
    measured = _taken(status, "currentMetrics")
    if measured is not None:
        status["currentCPUUtilizationPercentage"] = measured["resource"]["current"]["averageUtilization"]
    for part, field, annotation in _KEPT:
        value: Any = obj.get(part, {}).pop(field, None)
        if value:
            annotations: Json = obj["metadata"].setdefault("annotations", {})
            annotations[annotation] = msgspec.json.encode(value).decode()


def _taken(part: Json, field: str) -> Json | None:
    metrics: list[Json] = part.get(field) or []
    found = next((metric for metric in metrics if _is_cpu(metric)), None)
    if found is not None:
        part[field] = [metric for metric in metrics if metric is not found]
    return found


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        # Upstream leaves such an annotation aside too.
        return []


def _set_defaults(obj: Json) -> None:
    obj.setdefault("spec", {}).setdefault("minReplicas", 1)


def _validate(obj: Json) -> list[FieldError]:
    spec: Json = obj["spec"]
    errors: list[FieldError] = []
    append_bound_errors(errors, spec)
    target = spec.get("targetCPUUtilizationPercentage")
    if target is not None and target < 1:
        errors.append(invalid("spec.targetCPUUtilizationPercentage", target, "must be greater than 0"))
    return errors


HORIZONTAL_POD_AUTOSCALER_V1 = Kind(
    group="autoscaling",
    version="v1",
    kind="HorizontalPodAutoscaler",
    plural="horizontalpodautoscalers",
    singular="horizontalpodautoscaler",
    namespaced=True,
    short_names=("hpa",),
    categories=("all",),
    stored_as=("autoscaling", "v2", "horizontalpodautoscalers"),
    to_storage=_to_storage,
    from_storage=_from_storage,
    subresources={"status": STATUS},
    name_errors=names.dns_subdomain,
    set_defaults=_set_defaults,
    validate=_validate,
    prepare_create=prepare_create,
    prepare_update=metadata.keep("status"),
    table_view=HorizontalPodAutoscalerV1Row,
    columns=AUTOSCALER_COLUMNS,
)
