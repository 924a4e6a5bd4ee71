"""Printer columns and selectable fields that a CustomResourceDefinition names by JSONPath. Pure.

Source: apiextensions-apiserver/pkg/registry/customresource/tableconvertor.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import msgspec

from apimachinery.objects.jsonpath import PathError, compile_path
from engine.apiserver.registry.kind import Cell, Column, Json, Since

Find = Callable[[Any], list[Any]]
_AGE = (
    "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed "
    "to be set in happens-before order across separate operations. Clients may not set this value. It is represented "
    "in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
)


def columns(version: Json) -> tuple[Column, ...]:
    """The columns of one version; kubectl shows the name and the age where none are named."""
    named: list[Json] = version.get("additionalPrinterColumns") or [
        {"name": "Age", "type": "date", "description": _AGE, "jsonPath": ".metadata.creationTimestamp"}
    ]
    return (Column(name="Name", format="name", cell=_name), *(_column(one) for one in named))


def _name(view: Json) -> Cell:
    return view["metadata"].get("name", "")


def _column(given: Json) -> Column:
    path = given.get("jsonPath", "")
    return Column(
        name=given.get("name", ""),
        type=given.get("type", "string"),
        format=given.get("format") or "",
        description=given.get("description") or f"Custom resource definition column (in JSONPath format): {path}",
        priority=given.get("priority") or 0,
        cell=partial(_cell, finder(path), given.get("type", "string")),
    )


def finder(path: str) -> Find:
    """What a path finds; a path that we do not know finds nothing."""
    try:
        return compile_path(path)
    except PathError:
        return lambda _value: []


def _cell(find: Find, kind: str, view: Json) -> Cell:
    found = find(view)
    if not found:
        return None
    value = found[0]
    match kind:
        case "integer":
            return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
        case "number":
            return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
        case "boolean":
            return value if isinstance(value, bool) else None
        case "date":
            return _ago(value) if isinstance(value, str) else None
        case _:
            return _printed(value)


def _ago(text: str) -> Cell:
    try:
        return Since(datetime.fromisoformat(text).timestamp())
    except ValueError:
        return "<invalid>"


def _printed(value: Any) -> str:
    match value:
        case str():
            return value
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case _:
            return msgspec.json.encode(value).decode()


def field_labels(version: Json) -> Callable[[Json], dict[str, str]]:
    """Selectable fields besides name and namespace: `spec.color` for the path `.spec.color`."""
    paths: list[str] = [field["jsonPath"] for field in version.get("selectableFields") or ()]
    found = [(path.removeprefix("."), finder(path)) for path in paths]

    def labels(view: Json) -> dict[str, str]:
        return {label: _label(find(view)) for label, find in found}

    return labels


def _label(found: list[Any]) -> str:
    return _printed(found[0]) if found and found[0] is not None else ""
