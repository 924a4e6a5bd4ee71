"""OpenAPI v2 of another server put into ours. Pure.

Source: k8s.io/kube-openapi/pkg/aggregator: what has the same name and is not the same gets another name.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
_PREFIX = "#/definitions/"


def merge_v2(ours: Json, theirs: Json, group: str, version: str) -> None:
    """Add the paths of one group and version, and the definitions that they need."""
    base = f"/apis/{group}/{version}"
    paths: Json = theirs.get("paths") or {}
    wanted = {path: item for path, item in paths.items() if path == base or path.startswith(f"{base}/")}
    definitions: Json = theirs.get("definitions") or {}
    needed = _needed(wanted, definitions)
    # A server describes its types for kubectl even where no path refers to them.
    needed |= _needed([one for one in definitions.values() if _is_kind_of(one, group, version)], definitions)
    needed |= {name for name, one in definitions.items() if _is_kind_of(one, group, version)}
    mine: Json = ours.setdefault("definitions", {})
    names = {name: _free(name, definitions[name], mine) for name in needed}
    for name in needed:
        mine[names[name]] = _renamed(definitions[name], names)
    ours.setdefault("paths", {}).update(_renamed(wanted, names))


def _is_kind_of(definition: Any, group: str, version: str) -> bool:
    kinds = definition.get("x-kubernetes-group-version-kind") if isinstance(definition, dict) else None
    return any(
        isinstance(one, dict) and (one.get("group"), one.get("version")) == (group, version) for one in kinds or ()
    )


def _needed(node: Any, definitions: Json) -> set[str]:
    found: set[str] = set()
    waiting: list[Any] = [node]
    while waiting:
        current = waiting.pop()
        if isinstance(current, dict):
            fields: Json = current
            reference = fields.get("$ref")
            if isinstance(reference, str):
                name = reference.removeprefix(_PREFIX)
                if name in definitions and name not in found:
                    found.add(name)
                    waiting.append(definitions[name])
            waiting += fields.values()
        elif isinstance(current, list):
            waiting += current
    return found


def _free(name: str, definition: Any, mine: Json) -> str:
    number, free = 1, name
    while free in mine and mine[free] != definition:
        number += 1
        free = f"{name}_v{number}"
    return free


def _renamed(node: Any, names: dict[str, str]) -> Any:
    if isinstance(node, dict):
        fields: Json = node
        changed = {key: _renamed(value, names) for key, value in fields.items()}
        reference = fields.get("$ref")
        if isinstance(reference, str):
            name = reference.removeprefix(_PREFIX)
            changed["$ref"] = _PREFIX + names.get(name, name)
        return changed
    if isinstance(node, list):
        return [_renamed(value, names) for value in node]
    return node
