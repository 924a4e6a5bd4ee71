"""What a schema may say: structural, known words, patterns that compile, defaults that fit.

Source: apiextensions-apiserver/pkg/apiserver/schema/validation.go and .../apiextensions/validation/validation.go.
"""

from __future__ import annotations

import re
from typing import Any

from apimachinery.objects.field import FieldError, forbidden, invalid, not_supported, required
from engine.apiserver.custom.structural import compile_schema, translated
from engine.apiserver.custom.values import errors_of as value_errors
from engine.apiserver.registry.apiextensions.cel_rules import append_rule_errors
from engine.apiserver.registry.kind import Json

_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_LIST_TYPES = ("atomic", "map", "set")
_FORBIDDEN: dict[str, str] = {
    "$ref": "$ref is not supported",
    "definitions": "definitions is not supported",
    "dependencies": "dependencies is not supported",
    "patternProperties": "patternProperties is not supported",
    "additionalItems": "additionalItems is not supported",
    "id": "id is not supported",
    "deprecated": "deprecated is not supported",
}


def schema_errors(schema: Json, path: str) -> list[FieldError]:
    """Judge the schema of one version."""
    errors: list[FieldError] = []
    if not schema.get("type"):
        errors.append(required(f"{path}.type", "must not be empty at the root"))
    elif schema["type"] != "object":
        errors.append(invalid(f"{path}.type", schema["type"], "must be object at the root"))
    _append_errors(errors, schema, path, root=True)
    metadata = (schema.get("properties") or {}).get("metadata") or {}
    unknown = sorted(set(metadata) - {"type", "description", "properties", "x-kubernetes-validations"})
    if unknown:
        text = "must not specify anything other than name and generateName, but metadata is implicitly specified"
        errors.append(forbidden(f"{path}.properties[metadata]", text))
    return errors


def _append_errors(
    errors: list[FieldError], node: Json, path: str, *, root: bool = False, uncorrelated: str = ""
) -> None:
    """`uncorrelated`: where the list stands whose elements cannot be told from what they were before, if in one."""
    _append_word_errors(errors, node, path)
    if not root and not node.get("type") and not _untyped(node):
        kind = "array items" if path.endswith(".items") else "object fields"
        errors.append(required(f"{path}.type", f"must not be empty for specified {kind}"))
    properties: Json = node.get("properties") or {}
    additional: Any = node.get("additionalProperties")
    if properties and additional is not None and additional is not False:
        text = "additionalProperties and properties are mutual exclusive"
        errors.append(forbidden(f"{path}.additionalProperties", text))
    elif additional is False:
        errors.append(forbidden(f"{path}.additionalProperties", "must not be set to false"))
    for name, child in properties.items():
        _append_errors(errors, child, f"{path}.properties[{name}]", uncorrelated=uncorrelated)
    if isinstance(additional, dict):
        _append_errors(errors, additional, f"{path}.additionalProperties", uncorrelated=uncorrelated)
    items: Any = node.get("items")
    if isinstance(items, list):
        errors.append(forbidden(f"{path}.items", "items must be a schema object and not an array"))
    elif isinstance(items, dict):
        told_apart = node.get("x-kubernetes-list-type") == "map"
        _append_errors(errors, items, f"{path}.items", uncorrelated=uncorrelated or ("" if told_apart else path))
    elif node.get("type") == "array":
        errors.append(required(f"{path}.items", "must be specified"))
    if "default" in node and not errors:
        _append_default_errors(errors, node, path)
    for position, rule in enumerate(node.get("x-kubernetes-validations") or ()):
        append_rule_errors(errors, rule, node, f"{path}.x-kubernetes-validations[{position}]", uncorrelated)


def _untyped(node: Json) -> bool:
    """Whether the type is said in another way."""
    return bool(node.get("x-kubernetes-int-or-string") or node.get("x-kubernetes-preserve-unknown-fields"))


def _append_word_errors(errors: list[FieldError], node: Json, path: str) -> None:
    errors += (forbidden(f"{path}.{word}", text) for word, text in _FORBIDDEN.items() if node.get(word))
    kind = node.get("type") or ""
    if kind and kind not in _TYPES:
        errors.append(not_supported(f"{path}.type", kind, _TYPES))
    if node.get("uniqueItems"):
        text = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        errors.append(forbidden(f"{path}.uniqueItems", text))
    if node.get("x-kubernetes-int-or-string") and kind:
        errors.append(forbidden(f"{path}.type", "must be empty if x-kubernetes-int-or-string is true"))
    if node.get("x-kubernetes-embedded-resource") and kind != "object":
        errors.append(invalid(f"{path}.type", kind, "must be object if x-kubernetes-embedded-resource is true"))
    pattern = node.get("pattern")
    if pattern:
        try:
            re.compile(translated(pattern))
        except re.error as error:
            text = f"must be a valid regular expression, but isn't: error parsing regexp: {error}"
            errors.append(invalid(f"{path}.pattern", pattern, text))
    _append_list_errors(errors, node, path, kind)


def _append_list_errors(errors: list[FieldError], node: Json, path: str, kind: str) -> None:
    list_type = node.get("x-kubernetes-list-type")
    keys: list[str] = node.get("x-kubernetes-list-map-keys") or []
    if list_type is not None and list_type not in _LIST_TYPES:
        errors.append(not_supported(f"{path}.x-kubernetes-list-type", list_type, _LIST_TYPES))
    if list_type is not None and kind != "array":
        errors.append(invalid(f"{path}.type", kind, "must be array if x-kubernetes-list-type is specified"))
    if list_type == "map" and not keys:
        text = "must not be empty if x-kubernetes-list-type is map"
        errors.append(required(f"{path}.x-kubernetes-list-map-keys", text))
    if keys and list_type != "map":
        text = "must be map if x-kubernetes-list-map-keys is non-empty"
        errors.append(invalid(f"{path}.x-kubernetes-list-type", list_type or "", text))
    item: Any = node.get("items")
    if list_type == "map" and isinstance(item, dict):
        for position, key in enumerate(keys):
            if key not in (item.get("properties") or {}):
                text = "entries in x-kubernetes-list-map-keys must all be the names of item properties"
                errors.append(invalid(f"{path}.x-kubernetes-list-map-keys[{position}]", key, text))


def _append_default_errors(errors: list[FieldError], node: Json, path: str) -> None:
    for error in value_errors(node["default"], compile_schema(node)):
        where = f"{path}.default" if error.field == "<nil>" else f"{path}.default.{error.field}"
        errors.append(FieldError(kind=error.kind, field=where, value=error.value, detail=error.detail))
