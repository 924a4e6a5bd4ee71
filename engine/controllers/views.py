"""Narrow views of kinds that several controllers read, kept once per process; other kinds' views stand in their file.

Add a field here when a controller needs it: each costs memory for every object of the kind.
"""

from typing import Any

import msgspec

from apimachinery.objects import resources
from apimachinery.objects.meta import Object, controller_of
from engine.controllers.controller import Source


class View(msgspec.Struct, frozen=True, rename="camel"):
    """The base of nested views."""


class Condition(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A condition of any kind; `last_update_time` only Deployments have."""

    type: str
    status: str
    reason: str | None = None
    message: str | None = None
    last_transition_time: str | None = None
    last_update_time: str | None = None


def condition_of(conditions: tuple[Condition, ...], kind: str) -> Condition | None:
    return next((c for c in conditions if c.type == kind), None)


class ContainerPort(View):
    container_port: int = 0
    name: str = ""
    protocol: str = "TCP"


class Container(View):
    ports: tuple[ContainerPort, ...] = ()
    restart_policy: str = ""


class Toleration(View):
    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""
    toleration_seconds: int | None = None


class PodSpec(View):
    node_name: str = ""
    hostname: str = ""
    subdomain: str = ""
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    tolerations: tuple[Toleration, ...] = ()


class PodIP(View):
    ip: str = ""


class ContainerStatus(View):
    restart_count: int = 0


class PodStatus(View):
    phase: str = "Pending"
    pod_i_ps: tuple[PodIP, ...] = msgspec.field(default=(), name="podIPs")
    pod_ip: str = msgspec.field(default="", name="podIP")
    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()


class Pod(Object):
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


def orphans_of(namespace: str) -> str:
    """The value of index `controller` under which objects without a controller stand."""
    return f"orphan/{namespace}"


def by_controller(obj: Object) -> list[str]:
    owner = controller_of(obj.metadata)
    return [owner.uid if owner else orphans_of(obj.metadata.namespace)]


def _by_node(pod: Pod) -> list[str]:
    return [pod.spec.node_name]


POD_SOURCE = Source(resources.PODS, Pod, {"controller": by_controller, "node": _by_node})


class Taint(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    key: str
    effect: str
    value: str = ""
    time_added: str | None = None


class NodeSpec(View):
    pod_cidr: str = msgspec.field(default="", name="podCIDR")
    pod_cidrs: tuple[str, ...] = msgspec.field(default=(), name="podCIDRs")
    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False


class NodeStatus(View):
    conditions: tuple[Condition, ...] = ()


class Node(Object):
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


NODE_SOURCE = Source(resources.NODES, Node)


class ReplicaSetSpec(View):
    replicas: int = 1
    min_ready_seconds: int = 0
    selector: dict[str, Any] = {}
    template: msgspec.Raw = msgspec.Raw(b"{}")
    """As JSON bytes: read only when pods are made or revisions compared."""


class ReplicaSetStatus(View):
    replicas: int = 0
    fully_labeled_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    terminating_replicas: int | None = None
    observed_generation: int = 0
    conditions: tuple[Condition, ...] = ()


class ReplicaSet(Object):
    spec: ReplicaSetSpec = ReplicaSetSpec()
    status: ReplicaSetStatus = ReplicaSetStatus()


REPLICASET_SOURCE = Source(resources.REPLICASETS, ReplicaSet, {"controller": by_controller})


class NamespaceSpec(View):
    finalizers: tuple[str, ...] = ()


class NamespaceStatus(View):
    phase: str = "Active"
    conditions: tuple[Condition, ...] = ()


class Namespace(Object):
    spec: NamespaceSpec = NamespaceSpec()
    status: NamespaceStatus = NamespaceStatus()


NAMESPACE_SOURCE = Source(resources.NAMESPACES, Namespace)
