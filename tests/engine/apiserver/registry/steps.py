"""The steps of a write as the pipe takes them, for tables of cases."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from apimachinery.objects.errors import Invalid
from engine.apiserver.registry import catalog, strategy
from engine.apiserver.registry.kind import Context, Kind

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CONTEXT = Context(now=NOW)
POD = {"containers": [{"name": "c", "image": "nginx:1.27"}]}
LABELS = {"app": "web"}
TEMPLATE = {"metadata": {"labels": LABELS}, "spec": POD}
SELECTOR = {"matchLabels": LABELS}


def kind_of(group: str, name: str, version: str = "v1") -> Kind:
    found = catalog.by_kind(group, version, name)
    assert found is not None
    return found


def created(kind: Kind, obj: dict[str, Any], context: Context = CONTEXT) -> dict[str, Any]:
    obj = copy.deepcopy(obj)
    obj.setdefault("metadata", {"name": "x"})
    strategy.admit_create(kind, obj, "default" if kind.namespaced else None, context)
    strategy.prepare_create(kind, obj, context)
    return obj


def updated(kind: Kind, old: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """`change` replaces the parts that it names, in the spec when it has one."""
    new = copy.deepcopy(old)
    target = new.get("spec", new)
    target.update(copy.deepcopy(change))
    strategy.admit_update(kind, new, old, "default" if kind.namespaced else None, CONTEXT)
    strategy.prepare_update(kind, new, old, CONTEXT)
    return new


def refusal(kind: Kind, obj: dict[str, Any]) -> str:
    with pytest.raises(Invalid) as raised:
        created(kind, obj)
    return raised.value.message


def printed(kind: Kind, obj: dict[str, Any]) -> dict[str, Any]:
    assert kind.table_view is not None
    view = msgspec.json.decode(msgspec.json.encode(obj), type=kind.table_view)
    return {column.name: column.cell(view) for column in kind.columns}
