"""The OpenAPI documents: v3 per group and version, v2 for all. Built when first asked for, kept as bytes.

Schemas are the published definitions, brought back from JSON schema to OpenAPI's dialect.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import msgspec

from engine.apiserver.registry.catalog import group_versions
from engine.apiserver.registry.kind import Kind
from engine.apiserver.schema.definitions import VERSION, name_of, slices
from engine.apiserver.schema.discovery import kinds_of, response_kind
from engine.apiserver.schema.openapi_paths import paths_v2, paths_v3

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
# The package lists the values of these two; Kubernetes' own documents do not.
_TYPE_META = frozenset({"apiVersion", "kind"})


@cache
def index() -> bytes:
    """/openapi/v3: where the documents are; the address of one changes with it, so that clients may keep it."""
    paths = {
        path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={_hash(path)}"} for path in map(_path, group_versions())
    }
    return msgspec.json.encode({"paths": paths})


def _hash(path: str) -> str:
    return hashlib.sha512(document_v3(path) or b"").hexdigest().upper()


def _path(group_version: tuple[str, str]) -> str:
    group, version = group_version
    return f"apis/{group}/{version}" if group else f"api/{version}"


@cache
def document_v3(path: str) -> bytes | None:
    """The document of `api/v1` or `apis/GROUP/VERSION`; None when nothing is served there."""
    found = next((pair for pair in group_versions() if _path(pair) == path), None)
    if found is None:
        return None
    kinds = kinds_of(*found)
    return msgspec.json.encode(
        {
            "openapi": "3.0.0",
            "info": _INFO,
            "paths": paths_v3(kinds),
            "components": {"schemas": _schemas(_names(kinds), _v3, _SCALARS_V3)},
        }
    )


@cache
def document_v2() -> bytes:
    """/openapi/v2: all groups in one document."""
    kinds = [kind for pair in group_versions() for kind in kinds_of(*pair)]
    return msgspec.json.encode(
        {
            "swagger": "2.0",
            "info": _INFO,
            "paths": paths_v2(kinds),
            "definitions": _schemas(_names(kinds), _v2, _SCALARS_V2),
        }
    )


def _names(kinds: Iterable[Kind]) -> list[str]:
    """The definitions that the kinds need by themselves; those that they refer to follow from them."""
    names: dict[str, None] = dict.fromkeys(_ALWAYS)
    for kind in kinds:
        name = name_of(kind.group, kind.version, kind.kind)
        names[name] = None
        names[f"{name}List"] = None
        for sub in kind.subresources.values():
            names[name_of(*response_kind(kind, sub))] = None
    return list(names)


def _schemas(names: list[str], dialect: Callable[[Json], Json], scalars: Json) -> Json:
    published = slices()
    schemas: Json = {}
    waiting = names
    while waiting:
        name = waiting.pop()
        if name in schemas or name not in published:
            continue
        schema: Json = msgspec.json.decode(published[name])
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
