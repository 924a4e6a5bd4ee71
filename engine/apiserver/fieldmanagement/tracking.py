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
from engine.apiserver.fieldmanagement.versions import Versions

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


def updated(shape: Struct, old: Json, new: Json, before: Any, by: Stamp, *, versions: Versions | None = None) -> Any:
    """The entries after an update, None for no entries; `before` are the entries, well-formed, to go on from.

    Without `versions` all owners are taken to speak of this one. Raises Unconverted.
    """
    change = compare(shape, old, new)
    owners = read(before, trusted=True) or {}
    if change.same:
        return before or None
    who, changed = by.owner, union(change.added, change.modified)
    mine = owners.get(who)
    others = _without_changes(owners, who, _Changes(change, old, new, versions))
    fields = union(difference(mine.fields, change.removed), changed) if mine is not None else changed
    return write(capped({**others, who: Owned(fields, new["apiVersion"], by.time)})) or None


def applied(
    shape: Struct,
    live: Json,
    config: Json,
    before: Any,
    by: Stamp,
    *,
    force: bool,
    new: bool = False,
    versions: Versions | None = None,
) -> tuple[Json, list[Json]]:
    """The object after an apply, not yet defaulted, and its entries. `new`: it is not there yet.

    Raises Conflict when that changes what others own, unless forced; Untyped; Unconverted.
    """
    owners = read(before, trusted=True) or {}
    try:
        merged, owners = _apply(shape, live, config, owners, by, versions=versions, force=force or new)
    except _Conflicts as conflicts:
        left = _beyond_client_side_apply(shape, live, conflicts.by_owner, by.owner)
        if left:
            raise apply_conflict(left) from None
        merged, owners = _apply(shape, live, config, owners, by, versions=versions, force=True)
    if by.owner.manager == _KUBECTL and LAST_APPLIED in (live.get("metadata", {}).get("annotations") or {}):
        metadata = merged["metadata"]
        noted = {**metadata.get("annotations", {}), LAST_APPLIED: _last_applied(config)}
        merged = {**merged, "metadata": {**metadata, "annotations": noted}}
    entries = write(owners)
    if not new and merged == live and _untimed(entries) == _untimed(before):
        entries = before
    return merged, entries


def _apply(
    shape: Struct, live: Json, config: Json, owners: Owners, by: Stamp, *, versions: Versions | None, force: bool
) -> tuple[Json, Owners]:
    who, version = by.owner, config["apiVersion"]
    last = owners.get(who)
    fields = held(shape, config)
    owners = {**owners, who: Owned(fields, version, by.time)}
    merged = merge(shape, live, config)
    if last is not None and not (_speaks(last, version, versions) and within(last.fields, fields)):
        merged = _pruned(shape, merged, owners, last, versions)
    change = _Changes(compare(shape, live, merged), live, merged, versions)
    if not force:
        conflicts = _conflicts(owners, who, change)
        if conflicts:
            raise _Conflicts(conflicts)
    return merged, {**_without_changes(owners, who, change), who: owners[who]}


def _speaks(owned: Owned, version: str, versions: Versions | None) -> bool:
    """Whether an owner's fields are those of a version."""
    return versions is None or owned.api_version == version


def _pruned(shape: Struct, merged: Json, owners: Owners, last: Owned, versions: Versions | None) -> Json:
    """Without what the applier sent the last time, not now, and nobody else owns."""
    version = merged["apiVersion"]
    if versions is None or last.api_version == version:
        there = shape
    else:
        found = versions.shape(last.api_version)
        if found is None:
            return merged
        there, merged = found, versions.convert(merged, last.api_version)
    lost = with_named_fields(there, last.fields)
    kept: Json = remove(there, merged, lost) or {}
    kept = _with_owned(there, merged, _whole(kept, merged), owners, versions)
    dangling = intersection(difference(_everything(there, merged), _everything(there, kept)), lost)
    rest = _whole(remove(there, merged, dangling) or {}, merged)
    return rest if versions is None else versions.convert(rest, version)


def _with_owned(there: Struct, merged: Json, kept: Json, owners: Owners, versions: Versions | None) -> Json:
    """What is left of `merged` in `kept`, and what anybody owns of it, each in the version in which he does."""
    by_version: dict[str, FieldSet] = {}
    own = merged["apiVersion"]
    for each in owners.values():
        version = own if versions is None else each.api_version
        by_version[version] = union(by_version.get(version, {}), each.fields)
    for version in sorted(by_version, key=lambda version: (version != own, version)):
        shape = there if versions is None or version == own else versions.shape(version)
        if shape is None:
            continue
        whole, part = (merged, kept) if versions is None else (
            versions.convert(merged, version), versions.convert(kept, version)
        )  # fmt: skip
        owned = with_named_fields(shape, by_version[version])
        unowned = difference(_everything(shape, whole), union(_everything(shape, part), owned))
        kept = _whole(remove(shape, whole, unowned) or {}, whole)
    return kept if versions is None else versions.convert(kept, own)


def _everything(shape: Struct, obj: Json) -> FieldSet:
    return with_named_fields(shape, held(shape, obj))


def _whole(rest: Json, obj: Json) -> Json:
    """What is left of an object is still one of its type, with the metadata that nobody owns."""
    rest = {**rest, "apiVersion": obj["apiVersion"], "kind": obj["kind"]}
    rest.setdefault("metadata", {})
    return rest


class _Changes:
    """What a write changes, as each owner sees it in his version."""

    def __init__(self, change: Comparison, old: Json, new: Json, versions: Versions | None) -> None:
        self._old, self._new, self._versions = old, new, versions
        self._known: dict[str, Comparison | None] = {new["apiVersion"]: change}
        self._own = change

    def seen_by(self, owned: Owned) -> Comparison | None:
        """None when his version is served no more. Raises Unconverted."""
        versions, version = self._versions, owned.api_version
        if versions is None:
            return self._own
        if version not in self._known:
            shape = versions.shape(version)
            self._known[version] = None if shape is None else compare(
                shape, versions.convert(self._old, version), versions.convert(self._new, version)
            )  # fmt: skip
        return self._known[version]


def _conflicts(owners: Owners, who: Owner, changes: _Changes) -> dict[Owner, FieldSet]:
    found: dict[Owner, FieldSet] = {}
    for owner, owned in owners.items():
        change = changes.seen_by(owned) if owner != who else None
        if change is not None and (fields := intersection(owned.fields, union(change.added, change.modified))):
            found[owner] = fields
    return found


def _without_changes(owners: Owners, who: Owner, changes: _Changes) -> dict[Owner, Owned]:
    """The other owners with what is left to them."""
    left: dict[Owner, Owned] = {}
    for owner, owned in owners.items():
        change = changes.seen_by(owned) if owner != who else None
        if change is None:
            continue
        fields = difference(owned.fields, union(union(change.added, change.modified), change.removed))
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
