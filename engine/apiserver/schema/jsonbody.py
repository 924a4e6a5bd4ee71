"""JSON that others send, read with bounds: how deep it may nest is ours to say, not the stack's."""

from __future__ import annotations

from typing import Any

import msgspec

MAX_DEPTH = 200
"""Far beyond what any published type or schema needs; whoever walks a document may do so by recursion."""


def parse_json(body: bytes) -> Any:
    """Raises ValueError."""
    try:
        document = msgspec.json.decode(body)
    except RecursionError as error:
        raise ValueError("exceeded max depth") from error
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH:
        check_depth(document)
    return document


def check_depth(document: Any) -> None:
    """Raises ValueError."""
    if _deeper_than(document, MAX_DEPTH):
        raise ValueError("exceeded max depth")


def _deeper_than(value: Any, levels: int) -> bool:
    inner = value.values() if type(value) is dict else value if type(value) is list else ()
    if not inner:
        return False
    return not levels or any(_deeper_than(below, levels - 1) for below in inner if type(below) in (dict, list))
