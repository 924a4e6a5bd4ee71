"""x-kubernetes-validations: the rules in CEL that stand beside a schema. Pure but for the clock of its budget.

Source: apiextensions-apiserver/pkg/apiserver/schema/cel/validation.go.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from apimachinery.objects.field import FieldError, invalid
from engine.apiserver.cel.program import Budget, BudgetExceeded, CelError, evaluate, nothing, size_of, something
from engine.apiserver.cel.rewriting import tokens
from engine.apiserver.custom.formats import duration_seconds
from engine.apiserver.custom.structural import MISSING, Schema
from engine.apiserver.custom.values import correlated, key_of
from engine.apiserver.registry.kind import Json

_RESERVED = frozenset({"true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function",
    "if", "import", "let", "loop", "package", "namespace", "return", "var", "void", "while"})  # fmt: skip
_REASONS = {
    "FieldValueInvalid": "Invalid",
    "FieldValueForbidden": "Forbidden",
    "FieldValueRequired": "Required",
    "FieldValueDuplicate": "Duplicate",
}


def rule_errors(value: Json, schema: Schema, old: Any = MISSING) -> list[FieldError]:
    """What the rules have against an object that fits its schema; `old` is what was there before an update."""
    budget = Budget()
    errors: list[FieldError] = []
    try:
        for error in _errors(value, schema, old, "", budget):
            errors.append(error)  # noqa: PERF402 - what was found before the budget ran out counts
    except BudgetExceeded as error:
        errors.append(invalid("<nil>", "", str(error)))
    return errors


def _errors(value: Any, schema: Schema, old: Any, path: str, budget: Budget) -> Iterator[FieldError]:
    if value is None or not schema.rules_below:
        return
    for rule in schema.rules:
        yield from _judged(rule, _Place(value, schema, old, path), budget)
    if type(value) is dict:
        before: Json = old if type(old) is dict else {}
        for name, element in value.items():
            child = schema.child(name)
            if child is not None and child.rules_below:
                here = f"{path}.{name}" if path else name
                yield from _errors(element, child, before.get(name, MISSING), here, budget)
    elif type(value) is list and schema.items is not None and schema.items.rules_below:
        known = correlated(schema, old)
        for position, element in enumerate(value):
            was = known.get(key_of(schema, element), MISSING) if known else MISSING
            yield from _errors(element, schema.items, was, f"{path}[{position}]", budget)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where rules stand, and what is there."""

    value: Any
    schema: Schema
    old: Any
    path: str


def _judged(rule: Json, place: _Place, budget: Budget) -> Iterator[FieldError]:
    source: str = rule["rule"]
    value, schema, old = place.value, place.schema, place.old
    variables: dict[str, Any] = {"self": said(value, schema)}
    if "oldSelf" in source and "oldSelf" in tokens(source):
        if rule.get("optionalOldSelf"):
            variables["oldSelf"] = _optional(old, schema)
        elif old is MISSING or old is None:
            return
        else:
            variables["oldSelf"] = said(old, schema)
    elif old is not MISSING and old == value:
        # What an update leaves as it was is not judged again.
        return
    size = size_of(value)
    where = _field(place.path, rule.get("fieldPath") or "")
    try:
        holds = evaluate(source, variables, budget, size=size)
    except BudgetExceeded:
        raise
    except CelError as error:
        what = "compilation failed" if _syntax(error) else "rule evaluation error"
        yield _error("Invalid", where, value, f"{what}: {error}")
        return
    if holds is not True:
        kind = _REASONS.get(rule.get("reason") or "", "Invalid")
        yield _error(kind, where, value, _message(rule, variables, budget, size))


def _syntax(error: CelError) -> bool:
    return str(error).startswith("ERROR:")


def _message(rule: Json, variables: dict[str, Any], budget: Budget, size: int) -> str:
    if rule.get("messageExpression"):
        try:
            text = evaluate(rule["messageExpression"], variables, budget, size=size)
        except CelError:
            text = ""
        if isinstance(text, str) and text.strip() and "\n" not in text.strip():
            return text.strip()
    return (rule.get("message") or f"failed rule: {rule['rule'].strip()}").strip()


def _error(kind: str, path: str, value: Any, detail: str) -> FieldError:
    # Upstream names the type of what is not a plain value.
    shown = {dict: "object", list: "array"}.get(type(value), value)
    return FieldError(kind=kind, field=path or "<nil>", value=shown, detail=detail)


def _field(path: str, below: str) -> str:
    return f"{path}{below}" if path else below.removeprefix(".")


def _optional(old: Any, schema: Schema) -> Any:
    return nothing() if old is MISSING or old is None else something(said(old, schema))


def said(value: Any, schema: Schema | None) -> Any:
    """A value as CEL sees it: numbers, times and bytes by their type, and names that CEL can say."""
    if schema is None:
        return value
    match value:
        case dict():
            named = bool(schema.properties)
            return {
                _name(name) if named else name: said(element, schema.child(name)) for name, element in value.items()
            }
        case list():
            return [said(element, schema.items) for element in value]
        case bool():
            return value
        case int():
            return float(value) if schema.type == "number" else value
        case str():
            return _said_text(value, schema.raw.get("format"))
        case _:
            return value


def _said_text(value: str, form: str | None) -> Any:
    try:
        match form:
            case "date-time" | "date":
                return datetime.fromisoformat(value)
            case "duration":
                return timedelta(seconds=duration_seconds(value) or 0)
            case "byte":
                return base64.b64decode(value)
            case _:
                return value
    except ValueError:
        return value


def _name(name: str) -> str:
    """The name of a property as CEL can write it."""
    if name in _RESERVED:
        return f"__{name}__"
    if name.isidentifier() and "__" not in name:
        return name
    for character, said_as in (("__", "__underscores__"), (".", "__dot__"), ("-", "__dash__"), ("/", "__slash__")):
        name = name.replace(character, said_as)
    return name
