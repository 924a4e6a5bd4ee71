"""The garbage collector: objects go when their owners have gone, or are set free, as the deletion asked for.

Background: dependents are deleted once no owner is left. Foreground: an owner with the finalizer `foregroundDeletion`
stays until the dependents that block it are gone. Orphan: an owner with the finalizer `orphan` stays until its
dependents no longer name it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from apimachinery.objects.meta import Object, OwnerReference
from apimachinery.objects.resources import Resource
from engine.controllers.actions import About, Action, Delete, Emit, Json, Note, Patch, Propagation
from engine.controllers.controller import Moment, Reader, Watch
from engine.controllers.garbagegraph import FOREGROUND, ORPHAN, Graph, Item


class Owner(Enum):
    """How an owner named by an object fares."""

    SOLID = "solid"
    ABSENT = "absent"
    WAITING = "waiting for its dependents to be deleted"
    UNRESOLVED = "of a kind that is not served now"
    IMPOSSIBLE = "in no namespace that could hold it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    item: Item
    owners: Sequence[tuple[OwnerReference, Owner]] = ()
    dependents: Sequence[Item] = ()
    blocking: frozenset[str] = field(default_factory=frozenset[str])
    """Uids of the dependents whose reference blocks the deletion of this item."""


def plan(observed: Observed) -> list[Action]:
    item = observed.item
    if item.orphaning:
        return _orphan(item, observed.dependents)
    if item.foreground:
        # Dependents are looked at by themselves: each may have other owners that keep it.
        return [] if observed.blocking else [_without_finalizer(item, FOREGROUND)]
    if item.deleting or not observed.owners:
        return []
    return _collect(observed)


def _orphan(item: Item, dependents: Sequence[Item]) -> list[Action]:
    if not dependents:
        return [_without_finalizer(item, ORPHAN)]
    return [_without_owners(dependent, {item.uid}) for dependent in dependents]


def _collect(observed: Observed) -> list[Action]:
    """The fate of an object that is not being deleted, by its owners'."""
    item = observed.item
    states = [state for _, state in observed.owners]
    lost = {owner.uid for owner, state in observed.owners if state in (Owner.ABSENT, Owner.WAITING)}
    if Owner.IMPOSSIBLE in states:
        return [_refuse(item, owner) for owner, state in observed.owners if state is Owner.IMPOSSIBLE]
    if Owner.UNRESOLVED in states:
        return []
    if Owner.SOLID in states:
        return [_without_owners(item, lost)] if lost else []
    if Owner.WAITING in states and observed.dependents:
        unblock = [_unblock(item)] if any(dependent.foreground for dependent in observed.dependents) else []
        return [*unblock, _delete(item, "Foreground")]
    return [_delete(item, _policy(item))]


def _policy(item: Item) -> Propagation:
    if ORPHAN in item.finalizers:
        return "Orphan"
    return "Foreground" if FOREGROUND in item.finalizers else "Background"


def _delete(item: Item, propagation: Propagation) -> Delete:
    return Delete(
        resource=item.resource, namespace=item.namespace, name=item.name, uid=item.uid, propagation=propagation
    )  # fmt: skip


def _without_owners(item: Item, uids: set[str]) -> Patch:
    kept = [_written(owner) for owner in item.owners if owner.uid not in uids]
    return _patch(item, {"ownerReferences": kept or None})


def _unblock(item: Item) -> Patch:
    """Two objects that wait for each other would wait for ever."""
    return _patch(
        item, {"ownerReferences": [{**_written(owner), "blockOwnerDeletion": False} for owner in item.owners]}
    )


def _without_finalizer(item: Item, finalizer: str) -> Patch:
    kept = [name for name in item.finalizers if name != finalizer]
    return _patch(item, {"finalizers": kept or None})


def _patch(item: Item, metadata: Json) -> Patch:
    return Patch(
        resource=item.resource,
        namespace=item.namespace,
        name=item.name,
        uid=item.uid,
        resource_version=item.resource_version,
        body={"metadata": metadata},
    )


def _written(owner: OwnerReference) -> Json:
    reference: Json = {"apiVersion": owner.api_version, "kind": owner.kind, "name": owner.name, "uid": owner.uid}
    if owner.controller:
        reference["controller"] = True
    if owner.block_owner_deletion:
        reference["blockOwnerDeletion"] = True
    return reference


def _refuse(item: Item, owner: OwnerReference) -> Emit:
    about = About(
        api_version=item.resource.api_version, kind=item.resource.kind, namespace=item.namespace, name=item.name,
        uid=item.uid, resource_version=item.resource_version,
    )  # fmt: skip
    named = f"{owner.api_version}/{owner.kind}, namespace: {item.namespace}, name: {owner.name}, uid: {owner.uid}"
    text = f'ownerRef [{named}] does not exist in namespace "{item.namespace}"'
    return Emit(note=Note(about=about, reason="OwnerRefInvalidNamespace", message=text, type="Warning"))


class GarbageCollector:
    """Keys are uids. The runtime tells it of every change of every kind by `changed`."""

    name = "garbage-collector"
    component = "garbage-collector-controller"

    def __init__(self) -> None:
        self.graph = Graph()
        self.watches: tuple[Watch[Object], ...] = ()

    async def observe(self, key: str, reader: Reader, moment: Moment) -> Observed | None:  # noqa: ARG002
        item = self.graph.item(key)
        if item is None:
            return None
        dependents = self.graph.dependents(key)
        owners = [(owner, await self._state(item, owner, reader)) for owner in item.owners]
        # The graph may have moved on while owners were looked up.
        if self.graph.item(key) is not item:
            item = self.graph.item(key)
            if item is None:
                return None
            owners = [(owner, state) for owner, state in owners if owner in item.owners]
        blocking = frozenset(
            dependent.uid
            for dependent in dependents
            if any(owner.uid == key and owner.block_owner_deletion for owner in dependent.owners)
        )
        return Observed(item=item, owners=owners, dependents=dependents, blocking=blocking)

    def plan(self, observed: Observed) -> list[Action]:
        return plan(observed)

    async def _state(self, item: Item, owner: OwnerReference, reader: Reader) -> Owner:
        known = self.graph.item(owner.uid)
        if known is not None:
            if known.namespace not in ("", item.namespace):
                return Owner.ABSENT
            return Owner.WAITING if known.foreground else Owner.SOLID
        resource = _resource_of(owner, reader)
        if resource is None:
            return Owner.UNRESOLVED
        if resource.namespaced and not item.namespace:
            return Owner.IMPOSSIBLE
        # The caches may not have heard of a new owner yet: only the API knows that one is absent.
        live = await reader.live_get(resource, item.namespace if resource.namespaced else "", owner.name)
        return Owner.SOLID if live is not None and live["metadata"]["uid"] == owner.uid else Owner.ABSENT


def _resource_of(owner: OwnerReference, reader: Reader) -> Resource | None:
    group, _, _version = owner.api_version.rpartition("/")
    return next((r for r in reader.resources() if r.kind == owner.kind and r.group == group), None)
