"""The OpenAPI 2 document as protobuf: what kubectl reads to learn whether a kind is known at all. Pure.

The messages and their numbers are those of openapi.v2 in google/gnostic-models, openapiv2/OpenAPIv2.proto; of these the
table has what our documents use. What OpenAPI 2 has no field for is left out, as upstream does.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

Json = dict[str, Any]
Table = Mapping[str, tuple[int, str]]

# How a field is written: `text`, `flag`, `whole`, `real`, `any` (JSON as text), `texts` and `anys` for lists of them, a
# message, or `[Message]` for a list of messages.
_NON_BODY: Table = {
    "required": (1, "flag"),
    "in": (2, "text"),
    "description": (3, "text"),
    "name": (4, "text"),
}
_MESSAGES: Mapping[str, Table] = {
    "Document": {
        "swagger": (1, "text"),
        "info": (2, "Info"),
        "paths": (8, "Paths"),
        "definitions": (9, "Definitions"),
    },
    "Info": {"title": (1, "text"), "version": (2, "text"), "description": (3, "text")},
    "PathItem": {
        "get": (2, "Operation"),
        "put": (3, "Operation"),
        "post": (4, "Operation"),
        "delete": (5, "Operation"),
        "options": (6, "Operation"),
        "head": (7, "Operation"),
        "patch": (8, "Operation"),
        "parameters": (9, "[Parameter]"),
    },
    "Operation": {
        "tags": (1, "texts"),
        "summary": (2, "text"),
        "description": (3, "text"),
        "operationId": (5, "text"),
        "produces": (6, "texts"),
        "consumes": (7, "texts"),
        "parameters": (8, "[Parameter]"),
        "responses": (9, "Responses"),
        "schemes": (10, "texts"),
        "deprecated": (11, "flag"),
    },
    "BodyParameter": {
        "description": (1, "text"),
        "name": (2, "text"),
        "in": (3, "text"),
        "required": (4, "flag"),
        "schema": (5, "Schema"),
    },
    "QueryParameter": {**_NON_BODY, "type": (6, "text"), "format": (7, "text"), "uniqueItems": (20, "flag")},
    "PathParameter": {**_NON_BODY, "type": (5, "text"), "format": (6, "text"), "uniqueItems": (19, "flag")},
    "Response": {"description": (1, "text"), "schema": (2, "SchemaItem")},
    "Schema": {
        "$ref": (1, "text"),
        "format": (2, "text"),
        "title": (3, "text"),
        "description": (4, "text"),
        "default": (5, "any"),
        "multipleOf": (6, "real"),
        "maximum": (7, "real"),
        "exclusiveMaximum": (8, "flag"),
        "minimum": (9, "real"),
        "exclusiveMinimum": (10, "flag"),
        "maxLength": (11, "whole"),
        "minLength": (12, "whole"),
        "pattern": (13, "text"),
        "maxItems": (14, "whole"),
        "minItems": (15, "whole"),
        "uniqueItems": (16, "flag"),
        "maxProperties": (17, "whole"),
        "minProperties": (18, "whole"),
        "required": (19, "texts"),
        "enum": (20, "anys"),
        "additionalProperties": (21, "AdditionalProperties"),
        "type": (22, "Type"),
        "items": (23, "Items"),
        "allOf": (24, "[Schema]"),
        "properties": (25, "Properties"),
        "discriminator": (26, "text"),
        "readOnly": (27, "flag"),
        "externalDocs": (29, "ExternalDocs"),
        "example": (30, "any"),
    },
    "ExternalDocs": {"description": (1, "text"), "url": (2, "text")},
}
# Where a message keeps the fields that begin with `x-`.
_EXTENSIONS = {
    "PathItem": 10,
    "Operation": 13,
    "BodyParameter": 6,
    "QueryParameter": 23,
    "PathParameter": 22,
    "Response": 5,
    "Schema": 31,
}


def document(head: Json, *parts: bytes) -> bytes:
    """A document of `head`, which is all of it but these, and the paths and definitions of the parts."""
    return b"".join((_message("Document", head), *parts))


def part(paths: Json, definitions: Json) -> bytes:
    """Paths and definitions as a piece of a document: readers merge such pieces into one."""
    described = b"".join([_pair(2, path, _message("PathItem", item)) for path, item in paths.items()])
    named = b"".join([_pair(1, name, _message("Schema", schema)) for name, schema in definitions.items()])
    return _delimited(8, described) + _delimited(9, named)


def _message(name: str, value: Json) -> bytes:
    special = _SPECIAL.get(name)
    if special is not None:
        return special(value)
    table = _MESSAGES[name]
    pieces: list[bytes] = []
    for word, content in value.items():
        field = table.get(word)
        if field is not None:
            pieces.append(_field(*field, content))
        elif word.startswith("x-") and name in _EXTENSIONS:
            pieces.append(_pair(_EXTENSIONS[name], word, _any(content)))
    return b"".join(pieces)


def _field(number: int, kind: str, value: Any) -> bytes:
    match kind:
        case "text":
            return _delimited(number, value.encode()) if value else b""
        case "texts":
            return b"".join([_delimited(number, text.encode()) for text in value])
        case "flag":
            return _varint(number << 3) + b"\1" if value else b""
        case "whole":
            return _varint(number << 3) + _varint(value & 0xFFFFFFFFFFFFFFFF) if value else b""
        case "real":
            return _varint(number << 3 | 1) + struct.pack("<d", value) if value else b""
        case "any":
            return _delimited(number, _any(value))
        case "anys":
            return b"".join([_delimited(number, _any(item)) for item in value])
        case _ if kind.startswith("["):
            return b"".join([_delimited(number, _message(kind[1:-1], item)) for item in value])
        case _:
            return _delimited(number, _message(kind, value))


# Messages that are more than a table of fields.


def _properties(value: Json) -> bytes:
    return b"".join([_pair(1, name, _message("Schema", schema)) for name, schema in value.items()])


def _responses(value: Json) -> bytes:
    return b"".join([_pair(1, code, _delimited(1, _message("Response", answer))) for code, answer in value.items()])


def _parameter(value: Json) -> bytes:
    """One of the kinds of parameters, each wrapped as deep as the messages have it."""
    if value["in"] == "body":
        return _delimited(1, _delimited(1, _message("BodyParameter", value)))
    number, name = (3, "QueryParameter") if value["in"] == "query" else (4, "PathParameter")
    return _delimited(1, _delimited(2, _delimited(number, _message(name, value))))


def _additional_properties(value: Any) -> bytes:
    if isinstance(value, bool):
        return b"\x10\1" if value else b"\x10\0"
    return _delimited(1, _message("Schema", value))


def _items(value: Any) -> bytes:
    schemas: list[Json] = value if isinstance(value, list) else [value]
    return b"".join([_delimited(1, _message("Schema", schema)) for schema in schemas])


def _type(value: Any) -> bytes:
    return _field(1, "texts", value if isinstance(value, list) else [value])


def _any(value: Any) -> bytes:
    """Readers take it for YAML, which JSON is as well."""
    return _delimited(2, msgspec.json.encode(value) + b"\n")


_SPECIAL: Mapping[str, Callable[[Any], bytes]] = {
    "AdditionalProperties": _additional_properties,
    "Items": _items,
    "Parameter": _parameter,
    "Properties": _properties,
    "Responses": _responses,
    "SchemaItem": lambda value: _delimited(1, _message("Schema", value)),
    "Type": _type,
}


# The wire format.


def _pair(number: int, name: str, value: bytes) -> bytes:
    return _delimited(number, _delimited(1, name.encode()) + _delimited(2, value))


def _delimited(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
