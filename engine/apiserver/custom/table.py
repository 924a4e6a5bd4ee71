"""The kinds that users defined, as they are served this moment: kept current by the store's changes.

A definition counts from the moment that its status says Established, with the names that it was granted.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from engine.apiserver import wire
from engine.apiserver.custom.kinds import build
from engine.apiserver.registry import catalog
from engine.apiserver.registry.apiextensions.customresourcedefinition import CUSTOM_RESOURCE_DEFINITION
from engine.apiserver.registry.kind import Json, Kind
from engine.store.protocol import Change, Record, Store

_PREFIX = CUSTOM_RESOURCE_DEFINITION.storage_prefix
_VERSION = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?")
_MATURITY = {"": 2, "beta": 1, "alpha": 0}


def condition(definition: Json, kind: str) -> str:
    """The status of one of a definition's conditions, empty when it has none."""
    conditions: list[Json] = definition.get("status", {}).get("conditions") or []
    return next((one.get("status", "") for one in conditions if one.get("type") == kind), "")


def priority(version: str) -> tuple[Any, ...]:
    """Sorts versions as Kubernetes prefers them: v2, v1, v1beta2, v1beta1, v1alpha1, and then the others by name."""
    found = _VERSION.fullmatch(version)
    if found is None:
        return (1, 0, 0, 0, version)
    return (0, -_MATURITY[found[2] or ""], -int(found[1]), -int(found[3] or 0), version)


class CustomKinds:
    """All kinds of a store's definitions. `changed` is called with each Kind that is served no more."""

    def __init__(self, store: Store) -> None:
        self.changed: Callable[[Kind], None] = lambda _kind: None
        self.definition_changed: Callable[[], None] = lambda: None
        self._definitions: dict[str, Json] = {}
        self._by_resource: dict[tuple[str, str, str], Kind] = {}
        self._kinds: tuple[Kind, ...] | None = None
        self._subscription = store.watch(_PREFIX, 0, self._on_change)
        for record in store.list(_PREFIX).records:
            self._set(record)

    def close(self) -> None:
        self._subscription.close()

    def kinds(self) -> tuple[Kind, ...]:
        """All that the API serves: the built-in kinds and these. The same tuple until something changes."""
        if self._kinds is None:
            mine = sorted(
                self._by_resource.values(), key=lambda kind: (kind.group, priority(kind.version), kind.plural)
            )
            self._kinds = (*catalog.KINDS, *mine)
        return self._kinds

    def by_resource(self, group: str, version: str, plural: str) -> Kind | None:
        """Find the kind behind a path, built in or not."""
        return catalog.by_resource(group, version, plural) or self._by_resource.get((group, version, plural))

    def definition(self, kind: Kind) -> Json | None:
        """The definition that a custom kind comes from."""
        return self._definitions.get(f"{kind.plural}.{kind.group}")

    def definitions(self) -> list[Json]:
        """All definitions, served or not. Not to be changed."""
        return list(self._definitions.values())

    def _on_change(self, change: Change) -> None:
        if change.after is not None:
            self._set(change.after)
        else:
            self._drop(self._definitions.pop(change.key[len(_PREFIX) :], None))
        self.definition_changed()

    def _set(self, record: Record) -> None:
        name = record.key[len(_PREFIX) :]
        definition = wire.decode(record)
        before = self._definitions.get(name)
        self._definitions[name] = definition
        if before is not None and _served_part(before) == _served_part(definition):
            return
        self._drop(before)
        if condition(definition, "Established") != "True":
            return
        for kind in build(definition):
            self._by_resource[kind.group, kind.version, kind.plural] = kind
        self._kinds = None

    def _drop(self, definition: Json | None) -> None:
        if definition is None:
            return
        name = (definition["spec"].get("group"), definition["spec"].get("names", {}).get("plural"))
        for key, kind in list(self._by_resource.items()):
            if (kind.group, kind.plural) == name:
                del self._by_resource[key]
                self.changed(kind)
        self._kinds = None


def _served_part(definition: Json) -> bytes:
    """What of a definition its API depends on."""
    accepted = definition.get("status", {}).get("acceptedNames")
    return msgspec.json.encode([definition["spec"], accepted, condition(definition, "Established")])
