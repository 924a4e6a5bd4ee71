"""What a write does to the owners: a create, an update by any verb, and server-side apply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from engine.apiserver.fieldmanagement.comparing import Comparison, compare, grown, held
from engine.apiserver.fieldmanagement.fieldset import FieldSet, difference, intersection, union, within
from engine.apiserver.fieldmanagement.merging import merge, remove, with_named_fields
from engine.apiserver.fieldmanagement.owners import Owned, Owner, Owners, Stamp, capped, read, write
from engine.apiserver.fieldmanagement.problems import apply_conflict
from engine.apiserver.fieldmanagement.shapes import Struct

Json = dict[str, Any]

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_KUBECTL = "kubectl"


class _Conflicts(Exception):
    """What others own of that which an apply would change."""

    def __init__(self, by_owner: Mapping[Owner, FieldSet]) -> None:
        super().__init__()
        self.by_owner = by_owner


def created(shape: Struct, obj: Json, by: Stamp) -> list[Json]:
    """The entries of a new object, all of it owned by who made it."""
    fields = grown(shape, obj)
    return write({by.owner: Owned(fields, obj["apiVersion"], by.time)})


def updated(shape: Struct, old: Json, new: Json, before: Any, by: Stamp) -> Any:
    """The entries after an update, None for no entries; `before` are the entries, well-formed, to go on from."""
    change = compare(shape, old, new)
    owners = read(before, trusted=True) or {}
    if change.same:
        return before or None
    who, changed = by.owner, union(change.added, change.modified)
    mine = owners.get(who)
    others = _without_changes(owners, who, changed, change.removed)
    fields = union(difference(mine.fields, change.removed), changed) if mine is not None else changed
    return write(capped({**others, who: Owned(fields, new["apiVersion"], by.time)})) or None


def applied(
    shape: Struct, live: Json, config: Json, before: Any, by: Stamp, *, force: bool, new: bool = False
) -> tuple[Json, list[Json]]:
    """The object after an apply, not yet defaulted, and its entries. `new`: it is not there yet.

    Raises Conflict when that changes what others own, unless forced; Untyped.
    """
    owners = read(before, trusted=True) or {}
    try:
        merged, owners = _apply(shape, live, config, owners, by, force=force or new)
    except _Conflicts as conflicts:
        left = _beyond_client_side_apply(shape, live, conflicts.by_owner, by.owner)
        if left:
            raise apply_conflict(left) from None
        merged, owners = _apply(shape, live, config, owners, by, force=True)
    if by.owner.manager == _KUBECTL and LAST_APPLIED in (live.get("metadata", {}).get("annotations") or {}):
        metadata = merged["metadata"]
        noted = {**metadata.get("annotations", {}), LAST_APPLIED: _last_applied(config)}
        merged = {**merged, "metadata": {**metadata, "annotations": noted}}
    entries = write(owners)
    if not new and merged == live and _untimed(entries) == _untimed(before):
        entries = before
    return merged, entries


def _apply(shape: Struct, live: Json, config: Json, owners: Owners, by: Stamp, *, force: bool) -> tuple[Json, Owners]:
    who = by.owner
    last = owners.get(who)
    fields = held(shape, config)
    owners = {**owners, who: Owned(fields, config["apiVersion"], by.time)}
    merged = merge(shape, live, config)
    if last is not None and not within(last.fields, fields):
        merged = _pruned(shape, merged, owners, last.fields)
    change = compare(shape, live, merged)
    if not force:
        conflicts = _conflicts(owners, who, change)
        if conflicts:
            raise _Conflicts(conflicts)
    others = _without_changes(owners, who, union(change.added, change.modified), change.removed)
    return merged, {**others, who: owners[who]}


def _pruned(shape: Struct, merged: Json, owners: Owners, last: FieldSet) -> Json:
    """Without what the applier sent the last time, not now, and nobody else owns."""

    def everything(obj: Json) -> FieldSet:
        return with_named_fields(shape, held(shape, obj))

    lost = with_named_fields(shape, last)
    all_fields = everything(merged)
    owned: FieldSet = {}
    for each in owners.values():
        owned = union(owned, each.fields)
    owned = with_named_fields(shape, owned)
    bare = remove(shape, merged, lost) or {}
    unowned = difference(all_fields, union(everything(bare), owned))
    kept = remove(shape, merged, unowned) or {}
    dangling = intersection(difference(all_fields, everything(kept)), lost)
    rest: Json = remove(shape, merged, dangling) or {}
    rest.setdefault("metadata", {})
    return rest


def _conflicts(owners: Owners, who: Owner, change: Comparison) -> dict[Owner, FieldSet]:
    changed = union(change.added, change.modified)
    found = {owner: intersection(owned.fields, changed) for owner, owned in owners.items() if owner != who}
    return {owner: fields for owner, fields in found.items() if fields}


def _without_changes(owners: Owners, who: Owner, changed: FieldSet, removed: FieldSet) -> dict[Owner, Owned]:
    """The other owners with what is left to them."""
    lost = union(changed, removed)
    left: dict[Owner, Owned] = {}
    for owner, owned in owners.items():
        if owner == who:
            continue
        fields = difference(owned.fields, lost)
        if fields:
            left[owner] = owned if fields == owned.fields else replace(owned, fields=fields)
    return left


def _beyond_client_side_apply(
    shape: Struct, live: Json, conflicts: Mapping[Owner, FieldSet], who: Owner
) -> Mapping[Owner, FieldSet]:
    """The conflicts that are not just kubectl's own with its earlier client-side apply."""
    if who.manager != _KUBECTL:
        return conflicts
    noted = (live.get("metadata", {}).get("annotations") or {}).get(LAST_APPLIED, "")
    try:
        last = msgspec.json.decode(noted, type=Json)
    except msgspec.DecodeError:
        return conflicts
    change = compare(shape, last, live)
    own = difference(difference(difference(held(shape, last), change.modified), change.added), change.removed)
    left = {owner: difference(fields, own) for owner, fields in conflicts.items()}
    return {owner: fields for owner, fields in left.items() if fields}


def _last_applied(config: Json) -> str:
    """The configuration as client-side apply notes it, so that one may go back to that."""
    metadata = dict(config.get("metadata", {}))
    annotations = {key: value for key, value in metadata.get("annotations", {}).items() if key != LAST_APPLIED}
    metadata.pop("managedFields", None)
    if "annotations" in metadata:
        metadata["annotations"] = annotations
    return msgspec.json.encode({**config, "metadata": metadata}).decode() + "\n"


def _untimed(entries: Any) -> list[Json]:
    return [{key: value for key, value in entry.items() if key != "time"} for entry in entries or ()]
