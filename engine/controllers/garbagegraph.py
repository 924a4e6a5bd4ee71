"""Who owns whom, over all kinds: kept up to date from the caches' changes, asked by the garbage collector."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from apimachinery.objects.meta import Object, OwnerReference
from apimachinery.objects.resources import Resource

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What the collector knows of one object."""

    resource: Resource
    namespace: str
    name: str
    uid: str
    resource_version: str
    owners: tuple[OwnerReference, ...]
    deleting: bool
    finalizers: tuple[str, ...]

    @property
    def orphaning(self) -> bool:
        """It waits for its dependents to be set free."""
        return self.deleting and ORPHAN in self.finalizers

    @property
    def foreground(self) -> bool:
        """It waits for its dependents to be deleted."""
        return self.deleting and FOREGROUND in self.finalizers

    @staticmethod
    def of(resource: Resource, obj: Object) -> "Item":
        meta = obj.metadata
        return Item(
            resource=resource,
            namespace=meta.namespace,
            name=meta.name,
            uid=meta.uid,
            resource_version=meta.resource_version,
            owners=meta.owner_references,
            deleting=meta.deletion_timestamp is not None,
            finalizers=meta.finalizers,
        )


class Graph:
    """Holds objects that own, are owned or wait for collection; any other is known by its absence of owners only.

    `changed` answers the uids to look at again.
    """

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}
        self._dependents: dict[str, set[str]] = defaultdict(set)

    def item(self, uid: str) -> Item | None:
        return self._items.get(uid)

    def dependents(self, uid: str) -> list[Item]:
        """Objects that name `uid` as an owner, in no order."""
        return [self._items[dependent] for dependent in self._dependents.get(uid, ())]

    def waifs(self) -> list[str]:
        """Objects of whose owners some were never seen: of a kind that is not followed yet, or gone before it was."""
        return [uid for owner, dependents in self._dependents.items() if owner not in self._items for uid in dependents]

    def changed(self, resource: Resource, old: Object | None, new: Object | None) -> Iterable[str]:
        if new is None:
            return self._gone(old.metadata.uid) if old is not None else ()
        item = Item.of(resource, new)
        before = self._items.get(item.uid)
        self._items[item.uid] = item
        self._link(item, before)
        return self._stale_after(item, before)

    def _gone(self, uid: str) -> list[str]:
        item = self._items.pop(uid, None)
        stale = list(self._dependents.pop(uid, ()))
        if item is not None:
            for owner in item.owners:
                self._unlink(owner.uid, uid)
            stale += self._waiting_owners(item)
        return stale

    def _link(self, item: Item, before: Item | None) -> None:
        owners = {owner.uid for owner in item.owners}
        for uid in {owner.uid for owner in before.owners} - owners if before is not None else ():
            self._unlink(uid, item.uid)
        for uid in owners:
            self._dependents[uid].add(item.uid)

    def _unlink(self, owner: str, dependent: str) -> None:
        dependents = self._dependents.get(owner)
        if dependents is not None:
            dependents.discard(dependent)
            if not dependents:
                del self._dependents[owner]

    def _stale_after(self, item: Item, before: Item | None) -> list[str]:
        stale: list[str] = []
        owners_changed = before is None or before.owners != item.owners
        if item.owners and owners_changed:
            stale.append(item.uid)
        if item.orphaning or item.foreground:
            stale.append(item.uid)
            if item.foreground and not (before is not None and before.foreground):
                stale += self._dependents.get(item.uid, ())
        if before is None or owners_changed or before.deleting != item.deleting:
            stale += self._waiting_owners(item)
            if before is not None:
                stale += self._waiting_owners(before)
        return stale

    def _waiting_owners(self, item: Item) -> list[str]:
        owners = (self._items.get(owner.uid) for owner in item.owners)
        return [owner.uid for owner in owners if owner is not None and (owner.foreground or owner.orphaning)]
