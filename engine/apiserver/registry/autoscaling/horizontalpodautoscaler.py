"""HorizontalPodAutoscaler of autoscaling/v2: a workload's number of pods, led by what is measured."""

from __future__ import annotations

from typing import Any

import msgspec

from apimachinery.objects.field import FieldError, invalid, not_supported, required
from engine.apiserver.registry import columns, metadata, names
from engine.apiserver.registry.autoscaling.metrics import append_metric_errors, targets_text
from engine.apiserver.registry.kind import Cell, Column, Context, Json, Kind
from engine.apiserver.registry.status import STATUS
from engine.apiserver.registry.views import AGE, NAME, UNSET, Metadata

_SELECT_POLICIES = ("Disabled", "Max", "Min")
_POLICY_TYPES = ("Percent", "Pods")
_LONGEST_WINDOW = 3600
_LONGEST_PERIOD = 1800
_CPU_TARGET = 80


class _Target(msgspec.Struct, frozen=True):
    kind: str = ""
    name: str = ""


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    scale_target_ref: _Target = _Target()
    min_replicas: int | None = None
    max_replicas: int = 0
    metrics: list[dict[str, Any]] = []


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    current_replicas: int = 0
    current_metrics: list[dict[str, Any]] | None = None


class HorizontalPodAutoscalerRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata
    spec: _Spec = _Spec()
    status: _Status = _Status()


def _minimum(view: HorizontalPodAutoscalerRow) -> Cell:
    least = view.spec.min_replicas
    return UNSET if least is None else str(least)


def cpu_metric(utilization: int) -> Json:
    """The metric that v1 knows: the cpu of the pods, in percent of what they request."""
    target = {"type": "Utilization", "averageUtilization": utilization}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def _set_defaults(obj: Json) -> None:
    spec: Json = obj.setdefault("spec", {})
    spec.setdefault("minReplicas", 1)
    if not spec.get("metrics"):
        spec["metrics"] = [cpu_metric(_CPU_TARGET)]
    behavior: Json | None = spec.get("behavior")
    if behavior is not None:
        percent = {"type": "Percent", "value": 100, "periodSeconds": 15}
        _set_rules(
            behavior, "scaleUp", {"stabilizationWindowSeconds": 0}, [{**percent, "type": "Pods", "value": 4}, percent]
        )
        _set_rules(behavior, "scaleDown", {}, [percent])


def _set_rules(behavior: Json, direction: str, fixed: Json, policies: list[Json]) -> None:
    rules: Json = behavior.setdefault(direction, {})
    for name, value in {**fixed, "selectPolicy": "Max", "policies": policies}.items():
        rules.setdefault(name, value)


def append_bound_errors(errors: list[FieldError], spec: Json) -> None:
    """Judge the limits and the target: what both versions have."""
    least, most = spec.get("minReplicas"), spec.get("maxReplicas", 0)
    if least is not None and least < 1:
        errors.append(invalid("spec.minReplicas", least, "must be greater than or equal to 1"))
    if most < 1:
        errors.append(invalid("spec.maxReplicas", most, "must be greater than 0"))
    if least is not None and most < least:
        errors.append(invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`"))
    target: Json = spec.get("scaleTargetRef", {})
    for field in ("kind", "name"):
        value = target.get(field, "")
        if not value:
            errors.append(required(f"spec.scaleTargetRef.{field}"))
        else:
            errors += (invalid(f"spec.scaleTargetRef.{field}", value, text) for text in names.path_segment(value))


def _validate(obj: Json) -> list[FieldError]:
    spec: Json = obj["spec"]
    errors: list[FieldError] = []
    append_bound_errors(errors, spec)
    append_metric_errors(errors, spec["metrics"])
    behavior: Json = spec.get("behavior", {})
    for direction in ("scaleUp", "scaleDown"):
        if direction in behavior:
            _append_rule_errors(errors, behavior[direction], f"spec.behavior.{direction}")
    return errors


def _append_rule_errors(errors: list[FieldError], rules: Json, path: str) -> None:
    window = rules.get("stabilizationWindowSeconds")
    if window is not None and window < 0:
        errors.append(invalid(f"{path}.stabilizationWindowSeconds", window, "must be greater than or equal to zero"))
    elif window is not None and window > _LONGEST_WINDOW:
        detail = f"must be less than or equal to {_LONGEST_WINDOW}"
        errors.append(invalid(f"{path}.stabilizationWindowSeconds", window, detail))
    choice = rules.get("selectPolicy")
    if choice is not None and choice not in _SELECT_POLICIES:
        errors.append(not_supported(f"{path}.selectPolicy", choice, _SELECT_POLICIES))
    policies: list[Json] = rules.get("policies", [])
    if not policies:
        errors.append(required(f"{path}.policies", "must specify at least one Policy"))
    for index, policy in enumerate(policies):
        here = f"{path}.policies[{index}]"
        if policy.get("type") not in _POLICY_TYPES:
            errors.append(not_supported(f"{here}.type", policy.get("type", ""), _POLICY_TYPES))
        value, period = policy.get("value", 0), policy.get("periodSeconds", 0)
        if value <= 0:
            errors.append(invalid(f"{here}.value", value, "must be greater than zero"))
        if period <= 0:
            errors.append(invalid(f"{here}.periodSeconds", period, "must be greater than zero"))
        elif period > _LONGEST_PERIOD:
            detail = f"must be less than or equal to {_LONGEST_PERIOD}"
            errors.append(invalid(f"{here}.periodSeconds", period, detail))


def prepare_create(obj: Json, _context: Context) -> None:
    """Start with no status."""
    obj["status"] = {"desiredReplicas": 0}


AUTOSCALER_COLUMNS: tuple[Column, ...] = (
    NAME,
    columns.text(
        "Reference",
        lambda view: f"{view.spec.scale_target_ref.kind}/{view.spec.scale_target_ref.name}",
        "scaleTargetRef points to the target resource to scale.",
    ),
    columns.text(
        "Targets",
        lambda view: targets_text(view.spec.metrics, view.status.current_metrics or []),
        "metrics contains the specifications for which to use to calculate the desired replica count.",
    ),
    columns.text("MinPods", _minimum, "minReplicas is the lower limit for the number of replicas."),
    columns.text(
        "MaxPods",
        lambda view: view.spec.max_replicas,
        "maxReplicas is the upper limit for the number of replicas to which the autoscaler can scale up.",
    ),
    columns.text(
        "Replicas",
        lambda view: view.status.current_replicas,
        "currentReplicas is current number of replicas of pods managed by this autoscaler.",
    ),
    AGE,
)

HORIZONTAL_POD_AUTOSCALER = Kind(
    group="autoscaling",
    version="v2",
    kind="HorizontalPodAutoscaler",
    plural="horizontalpodautoscalers",
    singular="horizontalpodautoscaler",
    namespaced=True,
    short_names=("hpa",),
    categories=("all",),
    subresources={"status": STATUS},
    name_errors=names.dns_subdomain,
    set_defaults=_set_defaults,
    validate=_validate,
    prepare_create=prepare_create,
    prepare_update=metadata.keep("status"),
    table_view=HorizontalPodAutoscalerRow,
    columns=AUTOSCALER_COLUMNS,
)
