"""Label and field selectors: parsing, printing, matching.

Grammar and error texts: k8s.io/apimachinery/pkg/labels/selector.go and fields/selector.go.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Operator = Literal["=", "!=", "in", "notin", "exists", "!", "gt", "lt"]

_TOKEN = re.compile(r"\s*(!=|==|=|!|\(|\)|,|<|>|[^\s!=(),<>]+)")
_NAME = re.compile(r"^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$")
_PREFIX = re.compile(r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$")


@dataclass(frozen=True, slots=True)
class Requirement:
    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        found = labels.get(self.key)
        match self.operator:
            case "=" | "in":
                return found in self.values
            case "!=" | "notin":
                return found not in self.values
            case "exists":
                return found is not None
            case "!":
                return found is None
            case "gt" | "lt":
                return _compare(found, self.operator, next(iter(self.values)))

    def __str__(self) -> str:
        listed = ",".join(sorted(self.values))
        match self.operator:
            case "in" | "notin":
                return f"{self.key} {self.operator} ({listed})"
            case "exists":
                return self.key
            case "!":
                return f"!{self.key}"
            case "gt" | "lt":
                return f"{self.key}{'>' if self.operator == 'gt' else '<'}{listed}"
            case _:
                return f"{self.key}{self.operator}{listed}"


def _compare(found: str | None, operator: str, bound: str) -> bool:
    try:
        left, right = int(found or ""), int(bound)
    except ValueError:
        return False
    return left > right if operator == "gt" else left < right


@dataclass(frozen=True, slots=True)
class Selector:
    """All requirements must hold; none at all matches everything."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        present = labels or {}
        return not self.nothing and all(r.matches(present) for r in self.requirements)

    @property
    def everything(self) -> bool:
        return not self.requirements and not self.nothing

    def __str__(self) -> str:
        return ",".join(str(r) for r in self.requirements)


EVERYTHING = Selector()
NOTHING = Selector(nothing=True)


def parse_label_selector(text: str) -> Selector:
    """Parse `a=b,c!=d,e in (f,g),!h,i`. Raises ValueError naming what is wrong."""
    tokens = _tokens(text)
    requirements: list[Requirement] = []
    position = 0
    while position < len(tokens):
        requirement, position = _requirement(tokens, position)
        requirements.append(requirement)
        if position < len(tokens):
            if tokens[position] != ",":
                raise ValueError(f"found '{tokens[position]}', expected: ',' or 'end of string'")
            position += 1
            if position == len(tokens):
                raise ValueError("found '', expected: identifier after ','")
    return Selector(tuple(requirements))


def _tokens(text: str) -> list[str]:
    return [match[1] for match in _TOKEN.finditer(text.strip())]


_SYMBOLS = frozenset("!=(),<>") | {"==", "!="}


def _requirement(tokens: list[str], position: int) -> tuple[Requirement, int]:
    def at(index: int) -> str:
        return tokens[index] if index < len(tokens) else ""

    if at(position) == "!":
        return Requirement(_label_key(at(position + 1)), "!"), position + 2
    name = _label_key(at(position))
    operator = at(position + 1)
    if operator in ("", ","):
        return Requirement(name, "exists"), position + 1
    if operator in ("in", "notin"):
        values, after = _value_list(tokens, position + 2)
        return Requirement(name, operator, values), after
    single = at(position + 2)
    if single in _SYMBOLS:
        single, after = "", position + 2
    else:
        after = position + 3
    match operator:
        case "=" | "==":
            return Requirement(name, "=", frozenset([single])), after
        case "!=":
            return Requirement(name, "!=", frozenset([single])), after
        case ">" | "<":
            if not re.fullmatch(r"-?\d+", single):
                raise ValueError("for 'Gt', 'Lt' operators, the value must be an integer")
            return Requirement(name, "gt" if operator == ">" else "lt", frozenset([single])), after
        case _:
            raise ValueError(f"found '{operator}', expected: in, notin, =, ==, !=, gt, lt")


