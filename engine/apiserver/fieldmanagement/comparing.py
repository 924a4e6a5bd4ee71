"""Which fields a value holds, and in which fields two values of one type differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.apiserver.fieldmanagement.fieldset import LEAF, FieldSet, branch, paths
from engine.apiserver.fieldmanagement.problems import Untyped
from engine.apiserver.fieldmanagement.shapes import METADATA, Listing, MapOf, Shape, Struct

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a new object differs from the old one."""

    added: FieldSet
    modified: FieldSet
    removed: FieldSet

    @property
    def same(self) -> bool:
        return not (self.added or self.modified or self.removed)


def held(shape: Struct, obj: Json) -> FieldSet:
    """The fields that a configuration speaks about. Raises Untyped."""
    return _held_fields(shape, obj, "")


def grown(shape: Struct, obj: Json) -> FieldSet:
    """The fields of an object that was not there before."""
    return _grown_below(shape, obj)


def compare(shape: Struct, old: Json, new: Json) -> Comparison:
    """What changed from `old` to `new`."""
    found = Comparison({}, {}, {})
    _compare_fields(shape, old, new, found)
    return found


def _held(shape: Shape, value: Any, path: str) -> FieldSet | None:
    if isinstance(shape, Struct) and type(value) is dict:
        return _held_fields(shape, value, path) or _bare(shape, value)
    if isinstance(shape, MapOf) and type(value) is dict:
        if not value:
            return LEAF
        return {f"f:{key}": _with_itself(_held(shape.item, item, f"{path}.{key}")) for key, item in value.items()}
    if isinstance(shape, Listing) and type(value) is list:
        return _held_elements(shape, value, path)
    return LEAF


def _held_fields(shape: Struct, value: Json, path: str) -> FieldSet:
    fields = shape.fields
    found: FieldSet = {}
    for key, item in value.items():
        field = fields.get(key)
        if field is not None:
            below = _held(field, item, f"{path}.{key}")
            if below is not None:
                found[f"f:{key}"] = below
    return found


def _held_elements(shape: Listing, values: list[Any], path: str) -> FieldSet | None:
    found: FieldSet = {}
    for position, value in enumerate(values):
        try:
            element = shape.element(value)
        except Untyped as error:
            raise Untyped(f"{path}: element {position}: {error}") from error
        if element in found:
            raise Untyped(f"{path}: duplicate entries for key {_bracketed(element)}")
        found[element] = _with_itself(_held(shape.item, value, f"{path}{_bracketed(element)}"))
    return found or None


def _bare(shape: Struct, value: Json) -> FieldSet | None:
    """What a struct counts for of which no field does: an empty one is a value like any other."""
    return None if value or shape is METADATA else LEAF


def _bracketed(element: str) -> str:
    return next(paths({element: LEAF}))


def _with_itself(below: FieldSet | None) -> FieldSet:
    return branch(below or {}, itself=True) or LEAF


def _grown(shape: Shape, value: Any) -> FieldSet | None:
    """All fields of a value that was not there; None when they are nobody's.

    Its own path counts where the type leaves open whether it is there.
    """
    if isinstance(shape, Struct) and type(value) is dict:
        return _grown_below(shape, value) or _bare(shape, value)
    if not value:
        return LEAF
    below = _grown_below(shape, value)
    return branch(below, itself=not shape.required) or LEAF


def _grown_below(shape: Shape, value: Any) -> FieldSet:
    if isinstance(shape, Struct) and type(value) is dict:
        get = shape.fields.get
        return {
            f"f:{key}": below
            for key, item in value.items()
            if (field := get(key)) is not None and (below := _grown(field, item)) is not None
        }
    if isinstance(shape, MapOf) and type(value) is dict:
        item = shape.item
        return {f"f:{key}": _with_itself(_grown_below(item, held)) for key, held in value.items()}
    if isinstance(shape, Listing) and type(value) is list:
        item = shape.item
        elements = shape.elements(value)
        if elements is not None:
            return {key: _with_itself(_grown_below(item, held)) for key, held in elements.items()}
    return {}


def _compare(shape: Shape, old: Any, new: Any, key: str, into: Comparison) -> None:
    """Note under `key` how two different values differ."""
    below = Comparison({}, {}, {})
    if isinstance(shape, Struct) and type(old) is type(new) is dict and (old or new):
        _compare_fields(shape, old, new, below)
    elif isinstance(shape, MapOf) and type(old) is type(new) is dict and (old or new):
        _compare_items(shape.item, old, new, "f:", below)
    else:
        before, after = _elements(shape, old), _elements(shape, new)
        if not isinstance(shape, Listing) or before is None or after is None:
            into.modified[key] = LEAF
            return
        _compare_items(shape.item, before, after, "", below)
    if below.added:
        into.added[key] = below.added
    if below.modified:
        into.modified[key] = below.modified
    if below.removed:
        into.removed[key] = below.removed


def _elements(shape: Shape, value: Any) -> dict[str, Any] | None:
    return shape.elements(value) if isinstance(shape, Listing) and type(value) is list else None


def _compare_fields(shape: Struct, old: Json, new: Json, into: Comparison) -> None:
    get = shape.fields.get
    for key, after in new.items():
        before = old.get(key)
        if before == after and type(before) is type(after):
            continue
        field = get(key)
        if field is None:
            continue
        if before is None:
            below = _grown(field, after)
            if below is not None:
                into.added[f"f:{key}"] = below
        else:
            _compare(field, before, after, f"f:{key}", into)
    for key, before in old.items():
        if key not in new and (field := get(key)) is not None and (below := _grown(field, before)) is not None:
            into.removed[f"f:{key}"] = below


def _compare_items(item: Shape, old: Json, new: Json, prefix: str, into: Comparison) -> None:
    for key, after in new.items():
        if key not in old:
            into.added[prefix + key] = _with_itself(_grown_below(item, after))
        elif old[key] != after:
            _compare(item, old[key], after, prefix + key, into)
    for key, before in old.items():
        if key not in new:
            into.removed[prefix + key] = _with_itself(_grown_below(item, before))
