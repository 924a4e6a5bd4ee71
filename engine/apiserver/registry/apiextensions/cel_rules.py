"""What x-kubernetes-validations may say, and which paths into a schema there are.

Source: apiextensions-apiserver/pkg/apis/apiextensions/validation/validation.go and .../schema/cel/validation.go.
"""

from __future__ import annotations

import re

from apimachinery.objects.field import FieldError, invalid, not_supported, required
from engine.apiserver.registry.kind import Json

_REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
_LINES = re.compile(r"[\n\r]")
_STEP = re.compile(r"\.(?P<name>[A-Za-z_][\w-]*)|\[(?P<quote>['\"])(?P<key>.*?)(?P=quote)\]")


def append_rule_errors(errors: list[FieldError], rule: Json, node: Json, path: str, uncorrelated: str) -> None:
    """Judge one rule; `uncorrelated` as in schema_rules."""
    source: str = rule.get("rule") or ""
    message, computed = rule.get("message"), rule.get("messageExpression")
    if not source.strip():
        errors.append(required(f"{path}.rule", "rule is not specified"))
        return
    if message and not message.strip():
        errors.append(invalid(f"{path}.message", message, "must be non-empty if specified"))
    elif message and _LINES.search(message.strip()):
        errors.append(invalid(f"{path}.message", message, "must not contain line breaks"))
    elif not message and _LINES.search(source.strip()):
        errors.append(required(f"{path}.message", "message must be specified if rule contains line breaks"))
    if computed and not computed.strip():
        errors.append(required(f"{path}.messageExpression", "messageExpression must be non-empty if specified"))
    reason = rule.get("reason")
    if reason is not None and reason not in _REASONS:
        errors.append(not_supported(f"{path}.reason", reason, _REASONS))
    _append_path_errors(errors, rule.get("fieldPath") or "", node, f"{path}.fieldPath")
    _append_expression_errors(errors, rule, path, uncorrelated)


def _append_path_errors(errors: list[FieldError], given: str, node: Json, path: str) -> None:
    if not given:
        return
    if not given.strip():
        errors.append(invalid(path, given, "must be non-empty if specified"))
    if _LINES.search(given):
        errors.append(invalid(path, given, "must not contain line breaks"))
    if schema_at(node, given) is None:
        errors.append(invalid(path, given, "must be a valid path"))


def _append_expression_errors(errors: list[FieldError], rule: Json, path: str, uncorrelated: str) -> None:
    # A second of loading: only who has rules pays for it.
    from engine.apiserver.cel.program import CelError, compiled
    from engine.apiserver.cel.rewriting import tokens

    for field in ("rule", "messageExpression"):
        source: str = (rule.get(field) or "").strip()
        if not source:
            continue
        try:
            compiled(source)
        except CelError as error:
            errors.append(invalid(f"{path}.{field}", rule, f"compilation failed: {error}"))
    if "oldSelf" in tokens(rule["rule"]):
        if uncorrelated:
            text = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {uncorrelated}"
            errors.append(invalid(f"{path}.rule", rule["rule"], text))
    elif rule.get("optionalOldSelf") is not None:
        text = "may not be set if oldSelf is not used in rule"
        errors.append(invalid(f"{path}.optionalOldSelf", rule["optionalOldSelf"], text))


def schema_at(node: Json, path: str, *, lists: bool = True) -> Json | None:
    """The schema that a path like `.spec.names['a.b']` leads to; None when it leads nowhere."""
    at = 0
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None or (not lists and step["key"] is not None):
            return None
        name = step["name"] or step["key"]
        properties: Json = node.get("properties") or {}
        found = properties.get(name, node.get("additionalProperties") if step["key"] is not None else None)
        if not isinstance(found, dict):
            return None
        node, at = found, step.end()
    return node
