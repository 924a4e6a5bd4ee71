"""x-kubernetes-embedded-resource: whole objects within custom ones, whose metadata is the API's like any other's. Pure.

Source: apiextensions-apiserver/pkg/apiserver/schema/objectmeta.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apimachinery.objects.field import FieldError, invalid, required
from engine.apiserver.custom.structural import Schema
from engine.apiserver.registry import names
from engine.apiserver.registry.kind import Json
from engine.apiserver.registry.metadata import append_annotation_errors, append_label_errors
from engine.apiserver.schema.problems import Strict, Where, WrongType
from engine.apiserver.schema.types import named_type

_METADATA = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


def coerce(value: Any, schema: Schema, where: Where, strict: Strict, *, lenient: bool = False) -> None:
    """Bring embedded metadata into the form that its type has, in place.

    What is malformed raises WrongType, or is dropped where `lenient`: what is stored already must stay readable.
    """
    if not schema.embedded_below:
        return
    if type(value) is dict:
        if schema.embedded:
            _coerce_object(value, where, strict, lenient=lenient)
        for name, element in value.items():
            child = schema.child(name)
            if child is not None:
                coerce(element, child, where.child(name, ""), strict, lenient=lenient)
    elif type(value) is list and schema.items is not None:
        for position, element in enumerate(value):
            coerce(element, schema.items, where.index(position), strict, lenient=lenient)


def _coerce_object(value: Json, where: Where, strict: Strict, *, lenient: bool) -> None:
    for name in ("apiVersion", "kind"):
        if lenient and name in value and not isinstance(value[name], str):
            del value[name]
    metadata = value.get("metadata")
    if metadata is None:
        value.pop("metadata", None)
        return
    kind, place = named_type(_METADATA), where.child("metadata", "ObjectMeta")
    if not lenient or not isinstance(metadata, dict):
        try:
            value["metadata"] = kind.decode(metadata, place, strict)
        except WrongType:
            if not lenient:
                raise
            del value["metadata"]
        return
    kept: Json = {}
    for name, part in metadata.items():
        try:
            kept.update(kind.decode({name: part}, place, strict))
        except WrongType:
            continue
    value["metadata"] = kept


def errors_of(value: Any, schema: Schema, path: str = "") -> Iterator[FieldError]:
    """What is wrong with embedded objects' apiVersion, kind and metadata."""
    if not schema.embedded_below:
        return
    if type(value) is dict:
        if schema.embedded:
            yield from _object_errors(value, path)
        for name, element in value.items():
            child = schema.child(name)
            if child is not None:
                here = f"{path}[{name}]" if name not in schema.properties else f"{path}.{name}" if path else name
                yield from errors_of(element, child, here)
    elif type(value) is list and schema.items is not None:
        for position, element in enumerate(value):
            yield from errors_of(element, schema.items, f"{path}[{position}]")


def _object_errors(value: Json, path: str) -> Iterator[FieldError]:
    for name in ("apiVersion", "kind"):
        if name not in value:
            yield required(f"{path}.{name}", "")
        elif not isinstance(value[name], str):
            yield invalid(f"{path}.{name}", value[name], "must be a string")
        elif not value[name]:
            yield invalid(f"{path}.{name}", "", "must not be empty")
    version, kind = value.get("apiVersion"), value.get("kind")
    if isinstance(version, str) and version.count("/") > 1:
        yield invalid(f"{path}.apiVersion", version, f"unexpected GroupVersion string: {version}")
    if isinstance(kind, str) and kind and (messages := names.dns_1035_label(kind.lower())):
        text = f"may have mixed case, but should otherwise match: {','.join(messages)}"
        yield invalid(f"{path}.kind", kind, text)
    metadata = value.get("metadata")
    if isinstance(metadata, dict):
        yield from _metadata_errors(metadata, f"{path}.metadata")


def _metadata_errors(metadata: Json, path: str) -> Iterator[FieldError]:
    for field in ("name", "generateName"):
        name = metadata.get(field) or ""
        if field == "name" and name in (".", ".."):
            yield invalid(f"{path}.name", name, f"may not be '{name}'")
        for character in "/%":
            if character in name:
                yield invalid(f"{path}.{field}", name, f"may not contain '{character}'")
    namespace = metadata.get("namespace") or ""
    if namespace:
        yield from (invalid(f"{path}.namespace", namespace, text) for text in names.dns_label(namespace))
    errors: list[FieldError] = []
    append_label_errors(errors, metadata.get("labels") or {}, f"{path}.labels")
    append_annotation_errors(errors, metadata.get("annotations") or {}, f"{path}.annotations")
    yield from errors
    for finalizer in metadata.get("finalizers") or ():
        yield from (invalid(f"{path}.finalizers", finalizer, text) for text in names.qualified_name(finalizer))
