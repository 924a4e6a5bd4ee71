"""Who is collected, who is set free, and who waits."""

from collections.abc import Iterable
from typing import Any

import pytest

from apimachinery.objects.meta import Object, ObjectMeta, OwnerReference
from apimachinery.objects.resources import DEPLOYMENTS, NODES, PODS, REPLICASETS, Resource
from engine.controllers import garbagecollector
from engine.controllers.actions import Action, Delete, Emit, Patch
from engine.controllers.controller import Moment
from engine.controllers.garbagecollector import GarbageCollector, Observed, Owner
from engine.controllers.garbagegraph import FOREGROUND, ORPHAN, Graph, Item
from tests.engine.controllers.objects import NOW, ago, owned_by


def thing(
    uid: str, *owners: OwnerReference, deleting: bool = False, finalizers: tuple[str, ...] = (), namespace: str = "default"
) -> Object:  # fmt: skip
    return Object(
        metadata=ObjectMeta(
            name=uid,
            namespace=namespace,
            uid=uid,
            resource_version="4",
            owner_references=owners,
            deletion_timestamp=ago(1) if deleting else None,
            finalizers=finalizers,
        )
    )


def item(uid: str, *owners: OwnerReference, resource: Resource = PODS, **facts: Any) -> Item:
    return Item.of(resource, thing(uid, *owners, **facts))


A, B = owned_by("ReplicaSet", "a"), owned_by("ReplicaSet", "b")


def plan(which: Item, *states: Owner, dependents: Iterable[Item] = (), blocking: Iterable[str] = ()) -> list[Action]:
    owners = tuple(zip(which.owners, states, strict=True)) if states else ()
    return garbagecollector.plan(
        Observed(item=which, owners=owners, dependents=tuple(dependents), blocking=frozenset(blocking))
    )


def test_object_whose_owners_are_all_gone_is_deleted() -> None:
    (deletion,) = plan(item("p", A, B), Owner.ABSENT, Owner.ABSENT)
    assert isinstance(deletion, Delete)
    assert (deletion.uid, deletion.propagation) == ("p", "Background")


def test_object_with_one_owner_left_loses_the_reference_to_the_other() -> None:
    (patch,) = plan(item("p", A, B), Owner.ABSENT, Owner.SOLID)
    assert isinstance(patch, Patch)
    assert [o["uid"] for o in patch.body["metadata"]["ownerReferences"]] == ["b"]  # pyright: ignore
    assert patch.resource_version == "4"


@pytest.mark.parametrize(
    "states",
    [
        pytest.param((Owner.SOLID,), id="its owner is there"),
        pytest.param((Owner.UNRESOLVED,), id="its owner's kind is not served now"),
    ],
)
def test_object_stays(states: tuple[Owner, ...]) -> None:
    assert plan(item("p", A), *states) == []


def test_object_without_owners_is_nobodys_garbage() -> None:
    assert plan(item("p")) == []


def test_object_that_is_being_deleted_is_not_deleted_again() -> None:
    assert plan(item("p", A, deleting=True), Owner.ABSENT) == []


def test_finalizers_choose_how_an_object_is_deleted() -> None:
    assert plan(item("p", A, finalizers=(ORPHAN,)), Owner.ABSENT)[0].propagation == "Orphan"  # pyright: ignore
    assert plan(item("p", A, finalizers=(FOREGROUND,)), Owner.ABSENT)[0].propagation == "Foreground"  # pyright: ignore


def test_dependent_with_dependents_of_its_own_is_deleted_in_the_foreground_too() -> None:
    (deletion,) = plan(item("rs", A, resource=REPLICASETS), Owner.WAITING, dependents=[item("p", B)])
    assert isinstance(deletion, Delete)
    assert deletion.propagation == "Foreground"


def test_leaf_of_a_foreground_deletion_is_deleted_in_the_background() -> None:
    (deletion,) = plan(item("p", A), Owner.WAITING)
    assert isinstance(deletion, Delete)
    assert deletion.propagation == "Background"


def test_owner_deleted_in_the_foreground_waits_for_what_blocks_it() -> None:
    owner = item("d", deleting=True, finalizers=(FOREGROUND,), resource=DEPLOYMENTS)
    assert plan(owner, blocking=["rs"]) == []
    (patch,) = plan(owner)
    assert isinstance(patch, Patch)
    assert patch.body == {"metadata": {"finalizers": None}}


