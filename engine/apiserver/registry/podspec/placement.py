"""Validation of where a pod may go: node selector, affinity, tolerations, topology spread."""

from __future__ import annotations

from apimachinery.objects.field import FieldError, duplicate, invalid, not_supported, required
from engine.apiserver.registry import metadata, names
from engine.apiserver.registry.kind import Json
from engine.apiserver.registry.labelselector import append_node_term_errors, append_selector_errors

_EFFECTS = ("NoExecute", "NoSchedule", "PreferNoSchedule")
_OPERATORS = ("Equal", "Exists")
_UNSATISFIABLE = ("DoNotSchedule", "ScheduleAnyway")
_REQUIRED_TERMS = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED_TERMS = "preferredDuringSchedulingIgnoredDuringExecution"


def append_placement_errors(errors: list[FieldError], spec: Json, path: str) -> None:
    """Judge all that says on which machines a pod may run."""
    if "nodeSelector" in spec:
        metadata.append_label_errors(errors, spec["nodeSelector"], f"{path}.nodeSelector")
    node_name = spec.get("nodeName", "")
    if node_name:
        errors += (invalid(f"{path}.nodeName", node_name, message) for message in names.dns_subdomain(node_name))
    if "tolerations" in spec:
        append_toleration_errors(errors, spec["tolerations"], f"{path}.tolerations")
    if "affinity" in spec:
        _append_affinity_errors(errors, spec["affinity"], f"{path}.affinity")
    if "topologySpreadConstraints" in spec:
        _append_spread_errors(errors, spec["topologySpreadConstraints"], f"{path}.topologySpreadConstraints")


def append_toleration_errors(errors: list[FieldError], tolerations: list[Json], path: str) -> None:
    """Judge tolerations."""
    for index, toleration in enumerate(tolerations):
        here = f"{path}[{index}]"
        key, operator = toleration.get("key", ""), toleration.get("operator", "")
        value, effect = toleration.get("value", ""), toleration.get("effect", "")
        if key:
            errors += (invalid(f"{here}.key", key, message) for message in names.qualified_name(key))
        elif operator != "Exists":
            detail = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            errors.append(invalid(f"{here}.operator", operator, detail))
        if "tolerationSeconds" in toleration and effect != "NoExecute":
            detail = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            errors.append(invalid(f"{here}.effect", effect, detail))
        if operator in {"Equal", ""}:
            errors += (invalid(f"{here}.operator", value, message) for message in names.label_value(value))
        elif operator == "Exists":
            if value:
                detail = "value must be empty when `operator` is 'Exists'"
                errors.append(invalid(f"{here}.operator", toleration, detail))
        else:
            errors.append(not_supported(f"{here}.operator", operator, _OPERATORS))
        if effect and effect not in _EFFECTS:
            errors.append(not_supported(f"{here}.effect", effect, _EFFECTS))


def _append_affinity_errors(errors: list[FieldError], affinity: Json, path: str) -> None:
    node = affinity.get("nodeAffinity")
    if node is not None:
        _append_node_affinity_errors(errors, node, f"{path}.nodeAffinity")
    for name in ("podAffinity", "podAntiAffinity"):
        pod: Json = affinity.get(name, {})
        for index, term in enumerate(pod.get(_REQUIRED_TERMS, ())):
            _append_pod_term_errors(errors, term, f"{path}.{name}.{_REQUIRED_TERMS}[{index}]")
        for index, weighted in enumerate(pod.get(_PREFERRED_TERMS, ())):
            here = f"{path}.{name}.{_PREFERRED_TERMS}[{index}]"
            _append_weight_errors(errors, weighted, here)
            _append_pod_term_errors(errors, weighted.get("podAffinityTerm", {}), f"{here}.podAffinityTerm")


def _append_node_affinity_errors(errors: list[FieldError], affinity: Json, path: str) -> None:
    if _REQUIRED_TERMS in affinity:
        here = f"{path}.{_REQUIRED_TERMS}"
        terms: list[Json] = affinity[_REQUIRED_TERMS].get("nodeSelectorTerms", [])
        if not terms:
            errors.append(required(f"{here}.nodeSelectorTerms", "must have at least one node selector term"))
        for index, term in enumerate(terms):
            append_node_term_errors(errors, term, f"{here}.nodeSelectorTerms[{index}]")
    for index, weighted in enumerate(affinity.get(_PREFERRED_TERMS, ())):
        here = f"{path}.{_PREFERRED_TERMS}[{index}]"
        _append_weight_errors(errors, weighted, here)
        append_node_term_errors(errors, weighted.get("preference", {}), f"{here}.preference")


def _append_weight_errors(errors: list[FieldError], weighted: Json, path: str) -> None:
    weight = weighted.get("weight", 0)
    if not 1 <= weight <= 100:
        errors.append(invalid(f"{path}.weight", weight, "must be in the range 1-100"))


def _append_pod_term_errors(errors: list[FieldError], term: Json, path: str) -> None:
    append_selector_errors(errors, term.get("labelSelector"), f"{path}.labelSelector")
    append_selector_errors(errors, term.get("namespaceSelector"), f"{path}.namespaceSelector")
    for namespace in term.get("namespaces", ()):
        errors += (invalid(f"{path}.namespace", namespace, message) for message in names.dns_label(namespace))
    if not term.get("topologyKey"):
        errors.append(required(f"{path}.topologyKey", "can not be empty"))
    else:
        key = term["topologyKey"]
        errors += (invalid(f"{path}.topologyKey", key, message) for message in names.qualified_name(key))


def _append_spread_errors(errors: list[FieldError], constraints: list[Json], path: str) -> None:
    seen: set[tuple[str, str]] = set()
    for index, constraint in enumerate(constraints):
        here = f"{path}[{index}]"
        skew, key = constraint.get("maxSkew", 0), constraint.get("topologyKey", "")
        when = constraint.get("whenUnsatisfiable", "")
        if skew <= 0:
            errors.append(invalid(f"{here}.maxSkew", skew, "must be greater than zero"))
        if not key:
            errors.append(required(f"{here}.topologyKey", "can not be empty"))
        else:
            errors += (invalid(f"{here}.topologyKey", key, message) for message in names.qualified_name(key))
        if when not in _UNSATISFIABLE:
            errors.append(not_supported(f"{here}.whenUnsatisfiable", when, _UNSATISFIABLE))
        if (key, when) in seen:
            errors.append(duplicate(f"{here}.{{topologyKey, whenUnsatisfiable}}", f"{{{key}, {when}}}"))
        seen.add((key, when))
        minimum = constraint.get("minDomains")
        if minimum is not None and minimum <= 0:
            errors.append(invalid(f"{here}.minDomains", minimum, "must be greater than zero"))
        append_selector_errors(errors, constraint.get("labelSelector"), f"{here}.labelSelector")
