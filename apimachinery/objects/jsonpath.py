"""The JSONPath of columns, scale and selectable fields: `.spec.a`, `['b.c']`, `[0]`, `[*]`, filters. Pure.

Source: k8s.io/client-go/util/jsonpath. A path yields all values that it finds; one that finds none yields nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

Step = Callable[[Any], Iterable[Any]]

_TOKEN = re.compile(
    r"""(?P<all>\[\*\]|\.\*) | \.(?P<name>(?:[^.\[\]\\]|\\.)+) |
    \[\?\(\s*@(?P<field>(?:\.[\w\-/]+|\[[^]]+\])+)\s*
    (?:(?P<operator>==|!=)\s*(?P<value>"[^"]*"|'[^']*'|[^)\s]+)\s*)?\)\] |
    \[(?P<quote>['"])(?P<key>.*?)(?P=quote)\] | \[(?P<index>-?\d+)\]""",
    re.VERBOSE,
)


class PathError(ValueError):
    """A text that is no path we know."""


@lru_cache(1024)
def compile_path(text: str) -> Callable[[Any], list[Any]]:
    """Compile a path; it starts with a dot or a bracket, braces around it are let go. Raises PathError."""
    path = text.strip()
    if path.startswith("{") and path.endswith("}"):
        path = path[1:-1].strip()
    path = path.removeprefix("$")
    steps: list[Step] = []
    at = 0
    while at < len(path):
        if path[at:] == ".":
            break
        token = _TOKEN.match(path, at)
        if token is None:
            raise PathError(f"unrecognized character in action: {text}")
        steps.append(_step(token))
        at = token.end()

    def find(value: Any) -> list[Any]:
        found = [value]
        for step in steps:
            found = [inner for outer in found for inner in step(outer)]
        return found

    return find


def first(path: str, value: Any) -> Any:
    """The first value at a path, None when there is none."""
    found = compile_path(path)(value)
    return found[0] if found else None


def _step(token: re.Match[str]) -> Step:
    if token["all"]:
        return _every
    if token["index"] is not None:
        position = int(token["index"])
        return lambda value: value[position : position + 1 or None] if isinstance(value, list) else ()
    if token["field"]:
        return _filter(token["field"], token["operator"], token["value"])
    key = token["key"] if token["key"] is not None else re.sub(r"\\(.)", r"\1", token["name"])
    return lambda value: (value[key],) if isinstance(value, dict) and key in value else ()


def _every(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _filter(field: str, operator: str | None, literal: str | None) -> Step:
    inner = compile_path(field)
    wanted: Any = literal
    if literal is not None and literal[:1] in ("'", '"'):
        wanted = literal[1:-1]
    elif literal in ("true", "false"):
        wanted = literal == "true"
    elif literal is not None:
        try:
            wanted = float(literal)
        except ValueError:
            wanted = literal

    def matching(value: Any) -> Iterable[Any]:
        for element in _every(value):
            found = inner(element)
            if operator is None:
                if found:
                    yield element
            elif found and (found[0] == wanted) is (operator == "=="):
                yield element

    return matching