def _value_list(tokens: list[str], position: int) -> tuple[frozenset[str], int]:
    if position >= len(tokens) or tokens[position] != "(":
        raise ValueError(f"found '{tokens[position] if position < len(tokens) else ''}', expected: '('")
    values: set[str] = set()
    expect_value = True
    for index in range(position + 1, len(tokens)):
        token = tokens[index]
        if token == ")":
            if expect_value:
                values.add("")
            return frozenset(values), index + 1
        if token == ",":
            if expect_value:
                values.add("")
            expect_value = True
        else:
            values.add(token)
            expect_value = False
    raise ValueError("found '', expected: ',' or ')'")


def _label_key(text: str) -> str:
    prefix, slash, name = text.rpartition("/")
    if not _NAME.match(name) or len(name) > 63 or (slash and not _PREFIX.match(prefix)):
        raise ValueError(f"key: Invalid value: \"{text}\": name part must consist of alphanumeric characters, '-', '_' "
                         "or '.', and must start and end with an alphanumeric character")  # fmt: skip
    return text


def from_label_selector(selector: Mapping[str, Any] | None) -> Selector:
    """A metav1.LabelSelector (matchLabels, matchExpressions). None selects nothing, an empty one everything."""
    if selector is None:
        return NOTHING
    requirements = [Requirement(k, "=", frozenset([v])) for k, v in sorted((selector.get("matchLabels") or {}).items())]
    requirements += map(_expression, selector.get("matchExpressions") or ())
    return Selector(tuple(requirements))


_EXPRESSION_OPERATORS: dict[str, Operator] = {
    "In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!", "Gt": "gt", "Lt": "lt",
}  # fmt: skip


def _expression(expression: Mapping[str, Any]) -> Requirement:
    operator = _EXPRESSION_OPERATORS.get(expression.get("operator", ""))
    if operator is None:
        raise ValueError(f'"{expression.get("operator")}" is not a valid label selector operator')
    return Requirement(expression["key"], operator, frozenset(expression.get("values") or ()))


def from_labels(labels: Mapping[str, str]) -> Selector:
    """Equality on each of these labels, as Services and ReplicationControllers select."""
    return from_label_selector({"matchLabels": labels})


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """Terms (field, equal?, value) that must all hold."""

    terms: tuple[tuple[str, bool, str], ...] = ()

    def matches(self, fields: Mapping[str, str]) -> bool:
        return all((fields.get(name, "") == wanted) is equal for name, equal, wanted in self.terms)

    def unknown(self, known: Iterable[str]) -> str | None:
        """The first field that is not among `known`, if any."""
        names = set(known)
        return next((name for name, _, _ in self.terms if name not in names), None)

    @property
    def everything(self) -> bool:
        return not self.terms

    def required_value(self, field: str) -> str | None:
        """The value that `field` must equal, when the selector says so."""
        return next((value for name, equal, value in self.terms if equal and name == field), None)

    def __str__(self) -> str:
        return ",".join(f"{n}{'=' if equal else '!='}{_escape(v)}" for n, equal, v in self.terms)


_FIELD_TERM = re.compile(r"^(?P<name>[^=!]+)(?P<operator>!=|==|=)(?P<value>.*)$", re.DOTALL)


def parse_field_selector(text: str) -> FieldSelector:
    """Parse `status.phase!=Running,spec.nodeName=m1`; backslash escapes comma, equals and backslash in values."""
    terms: list[tuple[str, bool, str]] = []
    for part in re.split(r"(?<!\\),", text):
        if not part:
            continue
        match = _FIELD_TERM.match(part)
        if match is None:
            raise ValueError(f"invalid selector: '{part}'; can't understand '{part}'")
        terms.append((match["name"].strip(), match["operator"] != "!=", re.sub(r"\\([,=\\])", r"\1", match["value"])))
    return FieldSelector(tuple(terms))


def _escape(value: str) -> str:
    return re.sub(r"([,=\\])", r"\\\1", value)
