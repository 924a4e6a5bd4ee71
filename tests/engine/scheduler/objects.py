"""Pods and machines as the scheduler sees them."""

from typing import Any

import msgspec

from engine.scheduler.machine import Machine, Resident
from engine.scheduler.owners import Owners
from engine.scheduler.placing import Candidate, Outcome, Placement, Placer
from engine.scheduler.profile import DEFAULT_PROFILE, Profile
from engine.scheduler.shape import Shape, shape_of
from engine.scheduler.snapshot import Snapshot, resident_of
from engine.scheduler.views import Node, Owner, Pod


def pod(name: str = "p", *, namespace: str = "default", owner: str = "", labels: Any = None, **spec: Any) -> Pod:
    """`spec` as on the wire; one container unless it names others."""
    owners = [{"kind": "ReplicaSet", "name": owner, "uid": owner, "controller": True}] if owner else []
    meta = {"name": name, "namespace": namespace, "uid": name, "labels": labels or {}, "ownerReferences": owners}
    status = spec.pop("status", {})
    whole = {"metadata": meta, "spec": {"containers": [{"name": "c", "image": "nginx"}], **spec}, "status": status}
    return msgspec.convert(whole, Pod)


def asking(cpu: str = "0", memory: str = "0", **more: str) -> dict[str, Any]:
    """A container with these requests."""
    return {"name": "c", "image": "nginx", "resources": {"requests": {"cpu": cpu, "memory": memory, **more}}}


def shape(**spec: Any) -> Shape:
    return shape_of(pod(**spec))


def node(
    name: str = "m1",
    *,
    cpu: str = "4",
    memory: str = "8Gi",
    pods: str = "110",
    labels: dict[str, str] | None = None,
    images: dict[str, int] | None = None,
    spec: dict[str, Any] | None = None,
    **more: str,
) -> Node:
    allocatable = {"cpu": cpu, "memory": memory, "pods": pods, **more}
    found = [{"names": [image], "sizeBytes": size} for image, size in (images or {}).items()]
    status = {"allocatable": allocatable, "images": found}
    meta = {"name": name, "uid": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}}
    return msgspec.convert({"metadata": meta, "spec": spec or {}, "status": status}, Node)


def machine(name: str = "m1", **facts: Any) -> Machine:
    made = Machine(name)
    made.describe(node(name, **facts))
    return made


def resident(one: Pod, on: str = "m1") -> Resident:
    return resident_of(one, shape_of(one), one.spec.node_name or on)


def snapshot(*nodes: Node) -> Snapshot:
    made = Snapshot()
    for one in nodes:
        made.node_changed(one)
    return made


def placer(*nodes: Node) -> Placer:
    return Placer(snapshot(*nodes))


def settle(where: Placer, one: Pod, on: str) -> None:
    """The pod is there already."""
    where.snapshot.place(resident(one, on))


def try_pods(where: Placer, *pods: Pod, profile: Profile = DEFAULT_PROFILE) -> list[Outcome]:
    """One after the other."""
    outcomes: list[Outcome] = []
    for one in pods:
        meta = one.metadata
        candidate = Candidate(uid=meta.uid, namespace=meta.namespace, name=meta.name)
        outcomes += where.place(shape_of(one), [candidate], profile)
    return outcomes


def machines_of(outcomes: list[Outcome]) -> list[str | None]:
    return [one.machine if isinstance(one, Placement) else None for one in outcomes]


def message(outcome: Outcome) -> str:
    return "" if isinstance(outcome, Placement) else outcome.message


def replica_set(owners: Owners, name: str, labels: dict[str, str]) -> None:
    """The set of this name, which selects by these labels."""
    raw = {"metadata": {"name": name, "namespace": "default"}, "spec": {"selector": {"matchLabels": labels}}}
    owners.set_changed("ReplicaSet", None, msgspec.convert(raw, Owner))
