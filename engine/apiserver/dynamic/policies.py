"""ValidatingAdmissionPolicy: rules in CEL that the engine judges by itself. Pure but for the clock of its budget.

Source: k8s.io/apiserver/pkg/admission/plugin/policy/validating.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from apimachinery.objects.errors import StatusError
from engine.apiserver.cel.program import Budget, CelError, evaluate, size_of
from engine.apiserver.dynamic import rules
from engine.apiserver.dynamic.review import request_of
from engine.apiserver.guard import Write
from engine.apiserver.registry.kind import Json

FindParam = Callable[[Json, Json, str], list[Json]]
"""(paramKind, paramRef, namespace of the request) to the parameters."""

_CODES = {"Unauthorized": 401, "Forbidden": 403, "Invalid": 422, "RequestEntityTooLarge": 413}


@dataclass(frozen=True, slots=True)
class Finding:
    """A validation that does not hold."""

    message: str
    reason: str


def variables_of(write: Write) -> dict[str, Any]:
    """What match conditions see."""
    return {"object": write.new, "oldObject": write.old, "request": request_of(write)}


def conditions_hold(conditions: list[Json], seen: dict[str, Any]) -> bool:
    """Whether all match conditions hold. Raises CelError when one fails and none is false."""
    failed: CelError | None = None
    for condition in conditions:
        try:
            if evaluate(condition["expression"], seen, Budget(), size=size_of(seen["object"])) is not True:
                return False
        except CelError as error:
            failed = CelError(f"expression '{condition['expression']}' resulted in error: {error}")
    if failed is not None:
        raise failed
    return True


def judge(policies: list[Json], bindings: list[Json], write: Write, find_param: FindParam) -> None:
    """Raises StatusError for the first binding that denies; warns where a binding only warns."""
    for policy in policies:
        spec: Json = policy["spec"]
        for binding in bindings:
            if binding["spec"].get("policyName") != policy["metadata"]["name"]:
                continue
            if not _bound(spec.get("matchConstraints") or {}, binding["spec"].get("matchResources"), write):
                continue
            for finding in _findings(spec, binding["spec"], write, find_param):
                _act(policy, binding, finding, write)


def _bound(constraints: Json, resources: Json | None, write: Write) -> bool:
    for match in (constraints, resources):
        if match is None:
            continue
        named: list[Json] = match.get("resourceRules") or ([] if match is constraints else [_EVERYTHING])
        if not rules.wanted(match, named, write) or rules.excluded(match.get("excludeResourceRules") or [], write):
            return False
    return True


_EVERYTHING: Json = {"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"]}


def _findings(spec: Json, binding: Json, write: Write, find_param: FindParam) -> Iterator[Finding]:
    fails = spec.get("failurePolicy", "Fail") == "Fail"
    seen = variables_of(write)
    seen["namespaceObject"] = (
        write.context.lookup("", "namespaces", "", write.namespace) if write.kind.namespaced else None
    )
    try:
        if not conditions_hold(spec.get("matchConditions") or [], seen):
            return
    except CelError as error:
        if fails:
            yield Finding(str(error), "Invalid")
        return
    parameters: list[Json | None] = [None]
    if spec.get("paramKind"):
        reference: Json = binding.get("paramRef") or {}
        parameters = [*find_param(spec["paramKind"], reference, write.namespace)]
        if not parameters and reference.get("parameterNotFoundAction") == "Deny" and fails:
            yield Finding("no params found for policy binding with `Deny` parameterNotFoundAction", "Invalid")
    budget = Budget()
    for params in parameters:
        yield from _judged(spec, {**seen, "params": params}, budget, fails=fails)


def _judged(spec: Json, seen: dict[str, Any], budget: Budget, *, fails: bool) -> Iterator[Finding]:
    size = size_of(seen["object"])
    named: dict[str, Any] = {}
    for variable in spec.get("variables") or ():
        try:
            named[variable["name"]] = evaluate(variable["expression"], {**seen, "variables": named}, budget, size=size)
        except CelError:
            # Whoever uses it says what is wrong.
            continue
    seen = {**seen, "variables": named}
    for validation in spec.get("validations") or ():
        source: str = validation["expression"]
        try:
            if evaluate(source, seen, budget, size=size) is True:
                continue
            text = _message(validation, seen, budget, size)
            yield Finding(text, validation.get("reason") or "Invalid")
        except CelError as error:
            if fails:
                yield Finding(f"expression '{source}' resulted in error: {error}", "Invalid")


def _message(validation: Json, seen: dict[str, Any], budget: Budget, size: int) -> str:
    if validation.get("messageExpression"):
        try:
            text = evaluate(validation["messageExpression"], seen, budget, size=size)
        except CelError:
            text = ""
        if isinstance(text, str) and text.strip():
            return text.strip()
    return validation.get("message") or f"failed expression: {validation['expression'].strip()}"


def _act(policy: Json, binding: Json, finding: Finding, write: Write) -> None:
    actions: list[str] = binding["spec"].get("validationActions") or ["Deny"]
    names = f"'{policy['metadata']['name']}' with binding '{binding['metadata']['name']}'"
    if "Warn" in actions:
        write.context.warnings.append(f"Validation failed for ValidatingAdmissionPolicy {names}: {finding.message}")
    if "Deny" in actions:
        message = f"ValidatingAdmissionPolicy {names} denied request: {finding.message}"
        refused = write.forbidden(message)
        details = {**(refused.details or {}), "causes": [{"message": message}]}
        raise StatusError(refused.message, code=_CODES.get(finding.reason, 422), reason=finding.reason, details=details)
