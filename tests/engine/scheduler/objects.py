"""Pods and machines as the scheduler sees them."""

from typing import Any

import msgspec

from engine.scheduler.machine import Machine
from engine.scheduler.shape import Shape, shape_of
from engine.scheduler.views import Node, Pod


def pod(name: str = "p", *, namespace: str = "default", owner: str = "", labels: Any = None, **spec: Any) -> Pod:
    """`spec` as on the wire; one container unless it names others."""
    owners = [{"kind": "ReplicaSet", "name": owner, "uid": owner, "controller": True}] if owner else []
    meta = {"name": name, "namespace": namespace, "uid": name, "labels": labels or {}, "ownerReferences": owners}
    whole = {"metadata": meta, "spec": {"containers": [{"name": "c", "image": "nginx"}], **spec}}
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
    images: tuple[str, ...] = (),
    spec: dict[str, Any] | None = None,
    **more: str,
) -> Node:
    allocatable = {"cpu": cpu, "memory": memory, "pods": pods, **more}
    status = {"allocatable": allocatable, "images": [{"names": list(images)}]}
    meta = {"name": name, "uid": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}}
    return msgspec.convert({"metadata": meta, "spec": spec or {}, "status": status}, Node)


def machine(name: str = "m1", **facts: Any) -> Machine:
    made = Machine(name)
    made.describe(node(name, **facts))
    return made
