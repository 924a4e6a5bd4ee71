"""Differences of two objects as a patch, and what stands at its places. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

JSON = dict[str, Any]
Place = tuple[str, ...]

SERVER_OWNED = frozenset({"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"})
"""Of metadata: what only the server writes."""


def merge_patch(before: Mapping[str, Any], after: Mapping[str, Any]) -> JSON:
    """The JSON merge patch that leads from one to the other; lists are taken whole."""
    patch: JSON = {key: None for key in before if key not in after}
    for key, value in after.items():
        old = before.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            if inner := merge_patch(old, value):
                patch[key] = inner
        elif key not in before or value != old:
            patch[key] = value
    return patch


def places(patch: Mapping[str, Any], at: Place = ()) -> Iterator[Place]:
    """Every place that the patch writes."""
    for key, value in patch.items():
        if isinstance(value, dict) and value:
            yield from places(value, (*at, key))
        else:
            yield (*at, key)


def value_at(obj: Any, place: Place) -> Any:
    """None where there is nothing."""
    for key in place:
        if not isinstance(obj, dict):
            return None
        obj = obj.get(key)
    return obj


def written(obj: Mapping[str, Any]) -> JSON:
    """The part of an object that people write: no status, nothing that the server keeps for itself."""
    meta = {key: value for key, value in (obj.get("metadata") or {}).items() if key not in SERVER_OWNED}
    return {key: value for key, value in obj.items() if key not in ("status", "metadata")} | {"metadata": meta}


def named(place: Place) -> str:
    """`spec.template.spec.containers`"""
    return ".".join(place)


def owners(obj: Mapping[str, Any], place: Place) -> list[str]:
    """Who wrote this place last, by the object's managedFields; each manager once."""
    found: list[str] = []
    for entry in (obj.get("metadata") or {}).get("managedFields") or ():
        if _owns(entry.get("fieldsV1") or {}, place) and entry.get("manager", "") not in found:
            found.append(entry.get("manager", ""))
    return found


def _owns(fields: Any, place: Place) -> bool:
    for key in place:
        if not isinstance(fields, dict) or f"f:{key}" not in fields:
            return False
        fields = fields[f"f:{key}"]
    return True


def foreign_owners(obj: Mapping[str, Any], patch: Mapping[str, Any], own: str) -> str:
    """`spec.replicas is written by helm`: what others will likely set back; empty for nothing."""
    said: list[str] = []
    for place in places(patch):
        others = [name for name in owners(obj, place) if name != own]
        if others:
            said.append(f"{named(place)} was written by {', '.join(others)}")
    return "; ".join(said[:3])
