"""A kind with a status that its own path writes, and nothing else: what most kinds with a status share."""

from __future__ import annotations

from apimachinery.objects.field import FieldError, immutable
from engine.apiserver.registry import metadata
from engine.apiserver.registry.kind import Context, Json, Subresource

STATUS = Subresource(name="status", verbs=("get", "patch", "update"), prepare=metadata.keep("spec"))
"""Changes all but the spec."""


def begin_without(obj: Json, _context: Context) -> None:
    """A new object has no status, whatever the client sent."""
    obj.pop("status", None)


def change_without(new: Json, old: Json, _context: Context) -> None:
    """An update leaves the status as it is, and counts changes of the spec."""
    metadata.put_back_part(new, old, "status")
    metadata.bump_generation_if_changed(new, old)


def fixed_spec(new: Json, old: Json) -> list[FieldError]:
    """The spec is the wish of who made the object, and stays."""
    return [] if new.get("spec") == old.get("spec") else [immutable("spec", new.get("spec"))]
