"""Objects that own each other, deleted in every way, while the collector looks at them in any order."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import hypothesis.strategies as st
import msgspec
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from apimachinery.objects.meta import Object, ObjectMeta, OwnerReference
from apimachinery.objects.resources import CONFIGMAPS, Resource
from engine.controllers import garbagecollector
from engine.controllers.actions import Action, Delete, Patch
from engine.controllers.controller import Moment
from engine.controllers.garbagecollector import GarbageCollector
from engine.controllers.garbagegraph import FOREGROUND, ORPHAN
from tests.engine.controllers.objects import NOW

Json = dict[str, Any]
MOMENT = Moment(now=NOW, steady=0.0, failure=None)
POLICIES = ["Background", "Foreground", "Orphan"]


class Objects:
    """ConfigMaps as the API holds them, of whose changes the collector hears later. A Reader."""

    def __init__(self) -> None:
        self.collector = GarbageCollector()
        self.there: dict[str, Object] = {}
        self.unheard: list[tuple[Object | None, Object | None]] = []
        self.queue: list[str] = []
        self.version = 0

    def put(self, meta: ObjectMeta) -> None:
        self.version += 1
        fresh = Object(metadata=msgspec.structs.replace(meta, resource_version=str(self.version)))
        self.unheard.append((self.there.get(meta.uid), fresh))
        self.there[meta.uid] = fresh

    def delete(self, uid: str, policy: str | None) -> None:
        """As the API deletes."""
        meta = self.there[uid].metadata
        finalizers = set(meta.finalizers)
        if policy is not None:
            finalizers -= {FOREGROUND, ORPHAN}
            finalizers |= {"Foreground": {FOREGROUND}, "Orphan": {ORPHAN}}.get(policy, set())
        if finalizers:
            stamp = meta.deletion_timestamp or "2026-01-01T12:00:00Z"
            self.put(
                msgspec.structs.replace(meta, deletion_timestamp=stamp, finalizers=tuple(sorted(finalizers)))
            )  # fmt: skip
        else:
            self.unheard.append((self.there.pop(uid), None))

    def hear(self) -> None:
        if self.unheard:
            old, new = self.unheard.pop(0)
            self.queue += self.collector.graph.changed(CONFIGMAPS, old, new)

    def plan(self, uid: str) -> list[Action]:
        observed = asyncio.run(self.collector.observe(uid, self, MOMENT))  # pyright: ignore[reportArgumentType]
        return garbagecollector.plan(observed) if observed is not None else []

    def carry_out(self, actions: Sequence[Action]) -> None:
        for action in actions:
            match action:
                case Delete():
                    if action.uid in self.there:
                        self.delete(action.uid, action.propagation)
                case Patch():
                    self._patch(action)
                case _:
                    raise AssertionError(action)

    def _patch(self, action: Patch) -> None:
        now = self.there.get(action.uid)
        if now is None or now.metadata.resource_version != action.resource_version:
            self.queue.append(action.uid)
            return
        assert isinstance(action.body, dict)
        fields: Json = action.body["metadata"]
        meta = now.metadata
        if "ownerReferences" in fields:
            owners = msgspec.convert(fields["ownerReferences"] or [], tuple[OwnerReference, ...])
            meta = msgspec.structs.replace(meta, owner_references=owners)
        if "finalizers" in fields:
            meta = msgspec.structs.replace(meta, finalizers=tuple(fields["finalizers"] or ()))
        if meta.deletion_timestamp is not None and not meta.finalizers:
            self._outlived_what_blocked(now)
            self.unheard.append((self.there.pop(action.uid), None))
        else:
            self.put(meta)

    def _outlived_what_blocked(self, owner: Object) -> None:
        """One that was to go after its dependents goes after all of which the collector knows, as upstream."""
        if FOREGROUND not in owner.metadata.finalizers:
            return
        known = {item.uid for item in self.collector.graph.dependents(owner.metadata.uid)}
        blocking = {
            one.metadata.uid
            for one in self.there.values()
            for reference in one.metadata.owner_references
            if reference.uid == owner.metadata.uid and reference.block_owner_deletion
        }
        assert not known & blocking, f"{owner.metadata.name} went before {known & blocking}"

    # What the collector reads

    def resources(self) -> Iterable[Resource]:
        return (CONFIGMAPS,)

    async def live_get(self, resource: Resource, namespace: str, name: str) -> Json | None:
        found = self.there.get(f"uid-{name}")
        return {"metadata": {"uid": found.metadata.uid}} if found is not None else None


class Garbage(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.objects = Objects()
        self.number = 0

    @rule(owners=st.sets(st.integers(0, 7), max_size=2), block=st.booleans())
    def create(self, owners: set[int], block: bool) -> None:
        there = sorted(self.objects.there)
        uids = {there[number % len(there)] for number in owners} if there else set[str]()
        references = tuple(
            OwnerReference(
                api_version="v1", kind="ConfigMap", name=uid.removeprefix("uid-"), uid=uid, block_owner_deletion=block
            )
            for uid in sorted(uids)
        )
        self.number += 1
        name = f"o{self.number:02}"
        self.objects.put(ObjectMeta(name=name, namespace="default", uid=f"uid-{name}", owner_references=references))

    @precondition(lambda self: bool(self.objects.there))
    @rule(which=st.integers(0, 9), policy=st.sampled_from(POLICIES))
    def somebody_deletes(self, which: int, policy: str) -> None:
        there = sorted(self.objects.there)
        self.objects.delete(there[which % len(there)], policy)

    @rule()
    def news(self) -> None:
        self.objects.hear()

    @precondition(lambda self: bool(self.objects.queue))
    @rule(which=st.integers(0, 9), steps=st.one_of(st.none(), st.integers(0, 2)))
    def collector_looks(self, which: int, steps: int | None) -> None:
        """At any that waits; one that dies meanwhile comes back to the queue."""
        uid = self.objects.queue.pop(which % len(self.objects.queue))
        actions = self.objects.plan(uid)
        for action in actions:
            if isinstance(action, Delete):
                self._is_due(action.uid)
        self.objects.carry_out(actions[:steps])
        if steps is not None and steps < len(actions):
            self.objects.queue.append(uid)

    def _is_due(self, uid: str) -> None:
        """Nothing is collected that an owner still holds: one that is there and does not wait for its dependents."""
        now = self.objects.there.get(uid)
        for owner in now.metadata.owner_references if now is not None else ():
            holder = self.objects.there.get(owner.uid)
            if holder is not None and holder.metadata.deletion_timestamp is None:
                raise AssertionError(f"{uid} was to go, which {owner.uid} owns")

    def teardown(self) -> None:
        objects = self.objects
        for _ in range(3000):
            if objects.unheard:
                objects.hear()
            elif objects.queue:
                objects.carry_out(objects.plan(objects.queue.pop(0)))
            else:
                break
        else:
            raise AssertionError("never at rest")
        for one in objects.there.values():
            meta = one.metadata
            assert meta.deletion_timestamp is None, f"{meta.name} waits for ever: {meta.finalizers}"
            owners = [owner.uid in objects.there for owner in meta.owner_references]
            assert all(owners), f"{meta.name} names owners that are gone"
            assert objects.plan(meta.uid) == []


TestGarbage = Garbage.TestCase
TestGarbage.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
