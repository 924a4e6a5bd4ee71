"""Objects that expressions build: `Object.spec{replicas: 1}` and `JSONPatch{op: "add"}`. Pure.

Source: k8s.io/apiserver/pkg/cel/mutation. A built object is a map that remembers its type until it is finished.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from engine.apiserver.custom.formats import duration_text

_TYPE = "\0type"


def build(unwrap: Callable[[Any], tuple[bool, Any]]) -> Callable[..., dict[str, Any]]:
    """The function that the rewritten literal calls: (type, name, value, name, value...); `?name` takes an optional.

    `unwrap` says of an optional whether it has a value, and which.
    """

    def made(kind: str, *parts: Any) -> dict[str, Any]:
        found: dict[str, Any] = {_TYPE: kind}
        for name, value in zip(parts[::2], parts[1::2], strict=True):
            there, given = unwrap(value) if name.startswith("?") else (True, value)
            if there:
                found[name.removeprefix("?")] = given
        return found

    return made


def type_of(value: Any) -> str:
    """The type of a built object, empty for other values."""
    return str(value.get(_TYPE, "")) if isinstance(value, dict) else ""


def finished(value: Any) -> Any:
    """The value as JSON. Raises ValueError when an object stands where its type does not belong."""
    return _finished(value, type_of(value))


def _finished(value: Any, path: str) -> Any:
    match value:
        case dict():
            kind = type_of(value)
            if kind and kind != path:
                raise ValueError(
                    f'type mismatch: unexpected type name "{kind}", expected "{path}", which matches field name path'
                    " from root Object type"
                )
            return {
                name: _finished(inner, f"{path}.{name}" if kind else path)
                for name, inner in value.items()
                if name != _TYPE
            }
        case list():
            return [_finished(inner, path) for inner in value]
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case timedelta():
            return duration_text(value.total_seconds())
        case None | bool() | int() | float() | str():
            return value
        case _:
            raise ValueError(f"a value of type {type(value).__name__} could not marshal to JSON")
