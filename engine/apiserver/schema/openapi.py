"""The OpenAPI documents: v3 per group and version, v2 for all. Built when first asked for, kept as bytes.

Schemas are the published definitions, brought back from JSON schema to OpenAPI's dialect.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import msgspec

from engine.apiserver.custom.published import for_v2, list_schema
from engine.apiserver.registry.catalog import KINDS
from engine.apiserver.registry.kind import Kind
from engine.apiserver.schema import openapi_protobuf
from engine.apiserver.schema.definitions import VERSION, name_of, slices
from engine.apiserver.schema.discovery import Kinds, group_versions, kinds_of, response_kind
from engine.apiserver.schema.openapi_paths import paths_v2, paths_v3, type_name

Json = dict[str, Any]

_META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_ALWAYS = (f"{_META}.Status", f"{_META}.DeleteOptions", f"{_META}.Patch", f"{_META}.WatchEvent")
_REFERENCE = "#/$defs/"
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
# Types that are more than one in JSON, as each dialect says it.
_SCALARS_V3: Json = {
    _INT_OR_STRING: {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]},
    _QUANTITY: {"oneOf": [{"type": "string"}, {"type": "number"}]},
}
_SCALARS_V2: Json = {
    _INT_OR_STRING: {"format": "int-or-string", "type": "string"},
    _QUANTITY: {"type": "string"},
}
_INFO = {"title": "Kubernetes", "version": VERSION}
_HEAD_V2: Json = {"swagger": "2.0", "info": _INFO}
# The package lists the values of these two; Kubernetes' own documents do not.
_TYPE_META = frozenset({"apiVersion", "kind"})


def index(kinds: Kinds = KINDS) -> bytes:
    """/openapi/v3: where the documents are; the address of one changes with it, so that clients may keep it."""
    paths = {
        path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={_hash(path, kinds)}"}
        for path in map(_path, group_versions(kinds))
    }
    return msgspec.json.encode({"paths": paths})


def _hash(path: str, kinds: Kinds) -> str:
    return _digest(document_v3(path, kinds) or b"")


@lru_cache(256)
def _digest(body: bytes) -> str:
    return hashlib.sha512(body).hexdigest().upper()


def _path(group_version: tuple[str, str]) -> str:
    group, version = group_version
    return f"apis/{group}/{version}" if group else f"api/{version}"


def document_v3(path: str, kinds: Kinds = KINDS) -> bytes | None:
    """The document of `api/v1` or `apis/GROUP/VERSION`; None when nothing is served there."""
    found = next((pair for pair in group_versions(kinds) if _path(pair) == path), None)
    return _document_v3(_described(kinds_of(*found, kinds))) if found is not None else None


@lru_cache(256)
def _document_v3(kinds: Kinds) -> bytes:
    return msgspec.json.encode(
        {
            "openapi": "3.0.0",
            "info": _INFO,
            "paths": paths_v3(kinds),
            "components": {"schemas": _schemas(kinds, _v3, _SCALARS_V3)},
        }
    )


@lru_cache(4)
def document_v2(kinds: Kinds = KINDS) -> bytes:
    """/openapi/v2: all groups in one document."""
    own, users = _by_origin(kinds)
    paths, definitions = _parts_v2(own)
    if users:
        more_paths, more = _parts_v2(users)
        paths, definitions = {**paths, **more_paths}, {**more, **definitions}
    return msgspec.json.encode({**_HEAD_V2, "paths": paths, "definitions": definitions})


@lru_cache(4)
def protobuf_v2(kinds: Kinds = KINDS) -> bytes:
    """The same as protobuf. A definition that both parts have stands twice, and says the same."""
    return openapi_protobuf.document(_HEAD_V2, *(_protobuf_part(part) for part in _by_origin(kinds) if part))


@lru_cache(4)
def _protobuf_part(kinds: Kinds) -> bytes:
    return openapi_protobuf.part(*_parts_v2(kinds))


def _by_origin(kinds: Kinds) -> tuple[Kinds, Kinds]:
    """The built-in kinds, and those that users defined."""
    own = tuple(kind for kind in kinds if kind.published is None)
    return own, tuple(kind for kind in kinds if kind.published is not None)


@lru_cache(4)
def _parts_v2(kinds: Kinds) -> tuple[Json, Json]:
    """Paths and definitions; those of the built-in kinds are made once, whatever users define."""
    in_order = [kind for pair in group_versions(kinds) for kind in _described(kinds_of(*pair, kinds))]
    return paths_v2(in_order), _schemas(in_order, _v2, _SCALARS_V2)


def _described(kinds: Iterable[Kind]) -> Kinds:
    """Those of which somebody says what they are like."""
    return tuple(kind for kind in kinds if kind.published is not None or type_name(kind) in slices())


def _names(kinds: Iterable[Kind]) -> list[str]:
    """The definitions that the kinds need by themselves; those that they refer to follow from them."""
    names: dict[str, None] = dict.fromkeys(_ALWAYS)
    for kind in kinds:
        name = type_name(kind)
        names[name] = None
        names[f"{name}List"] = None
        for sub in kind.subresources.values():
            if sub.kind:
                names[name_of(*response_kind(kind, sub))] = None
    return list(names)


def _users_types(kinds: Iterable[Kind]) -> Json:
    """The definitions of kinds that users made, by name."""
    types: Json = {}
    for kind in kinds:
        if kind.published is not None:
            types[kind.definition] = kind.published
            types[f"{kind.definition}List"] = list_schema(kind.definition, kind.group, kind.version, kind.kind)
    return types


def _schemas(kinds: Iterable[Kind], dialect: Callable[[Json], Json], scalars: Json) -> Json:
    published = slices()
    types = _users_types(kinds)
    schemas: Json = {}
    waiting = _names(kinds)
    while waiting:
        name = waiting.pop()
        if name in schemas or (name not in published and name not in types):
            continue
        if name in types:
            schema: Json = for_v2(types[name]) if dialect is _v2 else types[name]
            schemas[name] = {**schema, "properties": dialect(schema).get("properties", {})}
            waiting += _targets(schema)
            continue
        schema = msgspec.json.decode(published[name])
        waiting += (target for target in _targets(schema) if target not in schemas)
        schemas[name] = dialect(schema) | scalars.get(name, {})
    return dict(sorted(schemas.items()))


def _targets(schema: Any) -> list[str]:
    found: list[str] = []
    if isinstance(schema, dict):
        fields: Json = schema
        reference = fields.get("$ref")
        if isinstance(reference, str):
            found.append(reference.removeprefix(_REFERENCE))
        for value in fields.values():
            found += _targets(value)
    elif isinstance(schema, list):
        items: list[Any] = schema
        for value in items:
            found += _targets(value)
    return found


def _v3(schema: Json) -> Json:
    return _convert(schema, "#/components/schemas/", wrap_references=True)


def _v2(schema: Json) -> Json:
    return _convert(schema, "#/definitions/", wrap_references=False)


def _convert(schema: Json, prefix: str, *, wrap_references: bool) -> Json:
    """Translate one schema; OpenAPI v3 knows no words beside a reference, so there it is wrapped in `allOf`."""
    converted: Json = {}
    for word, value in schema.items():
        match word:
            case "$ref":
                reference = {"$ref": prefix + value.removeprefix(_REFERENCE)}
                if wrap_references:
                    converted["allOf"] = [reference]
                else:
                    converted.update(reference)
            case "type":
                converted["type"] = next(name for name in value if name != "null") if isinstance(value, list) else value
            case "oneOf":
                pass  # only scalars have it, see above
            case "properties":
                fields = {name: _convert(item, prefix, wrap_references=wrap_references) for name, item in value.items()}
                for name in _TYPE_META & fields.keys():
                    fields[name].pop("enum", None)
                converted["properties"] = fields
            case "items" | "additionalProperties" if isinstance(value, dict):
                converted[word] = _convert(value, prefix, wrap_references=wrap_references)
            case _:
                converted[word] = value
    return converted
