"""Defaults and rules of a Job's spec, which CronJobs hold as a template.

Source: pkg/apis/batch/v1/defaults.go, pkg/apis/batch/validation/validation.go.
"""

from __future__ import annotations

from apimachinery.objects.field import FieldError, invalid, not_supported, required
from engine.apiserver.registry import metadata, names
from engine.apiserver.registry.apps import workload
from engine.apiserver.registry.kind import Json
from engine.apiserver.registry.podspec.validation import append_spec_errors

_MODES = ("Indexed", "NonIndexed")
_REPLACEMENTS = ("Failed", "TerminatingOrFailed")
_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_COUNTS = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
)
_BACKOFF = 6
_NO_LIMIT = 2**31 - 1
_MOST_INDEXED = 100_000
_MOST_RULES = 20


def set_template_defaults(spec: Json) -> None:
    """Fill in what a job in a CronJob gets too: the pods, and the conditions of the failure policy."""
    workload.set_template_defaults(spec)
    for rule in spec.get("podFailurePolicy", {}).get("rules", ()):
        for condition in rule.get("onPodConditions") or ():
            condition["status"] = condition.get("status") or "True"


def set_job_defaults(spec: Json) -> None:
    """Fill in the spec of a Job."""
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", _NO_LIMIT if "backoffLimitPerIndex" in spec else _BACKOFF)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault("podReplacementPolicy", "Failed" if "podFailurePolicy" in spec else "TerminatingOrFailed")
    set_template_defaults(spec)


def append_job_errors(errors: list[FieldError], spec: Json, path: str) -> None:
    """Judge the spec of a job, its selector left aside."""
    errors += (
        invalid(f"{path}.{field}", spec[field], workload.NOT_NEGATIVE) for field in _COUNTS if spec.get(field, 0) < 0
    )
    _append_completion_errors(errors, spec, path)
    if "podFailurePolicy" in spec:
        _append_failure_policy_errors(errors, spec, path)
    if "successPolicy" in spec:
        _append_success_policy_errors(errors, spec, path)
    replacement = spec.get("podReplacementPolicy")
    if replacement is not None:
        allowed = ("Failed",) if "podFailurePolicy" in spec else _REPLACEMENTS
        if replacement not in allowed:
            errors.append(not_supported(f"{path}.podReplacementPolicy", replacement, allowed))
    if "managedBy" in spec:
        _append_manager_errors(errors, spec["managedBy"], f"{path}.managedBy")
    _append_template_errors(errors, spec, f"{path}.template")


