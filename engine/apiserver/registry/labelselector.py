"""Validation of label selectors (metav1.LabelSelector) and node selector terms."""

from __future__ import annotations

from apimachinery.objects.field import FieldError, forbidden, invalid, required
from engine.apiserver.registry import metadata, names
from engine.apiserver.registry.kind import Json


def errors_of(selector: Json | None, path: str) -> list[FieldError]:
    """What is wrong with a selector; none at all is fine."""
    errors: list[FieldError] = []
    append_selector_errors(errors, selector, path)
    return errors


def append_selector_errors(errors: list[FieldError], selector: Json | None, path: str) -> None:
    """Judge a selector; none at all is fine."""
    if not selector:
        return
    metadata.append_label_errors(errors, selector.get("matchLabels", {}), f"{path}.matchLabels")
    for index, requirement in enumerate(selector.get("matchExpressions", ())):
        append_requirement_errors(errors, requirement, f"{path}.matchExpressions[{index}]")


def append_requirement_errors(errors: list[FieldError], requirement: Json, path: str) -> None:
    """Judge one expression."""
    key, operator = requirement.get("key", ""), requirement.get("operator", "")
    values: list[str] = requirement.get("values", [])
    match operator:
        case "In" | "NotIn":
            if not values:
                errors.append(required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
        case "Exists" | "DoesNotExist":
            if values:
                detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                errors.append(forbidden(f"{path}.values", detail))
        case _:
            errors.append(invalid(f"{path}.operator", operator, "not a valid selector operator"))
    errors += (invalid(f"{path}.key", key, message) for message in names.qualified_name(key))
    for index, value in enumerate(values):
        errors += (invalid(f"{path}.values[{index}]", value, message) for message in names.label_value(value))


def append_node_term_errors(errors: list[FieldError], term: Json, path: str) -> None:
    """Judge a node selector term: expressions over labels and over metadata.name."""
    for index, requirement in enumerate(term.get("matchExpressions", ())):
        here = f"{path}.matchExpressions[{index}]"
        if requirement.get("operator") in {"Gt", "Lt"}:
            if len(requirement.get("values", ())) != 1:
                detail = "must be specified single value when `operator` is 'Lt' or 'Gt'"
                errors.append(required(f"{here}.values", detail))
            continue
        append_requirement_errors(errors, requirement, here)
    for index, requirement in enumerate(term.get("matchFields", ())):
        here = f"{path}.matchFields[{index}]"
        if requirement.get("operator") not in {"In", "NotIn"}:
            errors.append(invalid(f"{here}.operator", requirement.get("operator", ""), "not a valid selector operator"))
        if requirement.get("key") != "metadata.name":
            errors.append(invalid(f"{here}.key", requirement.get("key", ""), "not a valid field selector key"))


def matches(selector: Json | None, labels: dict[str, str]) -> bool:
    """Whether a valid selector selects an object with these labels; an empty one selects everything."""
    selector = selector or {}
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    return all(_holds(requirement, labels) for requirement in selector.get("matchExpressions", ()))


def _holds(requirement: Json, labels: dict[str, str]) -> bool:
    found = labels.get(requirement.get("key", ""))
    match requirement.get("operator"):
        case "In":
            return found in requirement.get("values", ())
        case "NotIn":
            return found not in requirement.get("values", ())
        case "Exists":
            return found is not None
        case _:
            return found is None