def test_two_that_wait_for_each_other_are_untied() -> None:
    waiting = item("b", B, deleting=True, finalizers=(FOREGROUND,))
    actions = plan(item("a", A), Owner.WAITING, dependents=[waiting])
    (patch,) = (a for a in actions if isinstance(a, Patch))
    assert patch.body["metadata"]["ownerReferences"][0]["blockOwnerDeletion"] is False  # pyright: ignore


def test_orphaning_frees_the_dependents_and_then_lets_the_owner_go() -> None:
    owner = item("a", deleting=True, finalizers=(ORPHAN, "other"), resource=REPLICASETS)
    (freed,) = plan(owner, dependents=[item("p", A, B)])
    assert isinstance(freed, Patch)
    assert freed.name == "p"
    assert [o["uid"] for o in freed.body["metadata"]["ownerReferences"]] == ["b"]  # pyright: ignore
    (patch,) = plan(owner)
    assert isinstance(patch, Patch)
    assert patch.body == {"metadata": {"finalizers": ["other"]}}


def test_owner_that_cannot_be_in_the_same_namespace_is_told_not_obeyed() -> None:
    (emitted,) = plan(item("n", A, namespace=""), Owner.IMPOSSIBLE)
    assert isinstance(emitted, Emit)
    assert emitted.note.reason == "OwnerRefInvalidNamespace"


class Live:
    """A reader that knows these objects by name."""

    def __init__(self, *uids: str) -> None:
        self._uids = uids

    def resources(self) -> tuple[Resource, ...]:
        return PODS, REPLICASETS, DEPLOYMENTS, NODES

    async def live_get(self, _resource: Resource, _namespace: str, name: str) -> dict[str, Any] | None:
        return {"metadata": {"uid": name}} if name in self._uids else None


async def observe(collector: GarbageCollector, uid: str, reader: Live) -> Observed:
    observed = await collector.observe(uid, reader, Moment(now=NOW, steady=0))  # pyright: ignore
    assert observed is not None
    return observed


async def test_owner_that_the_caches_do_not_know_yet_is_looked_up() -> None:
    collector = GarbageCollector()
    assert list(collector.graph.changed(PODS, None, thing("p", A))) == ["p"]
    assert (await observe(collector, "p", Live("a"))).owners == [(A, Owner.SOLID)]
    assert (await observe(collector, "p", Live())).owners == [(A, Owner.ABSENT)]


async def test_owner_of_the_same_name_but_another_uid_is_absent() -> None:
    collector = GarbageCollector()
    again = owned_by("ReplicaSet", "first-uid", "a")
    collector.graph.changed(PODS, None, thing("p", again))
    assert (await observe(collector, "p", Live("a"))).owners == [(again, Owner.ABSENT)]


async def test_unknown_kind_of_owner_is_unresolved() -> None:
    collector = GarbageCollector()
    odd = OwnerReference(api_version="example.com/v1", kind="Widget", name="w", uid="w")
    collector.graph.changed(PODS, None, thing("p", odd))
    assert (await observe(collector, "p", Live())).owners == [(odd, Owner.UNRESOLVED)]


def test_dependents_are_looked_at_when_their_owner_goes() -> None:
    graph = Graph()
    owner = thing("a")
    graph.changed(REPLICASETS, None, owner)
    graph.changed(PODS, None, thing("p", A))
    assert [d.uid for d in graph.dependents("a")] == ["p"]
    assert list(graph.changed(REPLICASETS, owner, None)) == ["p"]
    assert graph.dependents("a") == []


def test_waiting_owner_is_looked_at_when_a_dependent_goes_or_is_freed() -> None:
    graph = Graph()
    waiting = thing("a", deleting=True, finalizers=(FOREGROUND,))
    graph.changed(PODS, None, thing("p", A))
    graph.changed(PODS, None, thing("q", A))
    assert set(graph.changed(REPLICASETS, None, waiting)) == {"a", "p", "q"}
    assert "a" in graph.changed(PODS, thing("p", A), thing("p"))
    assert "a" in graph.changed(PODS, thing("q", A), None)