def _append_completion_errors(errors: list[FieldError], spec: Json, path: str) -> None:
    mode = spec.get("completionMode")
    if mode is not None and mode not in _MODES:
        errors.append(not_supported(f"{path}.completionMode", mode, _MODES))
    if mode == "Indexed":
        if "completions" not in spec:
            errors.append(required(f"{path}.completions", "when completion mode is Indexed"))
        parallelism, failed = spec.get("parallelism", 0), spec.get("maxFailedIndexes")
        if parallelism > _MOST_INDEXED:
            detail = f"must be less than or equal to {_MOST_INDEXED} when .spec.completionMode is Indexed"
            errors.append(invalid(f"{path}.parallelism", parallelism, detail))
        if failed is not None and "completions" in spec and failed > spec["completions"]:
            errors.append(invalid(f"{path}.maxFailedIndexes", failed, "must be less than or equal to completions"))
        if failed is not None and failed > _MOST_INDEXED:
            errors.append(invalid(f"{path}.maxFailedIndexes", failed, f"must be less than or equal to {_MOST_INDEXED}"))
    else:
        errors += (
            invalid(f"{path}.{field}", spec[field], "requires indexed completion mode")
            for field in ("backoffLimitPerIndex", "maxFailedIndexes")
            if field in spec
        )
    if "maxFailedIndexes" in spec and "backoffLimitPerIndex" not in spec and mode == "Indexed":
        errors.append(required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified"))


def _append_failure_policy_errors(errors: list[FieldError], spec: Json, path: str) -> None:
    rules: list[Json] = spec["podFailurePolicy"].get("rules", [])
    here = f"{path}.podFailurePolicy.rules"
    pod_spec: Json = spec.get("template", {}).get("spec", {})
    container_names = {
        container.get("name") for part in ("containers", "initContainers") for container in pod_spec.get(part, ())
    }
    if len(rules) > _MOST_RULES:
        errors.append(
            FieldError(kind="TooMany", field=here, detail=f"{len(rules)}: must have at most {_MOST_RULES} items")
        )
    for index, rule in enumerate(rules):
        _append_failure_rule_errors(errors, rule, container_names, spec, f"{here}[{index}]")


def _append_failure_rule_errors(
    errors: list[FieldError], rule: Json, container_names: set[str | None], spec: Json, path: str
) -> None:
    action = rule.get("action", "")
    if not action:
        errors.append(required(f"{path}.action", f"valid values: {', '.join(_quoted(_ACTIONS))}"))
    elif action == "FailIndex" and "backoffLimitPerIndex" not in spec:
        errors.append(invalid(f"{path}.action", action, "requires the backoffLimitPerIndex to be set"))
    elif action not in _ACTIONS:
        errors.append(not_supported(f"{path}.action", action, _ACTIONS))
    codes, conditions = rule.get("onExitCodes"), rule.get("onPodConditions") or []
    if codes is not None:
        _append_exit_code_errors(errors, codes, container_names, f"{path}.onExitCodes")
    for index, condition in enumerate(conditions):
        here = f"{path}.onPodConditions[{index}]"
        name, status = condition.get("type", ""), condition.get("status", "")
        errors += (invalid(f"{here}.type", name, message) for message in names.qualified_name(name))
        if status not in {"True", "False", "Unknown"}:
            errors.append(not_supported(f"{here}.status", status, ("False", "True", "Unknown")))
    if codes is not None and conditions:
        detail = "specifying both OnExitCodes and OnPodConditions is not supported"
        errors.append(invalid(path, rule, detail))
    elif codes is None and not conditions:
        errors.append(invalid(path, rule, "specifying one of OnExitCodes and OnPodConditions is required"))


def _append_exit_code_errors(
    errors: list[FieldError], codes: Json, container_names: set[str | None], path: str
) -> None:
    operator: str = codes.get("operator", "")
    values: list[int] = codes.get("values", [])
    if not operator:
        errors.append(required(f"{path}.operator", 'valid values: "In", "NotIn"'))
    elif operator not in {"In", "NotIn"}:
        errors.append(not_supported(f"{path}.operator", operator, ("In", "NotIn")))
    name = codes.get("containerName")
    if name is not None and name not in container_names:
        detail = "must be one of the container or initContainer names in the pod template"
        errors.append(invalid(f"{path}.containerName", name, detail))
    if not values:
        errors.append(invalid(f"{path}.values", values, "at least one value is required"))
    for index, code in enumerate(values):
        if code == 0 and operator == "In":
            errors.append(invalid(f"{path}.values[{index}]", code, "must not be 0 for the In operator"))
        elif code in values[:index]:
            errors.append(FieldError(kind="Duplicate", field=f"{path}.values[{index}]", value=code))
    if values != sorted(values):
        errors.append(invalid(f"{path}.values", values, "must be ordered"))


def _append_success_policy_errors(errors: list[FieldError], spec: Json, path: str) -> None:
    here = f"{path}.successPolicy"
    rules: list[Json] = spec["successPolicy"].get("rules", [])
    if spec.get("completionMode") != "Indexed":
        errors.append(invalid(here, spec["successPolicy"], "requires indexed completion mode"))
        return
    if not rules:
        errors.append(
            required(f"{here}.rules", "at least one rules must be specified when the successPolicy is specified")
        )
    for index, rule in enumerate(rules):
        if "succeededCount" not in rule and "succeededIndexes" not in rule:
            detail = "at least one of succeededCount or succeededIndexes must be specified"
            errors.append(required(f"{here}.rules[{index}]", detail))
        count = rule.get("succeededCount")
        if count is not None and count < 0:
            errors.append(invalid(f"{here}.rules[{index}].succeededCount", count, workload.NOT_NEGATIVE))
        elif count is not None and count > spec.get("completions", 0):
            detail = f"must be less than or equal to {spec.get('completions', 0)} (the number of specified completions)"
            errors.append(invalid(f"{here}.rules[{index}].succeededCount", count, detail))


def _append_manager_errors(errors: list[FieldError], manager: str, path: str) -> None:
    prefix, slash, rest = manager.partition("/")
    if not slash or not rest:
        errors.append(invalid(path, manager, 'must be a domain-prefixed path (such as "acme.io/foo")'))
    else:
        errors += (invalid(path, prefix, message) for message in names.dns_subdomain(prefix))
    if len(manager) > 63:
        errors.append(FieldError(kind="TooLong", field=path, detail="may not be more than 63 bytes"))


def _append_template_errors(errors: list[FieldError], spec: Json, path: str) -> None:
    template: Json = spec.get("template", {})
    metadata.append_label_errors(errors, template.get("metadata", {}).get("labels", {}), f"{path}.metadata.labels")
    pod_spec: Json = template.get("spec", {})
    append_spec_errors(errors, pod_spec, f"{path}.spec")
    policy = pod_spec.get("restartPolicy")
    if policy == "Always":
        errors.append(required(f"{path}.spec.restartPolicy", 'valid values: "OnFailure", "Never"'))
    elif policy not in {"OnFailure", "Never"}:
        errors.append(not_supported(f"{path}.spec.restartPolicy", policy, ("Never", "OnFailure")))
    elif "podFailurePolicy" in spec and policy != "Never":
        detail = 'only "Never" is supported when podFailurePolicy is specified'
        errors.append(invalid(f"{path}.spec.restartPolicy", policy, detail))


def changed_template_errors(new: Json, old: Json) -> list[FieldError]:
    """Judge a change of a Job's spec: little of it may change, where its pods go only before the first starts."""
    spec, before = new["spec"], old["spec"]
    errors: list[FieldError] = []
    _append_completions_change(errors, spec, before)
    errors += (
        invalid(f"spec.{field}", spec.get(field), "field is immutable")
        for field in ("selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy")
        if spec.get(field) != before.get(field)
    )
    if spec.get("successPolicy") != before.get("successPolicy"):
        errors.append(invalid("spec.successPolicy", spec.get("successPolicy"), "field is immutable"))
    # The order is upstream's: the template is looked at after the selector.
    not_started = before.get("suspend", False) and "startTime" not in old.get("status", {})
    if _fixed_part(spec["template"], free=not_started) != _fixed_part(before["template"], free=not_started):
        errors.insert(min(2, len(errors)), invalid("spec.template", spec["template"], "field is immutable"))
    return errors


def _append_completions_change(errors: list[FieldError], spec: Json, before: Json) -> None:
    wanted, had = spec.get("completions"), before.get("completions")
    if wanted == had:
        return
    if before.get("completionMode") != "Indexed" or wanted is None:
        errors.append(invalid("spec.completions", wanted, "field is immutable"))
    elif wanted != spec.get("parallelism"):
        errors.append(invalid("spec.completions", wanted, "can only be modified in tandem with spec.parallelism"))


def _fixed_part(template: Json, *, free: bool) -> Json:
    if not free:
        return template
    pod_spec = {
        key: value
        for key, value in template.get("spec", {}).items()
        if key not in {"nodeSelector", "affinity", "tolerations", "schedulingGates"}
    }
    labels = {key: value for key, value in template.get("metadata", {}).items() if key not in {"labels", "annotations"}}
    return {**template, "metadata": labels, "spec": pod_spec}


def _quoted(words: tuple[str, ...]) -> list[str]:
    return [f'"{word}"' for word in words]
