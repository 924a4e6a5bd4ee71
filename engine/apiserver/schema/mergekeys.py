"""How the fields of each type merge, for strategic merge patch: read from the definitions."""

from __future__ import annotations

from functools import cache

from apimachinery.objects.patch_strategic import Field
from engine.apiserver.schema.definitions import Definition, Property, definition, name_of


class MergeSchema:
    """A definition as patch_strategic sees it."""

    def __init__(self, named: Definition) -> None:
        self._properties = named.properties or {}
        self._fields: dict[str, Field | None] = {}

    def field(self, name: str) -> Field | None:
        """See patch_strategic.Schema."""
        if name not in self._fields:
            prop = self._properties.get(name)
            self._fields[name] = _field(prop) if prop is not None else None
        return self._fields[name]


def _field(prop: Property) -> Field:
    strategies = prop.patch_strategy.split(",")
    held = prop.items if prop.items is not None else prop
    return Field(
        merges="merge" in strategies,
        replaces="replace" in strategies,
        merge_key=prop.patch_merge_key,
        schema=_schema(held.target) if held.target else None,
    )


@cache
def _schema(name: str) -> MergeSchema:
    return MergeSchema(definition(name))


def merge_schema(group: str, version: str, kind: str) -> MergeSchema:
    """The merge schema of a served kind."""
    return _schema(name_of(group, version, kind))
