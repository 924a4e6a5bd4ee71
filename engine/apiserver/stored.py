"""Between the store's bytes and whole objects, for those who change them."""

from __future__ import annotations

from typing import Any

import msgspec

from apimachinery.objects.errors import NotFound
from engine.apiserver import wire
from engine.apiserver.call import Call
from engine.apiserver.registry import catalog
from engine.apiserver.registry.kind import Kind
from engine.store.protocol import Record, Store

Json = dict[str, Any]


def existing(store: Store, call: Call) -> Json:
    """The object that a request names, as it is now. Raises NotFound."""
    record = store.get(call.key)
    if record is None:
        raise NotFound.of(call.kind.plural, call.route.name, group=call.kind.group)
    return read(call.kind, record)


def lookup(store: Store, group: str, plural: str, namespace: str, name: str) -> Json | None:
    """Any object, for rules that look at others (see registry.kind.Context)."""
    kind = catalog.by_group_resource(group, plural)
    record = store.latest(kind.key(namespace, name)) if kind is not None else None
    return read(kind, record) if kind is not None and record is not None else None


def find(store: Store, group: str, plural: str, namespace: str) -> list[Json]:
    """All objects of a kind in a namespace, or in the cluster when that is empty (see registry.kind.Context)."""
    kind = catalog.by_group_resource(group, plural)
    if kind is None:
        return []
    prefix = f"{kind.storage_prefix}{namespace}/" if namespace else kind.storage_prefix
    return [read(kind, record) for record in store.list(prefix).records]


def read(kind: Kind, record: Record) -> Json:
    """A record as a whole object of `kind`; the caller owns it."""
    obj = wire.decode(record)
    if kind.stored_as is not None:
        kind.from_storage(obj)
        obj["kind"], obj["apiVersion"] = kind.kind, kind.api_version
    return obj


def value(kind: Kind, obj: Json) -> bytes:
    """An object's bytes for the store."""
    if kind.stored_as is not None:
        obj = msgspec.json.decode(msgspec.json.encode(obj))
        kind.to_storage(obj)
        group, version, _ = kind.stored_as
        stored = catalog.by_resource(*kind.stored_as)
        obj["kind"] = stored.kind if stored is not None else kind.kind
        obj["apiVersion"] = f"{group}/{version}" if group else version
    return wire.encode(obj)
