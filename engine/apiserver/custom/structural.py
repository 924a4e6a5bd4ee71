"""Structural schemas compiled, and what they do to an object before it is judged: pruning and defaulting. Pure.

Source: apiextensions-apiserver/pkg/apiserver/schema/{structural,pruning,defaulting}.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from engine.apiserver.schema.problems import Strict

Json = dict[str, Any]
MISSING: Any = object()
"""Stands for a value that is not there, where null is one that is."""

_TYPE_META = frozenset({"apiVersion", "kind", "metadata"})


@dataclass(slots=True, eq=False, kw_only=True)
class Schema:
    """One node of a schema; what every object meets is a field, what is rare stays in `raw`."""

    raw: Json
    type: str
    properties: Mapping[str, Schema]
    additional: Schema | None
    open: bool
    """additionalProperties: true."""
    items: Schema | None
    nullable: bool
    default: Any
    preserve: bool
    embedded: bool
    int_or_string: bool
    list_type: str
    list_keys: tuple[str, ...]
    required: tuple[str, ...]
    enum: tuple[Any, ...]
    pattern: Callable[[str], Any] | None
    bounds: bool
    """Whether limits of size or value are given."""
    branches: Mapping[str, tuple[Schema, ...]]
    """allOf, anyOf, oneOf and not."""
    rules: tuple[Json, ...]
    """x-kubernetes-validations."""
    defaults_below: bool
    rules_below: bool
    embedded_below: bool

    def child(self, name: str) -> Schema | None:
        """The schema of a property or of any other key."""
        return self.properties.get(name) or self.additional


_BOUNDS = (
    "maximum", "minimum", "maxLength", "minLength", "maxItems", "minItems", "uniqueItems", "maxProperties",
    "minProperties", "multipleOf", "format",
)  # fmt: skip


def compile_schema(raw: Any) -> Schema:
    """Compile a JSONSchemaProps; a boolean `true` is a schema that takes anything."""
    node: Json = raw if isinstance(raw, dict) else {}
    properties = {name: compile_schema(prop) for name, prop in (node.get("properties") or {}).items()}
    given = node.get("additionalProperties")
    additional = compile_schema(given) if isinstance(given, dict) else None
    items = compile_schema(node["items"]) if isinstance(node.get("items"), dict) else None
    branches = {
        word: tuple(compile_schema(branch) for branch in node[word])
        for word in ("allOf", "anyOf", "oneOf")
        if node.get(word)
    }
    if node.get("not") is not None:
        branches["not"] = (compile_schema(node["not"]),)
    below = [*properties.values(), *(part for part in (additional, items) if part is not None)]
    rules = tuple(node.get("x-kubernetes-validations") or ())
    embedded = bool(node.get("x-kubernetes-embedded-resource"))
    default = node.get("default", MISSING)
    pattern = node.get("pattern")
    return Schema(
        raw=node,
        type=node.get("type") or "",
        properties=properties,
        additional=additional,
        open=given is True,
        items=items,
        nullable=bool(node.get("nullable")),
        default=default,
        preserve=bool(node.get("x-kubernetes-preserve-unknown-fields")),
        embedded=embedded,
        int_or_string=bool(node.get("x-kubernetes-int-or-string")),
        list_type=node.get("x-kubernetes-list-type") or "",
        list_keys=tuple(node.get("x-kubernetes-list-map-keys") or ()),
        required=tuple(node.get("required") or ()),
        enum=tuple(node.get("enum") or ()),
        pattern=re.compile(translated(pattern)).search if pattern else None,
        bounds=any(word in node for word in _BOUNDS),
        branches=branches,
        rules=rules,
        defaults_below=default is not MISSING or any(part.defaults_below for part in below),
        rules_below=bool(rules) or any(part.rules_below for part in below),
        embedded_below=embedded or any(part.embedded_below for part in below),
    )


def translated(pattern: str) -> str:
    """A pattern of Go's regexp in Python's words: `$` is the very end, not before a last newline."""
    out: list[str] = []
    in_class = escaped = False
    for character in pattern:
        if escaped:
            out.append("Z" if character == "z" and not in_class else character)
            escaped = False
            continue
        escaped = character == "\\"
        if character == "[":
            in_class = True
        elif character == "]":
            in_class = False
        out.append(r"\Z" if character == "$" and not in_class else character)
    return "".join(out)


def prune(value: Any, schema: Schema, path: str, strict: Strict, *, root: bool = False) -> None:
    """Drop, in place, what the schema does not know; each loss is noted."""
    if type(value) is dict:
        _prune_object(value, schema, path, strict, root=root)
    elif type(value) is list and schema.items is not None:
        for position, element in enumerate(value):
            prune(element, schema.items, f"{path}[{position}]", strict)


def _prune_object(value: Json, schema: Schema, path: str, strict: Strict, *, root: bool) -> None:
    own = root or schema.embedded
    for key in list(value):
        if own and key in _TYPE_META:
            continue
        child = schema.child(key)
        here = f"{path}.{key}" if path else key
        if child is not None:
            prune(value[key], child, here, strict)
        elif not (schema.preserve or schema.open):
            strict.unknown(here)
            del value[key]


def set_defaults(value: Any, schema: Schema) -> None:
    """Fill in defaults, in place; a null that may not be null counts as absent."""
    if type(value) is dict:
        for name, prop in schema.properties.items():
            if name not in value or (value[name] is None and not prop.nullable):
                if prop.default is not MISSING:
                    value[name] = copied(prop.default)
                else:
                    # A null without a default goes too.
                    value.pop(name, None)
            if prop.defaults_below and name in value:
                set_defaults(value[name], prop)
        if schema.additional is not None and schema.additional.defaults_below:
            _default_others(value, schema, schema.additional)
    elif type(value) is list and schema.items is not None and schema.items.defaults_below:
        item = schema.items
        for position, element in enumerate(value):
            if element is None and not item.nullable and item.default is not MISSING:
                value[position] = copied(item.default)
            set_defaults(value[position], item)


def _default_others(value: Json, schema: Schema, additional: Schema) -> None:
    for name in value:
        if name in schema.properties:
            continue
        if value[name] is None and not additional.nullable and additional.default is not MISSING:
            value[name] = copied(additional.default)
        set_defaults(value[name], additional)


def copied(value: Any) -> Any:
    """A copy that shares nothing."""
    return msgspec.json.decode(msgspec.json.encode(value))
