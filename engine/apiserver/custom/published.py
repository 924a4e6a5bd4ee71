"""A custom kind's schema as the OpenAPI documents show it. Pure.

Source: apiextensions-apiserver/pkg/controller/openapi/builder.
"""

from __future__ import annotations

from typing import Any

from engine.apiserver.registry.kind import Json

_META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_API_VERSION: Json = {
    "type": "string",
    "description": "APIVersion defines the versioned schema of this representation of an object. Servers should convert"
    " recognized schemas to the latest internal value, and may reject unrecognized values. More info:"
    " https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources",
}
_KIND: Json = {
    "type": "string",
    "description": "Kind is a string value representing the REST resource this object represents. Servers may infer"
    " this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info:"
    " https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds",
}
_METADATA: Json = {
    "$ref": f"#/$defs/{_META}.ObjectMeta",
    "description": "Standard object's metadata. More info:"
    " https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata",
}
_V2_DROPS = frozenset({"nullable", "oneOf", "anyOf", "allOf", "not", "default"})


def name_of(group: str, version: str, kind: str) -> str:
    """The definition's name: `com.example.stable.v1.CronTab`."""
    return f"{'.'.join(reversed(group.split('.')))}.{version}.{kind}"


def schema(raw: Json, group: str, version: str, kind: str) -> Json:
    """The definition of the kind and, under its name with `List`, of its lists."""
    properties: Json = {**(raw.get("properties") or {})}
    properties.update({"apiVersion": _API_VERSION, "kind": _KIND, "metadata": _METADATA})
    return {
        **raw,
        "type": "object",
        "properties": properties,
        "x-kubernetes-group-version-kind": [{"group": group, "version": version, "kind": kind}],
    }


def list_schema(definition: str, group: str, version: str, kind: str) -> Json:
    """The definition of a list of the kind."""
    return {
        "type": "object",
        "description": f"{kind}List is a list of {kind}",
        "required": ["items"],
        "properties": {
            "apiVersion": _API_VERSION,
            "kind": _KIND,
            "metadata": {"$ref": f"#/$defs/{_META}.ListMeta", "description": "Standard list metadata."},
            "items": {"type": "array", "description": "List of objects.", "items": {"$ref": f"#/$defs/{definition}"}},
        },
        "x-kubernetes-group-version-kind": [{"group": group, "version": version, "kind": f"{kind}List"}],
    }


def for_v2(node: Any) -> Any:
    """A schema in the words of OpenAPI 2, which are fewer."""
    if not isinstance(node, dict):
        return node
    out: Json = {}
    for word, value in node.items():
        if word in _V2_DROPS:
            continue
        if word == "properties" and isinstance(value, dict):
            out[word] = {name: for_v2(child) for name, child in value.items()}
        elif word in ("items", "additionalProperties"):
            out[word] = for_v2(value)
        else:
            out[word] = value
    if node.get("x-kubernetes-preserve-unknown-fields") and "$ref" not in node:
        # Clients of the old document must not think that they know all fields.
        out.pop("properties", None)
        out.pop("type", None)
    return out
