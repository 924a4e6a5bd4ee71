"""The metrics that a HorizontalPodAutoscaler follows: how they are printed, and what is wrong with them."""

from __future__ import annotations

from typing import Any

from apimachinery.objects.field import FieldError, forbidden, invalid, not_supported, required
from engine.apiserver.registry.kind import Json
from engine.apiserver.registry.views import NONE

SOURCES = {
    "ContainerResource": "containerResource",
    "External": "external",
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
}
"""Type of a metric, and the field that describes it."""
_SHOWN = 2
_UNKNOWN = "<unknown>"


def targets_text(specs: list[Json], statuses: list[Json]) -> str:
    """`cpu: 12%/80%`: what is measured over what is wanted, as kubectl's Targets column shows it."""
    if not specs:
        return NONE
    shown = [_target_text(spec, statuses[index] if index < len(statuses) else {}) for index, spec in enumerate(specs)]
    text = ", ".join(shown[:_SHOWN])
    return f"{text} + {len(shown) - _SHOWN} more..." if len(shown) > _SHOWN else text


def _target_text(spec: Json, status: Json) -> str:
    kind = spec.get("type", "")
    field = SOURCES.get(kind)
    if field is None:
        return "<unknown type>"
    source, target = spec.get(field) or {}, (spec.get(field) or {}).get("target") or {}
    current: Json = (status.get(field) or {}).get("current") or {}
    average = target.get("averageValue")
    if field in {"resource", "containerResource"}:
        if average is not None:
            return f"{source.get('name', '')}: {current.get('averageValue', _UNKNOWN)}/{average}"
        wanted, found = target.get("averageUtilization"), current.get("averageUtilization")
        left = _UNKNOWN if found is None else f"{found}%"
        right = "<auto>" if wanted is None else f"{wanted}%"
        return f"{source.get('name', '')}: {left}/{right}"
    if field == "pods":
        return f"{current.get('averageValue', _UNKNOWN)}/{average or '0'}"
    if average is not None:
        return f"{current.get('averageValue', _UNKNOWN)}/{average} (avg)"
    return f"{current.get('value', _UNKNOWN)}/{target.get('value', '0')}"


def append_metric_errors(errors: list[FieldError], metrics: list[Json]) -> None:
    """Judge spec.metrics."""
    for index, metric in enumerate(metrics):
        path = f"spec.metrics[{index}]"
        kind = metric.get("type", "")
        if not kind:
            errors.append(required(f"{path}.type", "must specify a metric source type"))
            continue
        if kind not in SOURCES:
            errors.append(not_supported(f"{path}.type", kind, SOURCES))
            continue
        field = SOURCES[kind]
        if field not in metric:
            words = field if field != "containerResource" else "container resource"
            errors.append(
                required(f"{path}.{field}", f"must populate information for the given metric source ({words})")
            )
            continue
        errors += (
            forbidden(f"{path}.{other}", "must populate the given metric source only")
            for other in SOURCES.values()
            if other != field and other in metric
        )
        _append_source_errors(errors, metric[field], field, f"{path}.{field}")


def _append_source_errors(errors: list[FieldError], source: Json, field: str, path: str) -> None:
    target: Json = source.get("target", {})
    if field in {"resource", "containerResource"}:
        if not source.get("name"):
            errors.append(required(f"{path}.name", "must specify a resource name"))
        if field == "containerResource" and not source.get("container"):
            errors.append(required(f"{path}.container", "must specify a container"))
    elif not source.get("metric", {}).get("name"):
        errors.append(required(f"{path}.metric.name", "must specify a metric name"))
    if field == "object":
        errors += (
            required(f"{path}.describedObject.{part}")
            for part in ("kind", "name")
            if not source.get("describedObject", {}).get(part)
        )
    _append_target_errors(errors, target, field, f"{path}.target")


def _append_target_errors(errors: list[FieldError], target: Json, field: str, path: str) -> None:
    kind = target.get("type", "")
    if not kind:
        errors.append(required(f"{path}.type", "must specify a metric target type"))
    elif kind not in {"Utilization", "Value", "AverageValue"}:
        errors.append(invalid(f"{path}.type", kind, "must be either Utilization, Value, or AverageValue"))
    utilization: Any = target.get("averageUtilization")
    if utilization is not None and utilization < 1:
        errors.append(invalid(f"{path}.averageUtilization", utilization, "must be greater than 0"))
    for name in ("value", "averageValue"):
        amount: str | None = target.get(name)
        if amount is not None and (amount.startswith("-") or amount == "0"):
            errors.append(invalid(f"{path}.{name}", amount, "must be positive"))
    fields, detail = _WANTED[field]
    if not any(name in target for name in fields):
        errors.append(required(f"{path}.{fields[0]}", detail))


_RESOURCE = (("averageUtilization", "averageValue"), "must set either a target raw value or a target utilization")
_EITHER = (("averageValue", "value"), "must set either a target value for metric or a per-pod target")
_WANTED = {
    "resource": _RESOURCE,
    "containerResource": _RESOURCE,
    "pods": (("averageValue",), "must specify a positive target averageValue"),
    "object": (("value", "averageValue"), "must set either a target value or averageValue"),
    "external": _EITHER,
}
