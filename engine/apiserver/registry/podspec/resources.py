"""Validation of requests and limits, and the quality of service that follows from them."""

from __future__ import annotations

from apimachinery.objects import quantity
from apimachinery.objects.field import FieldError, forbidden, invalid
from engine.apiserver.registry import names
from engine.apiserver.registry.kind import Json

_STANDARD = {"cpu", "memory", "ephemeral-storage"}


def append_resource_errors(errors: list[FieldError], resources: Json, path: str) -> None:
    """Judge a container's resources."""
    limits: dict[str, str] = resources.get("limits", {})
    requests: dict[str, str] = resources.get("requests", {})
    for name, amount in limits.items():
        _append_amount_errors(errors, name, amount, f"{path}.limits[{name}]")
    for name, amount in requests.items():
        _append_amount_errors(errors, name, amount, f"{path}.requests[{name}]")
        limit = limits.get(name)
        if limit is not None:
            if not _may_overcommit(name) and quantity.parse(amount) != quantity.parse(limit):
                detail = f"must be equal to {name} limit of {limit}"
                errors.append(invalid(f"{path}.requests", amount, detail))
            elif amount != limit and quantity.parse(amount) > quantity.parse(limit):
                detail = f"must be less than or equal to {name} limit of {limit}"
                errors.append(invalid(f"{path}.requests", amount, detail))
        elif not _may_overcommit(name):
            errors.append(forbidden(f"{path}.limits", f"Limit must be set for non overcommitable resources: {name}"))


def _may_overcommit(name: str) -> bool:
    return ("/" not in name or "kubernetes.io/" in name) and not name.startswith("hugepages-")


def _append_amount_errors(errors: list[FieldError], name: str, amount: str, path: str) -> None:
    if name not in _STANDARD and not name.startswith("hugepages-"):
        errors += (invalid(path, name, message) for message in names.qualified_name(name))
        if "/" not in name:
            errors.append(invalid(path, name, "must be a standard resource type or fully qualified"))
            errors.append(invalid(path, name, "must be a standard resource for containers"))
    if amount.startswith("-"):
        errors.append(invalid(path, amount, "must be greater than or equal to 0"))
    elif name not in _STANDARD and "/" in name and quantity.milli(amount) % 1000:
        errors.append(invalid(path, amount, "must be an integer"))


def qos_class(spec: Json) -> str:
    """Guaranteed, Burstable or BestEffort. Source: pkg/apis/core/helper/qos/qos.go."""
    requests: dict[str, int] = {}
    limits: dict[str, int] = {}
    guaranteed = True
    for container in (*spec.get("containers", ()), *spec.get("initContainers", ())):
        resources = container.get("resources", {})
        for name, amount in resources.get("requests", {}).items():
            if name in {"cpu", "memory"} and quantity.milli(amount):
                requests[name] = requests.get(name, 0) + quantity.milli(amount)
        limited: set[str] = set()
        for name, amount in resources.get("limits", {}).items():
            if name in {"cpu", "memory"} and quantity.milli(amount):
                limited.add(name)
                limits[name] = limits.get(name, 0) + quantity.milli(amount)
        guaranteed = guaranteed and len(limited) == 2
    if not requests and not limits:
        return "BestEffort"
    return "Guaranteed" if guaranteed and requests == limits else "Burstable"
