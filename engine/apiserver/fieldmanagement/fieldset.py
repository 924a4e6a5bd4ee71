"""Sets of field paths, in the very shape in which managedFields write them (FieldsV1).

A set is a tree of dicts. Keys are path elements: `f:NAME` a field, `k:{...}` a list's element by its keys, `v:VALUE` an
element of a set. A leaf `{}` says that its path is in the set; a branch holds it with the key `.`. The root stands for
no path: `{}` there is the empty set. Sets are never changed in place, so they may share branches.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

FieldSet = dict[str, Any]

LEAF: FieldSet = {}
SELF = "."
_ITSELF: FieldSet = {SELF: LEAF}


def union(one: FieldSet, other: FieldSet) -> FieldSet:
    """All paths of both."""
    if not other:
        return one
    if not one:
        return other
    return _union(one, other)


def difference(one: FieldSet, other: FieldSet) -> FieldSet:
    """The paths of `one` that are not in `other`."""
    if not one or not other:
        return one
    return _difference(one, other) or {}


def intersection(one: FieldSet, other: FieldSet) -> FieldSet:
    """The paths that are in both."""
    if not one or not other:
        return {}
    return _intersection(one, other) or {}


def within(one: FieldSet, other: FieldSet) -> bool:
    """Whether `other` has all paths of `one`."""
    return not difference(one, other)


def well_formed(value: Any) -> bool:
    """Whether a value read from outside is a set."""
    if type(value) is not dict:
        return False
    return all(
        (key == SELF and below == LEAF) or (_is_element(key) and well_formed(below)) for key, below in value.items()
    )


def paths(fields: FieldSet, above: str = "") -> Iterator[str]:
    """The paths as people read them, `.spec.containers[name="web"].image`, in upstream's order."""
    names = sorted(key for key in fields if key != SELF)
    for name in names:
        below = fields[name]
        if not below or SELF in below:
            yield above + _text(name)
    for name in names:
        if fields[name]:
            yield from paths(fields[name], above + _text(name))


def _is_element(key: str) -> bool:
    match key[:2]:
        case "f:":
            return True
        case "k:" | "v:" | "i:":
            try:
                value = msgspec.json.decode(key[2:])
            except (msgspec.DecodeError, UnicodeError):
                return False
            return key[0] == "v" or type(value) is (dict if key[0] == "k" else int)
        case _:
            return False


def _text(element: str) -> str:
    sort, value = element[:2], element[2:]
    match sort:
        case "f:":
            return f".{value}"
        case "k:":
            keys: dict[str, Any] = msgspec.json.decode(value)
            shown = ",".join(f"{key}={msgspec.json.encode(keys[key]).decode()}" for key in sorted(keys))
            return f"[{shown}]"
        case "v:":
            return f"[={value}]"
        case _:
            return f"[{value}]"


def branch(children: FieldSet, *, itself: bool) -> FieldSet | None:
    """A node over children, itself in the set or not; None when nothing is."""
    if not children:
        return LEAF if itself else None
    return {SELF: LEAF, **children} if itself else children


def _union(one: FieldSet, other: FieldSet) -> FieldSet:
    one, other = one or _ITSELF, other or _ITSELF
    joined = dict(one)
    for key, theirs in other.items():
        ours = joined.get(key)
        joined[key] = theirs if ours is None or ours == theirs else _union(ours, theirs)
    return _closed(joined)


def _difference(one: FieldSet, other: FieldSet) -> FieldSet | None:
    one, other = one or _ITSELF, other or _ITSELF
    left: FieldSet = {}
    for key, ours in one.items():
        theirs = other.get(key)
        if theirs is None:
            left[key] = ours
        elif key != SELF and ours != theirs:
            below = _difference(ours, theirs)
            if below is not None:
                left[key] = below
    return _closed(left) if left else None


def _intersection(one: FieldSet, other: FieldSet) -> FieldSet | None:
    one, other = one or _ITSELF, other or _ITSELF
    shared: FieldSet = {}
    for key, ours in one.items():
        theirs = other.get(key)
        if theirs is None:
            continue
        below = ours if ours == theirs else _intersection(ours, theirs)
        if below is not None:
            shared[key] = below
    return _closed(shared) if shared else None


def _closed(node: FieldSet) -> FieldSet:
    return LEAF if len(node) == 1 and SELF in node else node
