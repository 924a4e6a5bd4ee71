"""Reading narrow views out of stored objects for decisions."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def view(value: bytes, type_: type[T]) -> T:
    """The view of stored bytes. A null where the view has a default counts as absent, as it does for upstream."""
    try:
        return msgspec.json.decode(value, type=type_)
    except msgspec.ValidationError:
        return msgspec.convert(_without_nulls(msgspec.json.decode(value)), type_)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_without_nulls(inner) for inner in value]
    return value
