"""Laying a configuration over an object, and taking fields out of an object, by the shape of its type."""

from __future__ import annotations

from typing import Any

from engine.apiserver.fieldmanagement.fieldset import LEAF, SELF, FieldSet
from engine.apiserver.fieldmanagement.shapes import Listing, MapOf, Shape, Struct

Json = dict[str, Any]


def merge(shape: Struct, live: Json, config: Json) -> Json:
    """The object with all that the configuration says. Neither is changed."""
    merged = dict(live)
    fields = shape.fields
    for key, value in config.items():
        field = fields.get(key)
        if field is not None:
            merged[key] = _merged(field, live[key], value) if key in live else value
    return merged


def remove(shape: Shape, value: Any, fields: FieldSet) -> Any:
    """The value without the fields named; None when nothing is left of it."""
    if isinstance(shape, Struct) and type(value) is dict:
        get = shape.fields.get
        return _without({key: (f"f:{key}", get(key), item) for key, item in value.items()}, fields)
    if isinstance(shape, MapOf) and type(value) is dict:
        return _without({key: (f"f:{key}", shape.item, item) for key, item in value.items()}, fields)
    if isinstance(shape, Listing) and type(value) is list:
        elements = shape.elements(value)
        if elements is not None:
            kept = _without({key: (key, shape.item, item) for key, item in elements.items()}, fields)
            return None if kept is None else list(kept.values())
    return value


def with_named_fields(shape: Shape, fields: FieldSet) -> FieldSet:
    """The set with each struct field in it of which it holds something below."""
    return {
        key: _named(below, key[2:] if key.startswith("f:") else "", shape, root_key=key)
        for key, below in fields.items()
        if key != SELF
    } | ({SELF: LEAF} if SELF in fields else {})


def _named(below: FieldSet, name: str, shape: Shape, *, root_key: str) -> FieldSet:
    if not below:
        return LEAF
    field: Shape | None = None
    itself = False
    if isinstance(shape, Struct):
        field = shape.fields.get(name)
        itself = field is not None
    elif isinstance(shape, (MapOf, Listing)) and root_key != SELF:
        field = shape.item
    named = with_named_fields(field, below) if field is not None else below
    return {SELF: LEAF, **named} if itself else named


def _without(parts: dict[str, tuple[str, Shape | None, Any]], fields: FieldSet) -> Json | None:
    kept: Json = {}
    for key, (element, shape, item) in parts.items():
        named = fields.get(element)
        if named is None or shape is None:
            kept[key] = item
        elif named and SELF not in named:
            left = remove(shape, item, named)
            if left is not None:
                kept[key] = left
    return kept or None


def _merged(shape: Shape, live: Any, config: Any) -> Any:
    if type(live) is not type(config):
        return config
    if isinstance(shape, Struct) and type(config) is dict:
        return merge(shape, live, config)
    if isinstance(shape, MapOf) and type(config) is dict:
        merged = dict(live)
        for key, value in config.items():
            merged[key] = _merged(shape.item, live[key], value) if key in live else value
        return merged
    if isinstance(shape, Listing) and type(config) is list:
        theirs, ours = shape.elements(live), shape.elements(config)
        if theirs is not None and ours is not None:
            return _merged_elements(shape.item, theirs, ours)
    return config


def _merged_elements(item: Shape, live: Json, config: Json) -> list[Any]:
    """The elements of both: the configuration's order, in which the object's own keep their places as far as they can.

    The walk is upstream's (typed/merge.go), so that orders come out the same.
    """

    def taken(key: str) -> Any:
        return _merged(item, live[key], config[key]) if key in live else config[key]

    ours, theirs = list(config), list(live)
    shared = iter([key for key in ours if key in live])
    next_shared = next(shared, None)
    merged: dict[str, Any] = {}
    left = right = 0
    while left < len(theirs) or right < len(ours):
        if left < len(theirs):
            key = theirs[left]
            if right < len(ours) and key in config and key != ours[right] and next_shared not in (None, key):
                left += 1
                continue
            if key not in config:
                merged[key] = live[key]
                left += 1
                continue
            if key in merged or (right < len(ours) and key == ours[right]):
                left += 1
        if right < len(ours):
            key = ours[right]
            merged[key] = taken(key)
            right += 1
            if key == next_shared:
                next_shared = next(shared, None)
    return list(merged.values())
