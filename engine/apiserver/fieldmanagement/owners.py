"""Who owns which fields of an object: metadata.managedFields, read and written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import msgspec

from engine.apiserver.fieldmanagement.fieldset import FieldSet, union, well_formed

Json = dict[str, Any]

_LONGEST_NAME = 128
# Beyond these the oldest updaters of a version share one entry.
_MOST_UPDATERS = 10
_ANCIENT = "ancient-changes"


class Owner(NamedTuple):
    """What tells one entry from another. An applier is the same whatever version it applies."""

    operation: str
    manager: str
    api_version: str
    """Empty for appliers."""
    subresource: str

    @property
    def shown(self) -> str:
        """As a conflict names it."""
        name = msgspec.json.encode(self.manager).decode()
        if self.subresource:
            name += f' with subresource "{self.subresource}"'
        return f"{name} using {self.api_version}" if self.operation == "Update" else name


@dataclass(frozen=True, slots=True)
class Owned:
    """What an owner has, in fields of which version, and since when."""

    fields: FieldSet
    api_version: str
    time: str = ""


Owners = Mapping[Owner, Owned]


class Stamp(NamedTuple):
    """Who writes, and when (RFC 3339)."""

    owner: Owner
    time: str


def updater(manager: str, api_version: str, subresource: str) -> Owner:
    return Owner("Update", manager, api_version, subresource)


def applier(manager: str, subresource: str) -> Owner:
    return Owner("Apply", manager, "", subresource)


def manager_name(asked: str, user_agent: str) -> str:
    """The name to record: the client's word, else how its program calls itself."""
    if asked:
        return asked
    program = "".join(letter for letter in user_agent.partition("/")[0] if letter.isprintable())
    return program[:_LONGEST_NAME]


def read(entries: Any, *, trusted: bool = False) -> Owners | None:
    """The owners that an object names; None when that cannot be understood. `trusted`: we wrote that ourselves."""
    if entries is None:
        return {}
    if type(entries) is not list:
        return None
    owners: dict[Owner, Owned] = {}
    for entry in entries:
        found = _read_entry(entry, trusted=trusted)
        if found is None:
            return None
        owner, owned = found
        owners[owner] = replace(owned, fields=union(owners[owner].fields, owned.fields)) if owner in owners else owned
    return owners


def is_reset(entries: Any) -> bool:
    """Whether a client asks to forget all owners: an empty list, or one empty entry."""
    return entries == [] or entries == [{}]  # noqa: PLR1714


def write(owners: Owners) -> list[Json]:
    """The entries of all who own something, in upstream's order."""
    ordered = sorted(owners.items(), key=lambda item: (item[0].operation, item[1].time, item[0].manager, item[0][2:]))
    return [_written(owner, owned) for owner, owned in ordered if owned.fields]


def capped(owners: Owners) -> Owners:
    """With the oldest updaters of a version in one entry when there are too many."""
    updaters = sorted(
        (owner for owner in owners if owner.operation == "Update"), key=lambda owner: (owners[owner].time, owner)
    )
    excess = len(updaters) - _MOST_UPDATERS
    if excess <= 0:
        return owners
    kept = dict(owners)
    first_of: dict[str, Owner] = {}
    for owner in updaters:
        if excess <= 0:
            break
        first = first_of.setdefault(owner.api_version, owner)
        if first is owner:
            continue
        bucket = updater(_ANCIENT, owner.api_version, "")
        if bucket not in kept:
            kept[bucket] = kept.pop(first)
        owned = kept.pop(owner)
        kept[bucket] = replace(kept[bucket], fields=union(kept[bucket].fields, owned.fields), time=owned.time)
        excess -= 1
    return kept


def _read_entry(entry: Any, *, trusted: bool) -> tuple[Owner, Owned] | None:
    if type(entry) is not dict:
        return None
    operation, version = entry.get("operation"), entry.get("apiVersion", "")
    fields = entry.get("fieldsV1", {})
    if operation not in {"Apply", "Update"} or not (trusted or well_formed(fields)):
        return None
    owner = Owner(
        operation, entry.get("manager", ""), version if operation == "Update" else "", entry.get("subresource", "")
    )
    return owner, Owned(fields, version, entry.get("time", ""))


def _written(owner: Owner, owned: Owned) -> Json:
    entry: Json = {"manager": owner.manager, "operation": owner.operation, "apiVersion": owned.api_version}
    if owned.time:
        entry["time"] = owned.time
    entry["fieldsType"] = "FieldsV1"
    entry["fieldsV1"] = owned.fields
    if owner.subresource:
        entry["subresource"] = owner.subresource
    return entry
