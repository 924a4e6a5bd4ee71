"""ValidatingAdmissionPolicy: rules in CEL that the engine judges by itself. Pure but for the clock of its budget.

Source: k8s.io/apiserver/pkg/admission/plugin/policy/validating.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from apimachinery.objects.errors import StatusError
from engine.apiserver.cel.program import BudgetExceeded, CelError
from engine.apiserver.dynamic.environment import Environment
from engine.apiserver.dynamic.policies import Failure, Invocation
from engine.apiserver.guard import Write
from engine.apiserver.registry.kind import Json

_CODES = {"Unauthorized": 401, "Forbidden": 403, "Invalid": 422, "RequestEntityTooLarge": 413}
_LONGEST_MESSAGE = 5 * 1024
_LONGEST_NOTE = 10 * 1024
_MOST_FAILURES = 50


@dataclass(frozen=True, slots=True)
class Finding:
    """A validation that does not hold."""

    index: int
    message: str
    reason: str = "Invalid"


@dataclass(slots=True)
class Verdict:
    """What all policies said of a request so far."""

    write: Write
    """As the client sent it: what the refusal names."""
    denied: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """(message, reason), the first counts."""
    audited: list[Json] = field(default_factory=list[Json])
    notes: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def misconfigured(self, failures: Sequence[Failure]) -> None:
        """Refuse because of policies that cannot be applied."""
        for failure in failures:
            self.denied.append((f"{_named(failure.policy, failure.binding)} denied request: {failure.text}", "Invalid"))

    def judge(self, invocation: Invocation, environment: Environment) -> None:
        """Add what one policy with one parameter says."""
        spec: Json = invocation.policy["spec"]
        try:
            if not environment.conditions_hold(spec.get("matchConditions") or []):
                return
            environment.define(spec.get("variables") or [])
        except CelError as error:
            if invocation.fails:
                self._act(invocation, Finding(0, str(error)))
            return
        for finding in _findings(spec, environment, fails=invocation.fails):
            self._act(invocation, finding)
        self._note(invocation, environment)

    def _act(self, invocation: Invocation, finding: Finding) -> None:
        policy, binding = invocation.policy, invocation.binding
        named = _named(policy, binding)
        for action in binding["spec"].get("validationActions") or ():
            match action:
                case "Deny":
                    self.denied.append((f"{named} denied request: {finding.message}", finding.reason))
                case "Warn":
                    self.write.context.warnings.append(f"Validation failed for {named}: {finding.message}")
                case _:
                    self.audited.append(
                        {
                            "message": finding.message,
                            "policy": policy["metadata"]["name"],
                            "binding": binding["metadata"]["name"],
                            "expressionIndex": finding.index,
                            "validationActions": binding["spec"]["validationActions"],
                        }
                    )

    def _note(self, invocation: Invocation, environment: Environment) -> None:
        policy = invocation.policy
        for annotation in policy["spec"].get("auditAnnotations") or ():
            try:
                value = environment.result(annotation["valueExpression"])
                if value is not None and not isinstance(value, str):
                    raise CelError(
                        f"valueExpression '{annotation['valueExpression']}' resulted in unsupported return type:"
                        f" {type(value).__name__}. Return type must be either string or null."
                    )
            except CelError as error:
                if invocation.fails:
                    named = _named(policy, invocation.binding)
                    self.denied.append((f"{named} denied request: {error}", "Invalid"))
                continue
            text = (value or "").strip()[:_LONGEST_NOTE]
            values = self.notes.setdefault(f"{policy['metadata']['name']}/{annotation['key']}", [])
            if text and text not in values:
                values.append(text)

    def close(self) -> None:
        """Write down what is to be noted. Raises StatusError when a policy denies."""
        audit = self.write.context.audit
        audit.update({key: ", ".join(values) for key, values in self.notes.items() if values})
        if self.audited:
            shown = msgspec.json.encode(self.audited[:_MOST_FAILURES]).decode()
            audit["validation.policy.admission.k8s.io/validation_failure"] = shown
        if not self.denied:
            return
        message, reason = self.denied[0]
        refused = self.write.forbidden(message)
        details = {**(refused.details or {}), "causes": [{"message": message}]}
        raise StatusError(refused.message, code=_CODES.get(reason, 422), reason=reason, details=details)


def _named(policy: Json, binding: Json | None) -> str:
    name = f"ValidatingAdmissionPolicy '{policy['metadata']['name']}'"
    return name if binding is None else f"{name} with binding '{binding['metadata']['name']}'"


def _findings(spec: Json, environment: Environment, *, fails: bool) -> Iterator[Finding]:
    for index, validation in enumerate(spec.get("validations") or ()):
        try:
            if environment.result(validation["expression"]) is True:
                continue
        except BudgetExceeded as error:
            if fails:
                yield Finding(index, str(error))
            return
        except CelError as error:
            if fails:
                yield Finding(index, str(error))
            continue
        yield Finding(index, _message(validation, environment), validation.get("reason") or "Invalid")


def _message(validation: Json, environment: Environment) -> str:
    if validation.get("messageExpression"):
        try:
            text = environment.value(validation["messageExpression"])
        except CelError:
            text = ""
        if isinstance(text, str):
            text = text.strip()
            if text and "\n" not in text and len(text) <= _LONGEST_MESSAGE:
                return text
    said = (validation.get("message") or "").strip()
    return said or f"failed expression: {validation['expression'].strip()}"
