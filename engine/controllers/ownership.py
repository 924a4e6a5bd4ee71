"""Which objects belong to a controller: adopting matching orphans, releasing those that match no more.

The rules of upstream's controller_ref_manager.go. Pure: answers the objects held and the patches to make it so.
"""

from collections.abc import Iterable
from typing import TypeVar

from apimachinery.objects.meta import Object, controller_of
from apimachinery.objects.resources import Resource
from apimachinery.objects.selectors import Selector
from engine.controllers.actions import Action, Json, Patch

T = TypeVar("T", bound=Object)


def owner_reference(resource: Resource, owner: Object) -> Json:
    """The reference by which a controller marks what it manages."""
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "name": owner.metadata.name,
        "uid": owner.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def is_controlled_by(obj: Object, uid: str) -> bool:
    manager = controller_of(obj.metadata)
    return manager is not None and manager.uid == uid


def claim(
    owner_resource: Resource, owner: Object, selector: Selector, resource: Resource, candidates: Iterable[T]
) -> tuple[list[T], list[Action]]:
    """Those of `candidates` that `owner` manages from now on, and the adoptions and releases this takes.

    `candidates`: objects of the owner's namespace that it manages already or that nobody manages.
    """
    going = owner.metadata.deletion_timestamp is not None
    held: list[T] = []
    patches: list[Action] = []
    for candidate in candidates:
        meta = candidate.metadata
        manager = controller_of(meta)
        matches = selector.matches(meta.labels)
        if manager is not None:
            if manager.uid != owner.metadata.uid:
                continue
            if matches or going:
                held.append(candidate)
            elif meta.deletion_timestamp is None:
                released = {"metadata": {"ownerReferences": [{"$patch": "delete", "uid": owner.metadata.uid}]}}
                patches.append(_patch(resource, candidate, released))
        elif matches and not going and meta.deletion_timestamp is None:
            held.append(candidate)
            adopted = {"metadata": {"ownerReferences": [owner_reference(owner_resource, owner)]}}
            patches.append(_patch(resource, candidate, adopted))
    return held, patches


def _patch(resource: Resource, obj: Object, body: Json) -> Patch:
    meta = obj.metadata
    return Patch(
        resource=resource, namespace=meta.namespace, name=meta.name, body=body, kind="strategic", uid=meta.uid
    )  # fmt: skip
