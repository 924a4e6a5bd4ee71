"""Narrow views of kinds that several controllers read, kept once per process; other kinds' views stand in their file.

Add a field here when a controller needs it: each costs memory for every object of the kind.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from apimachinery.objects import resources
from apimachinery.objects.meta import Object, controller_of, object_key
from apimachinery.objects.taints import Taint, Toleration
from engine.controllers.controller import Source


class Condition(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A condition of any kind; `last_update_time` only Deployments have."""

    type: str
    status: str
    reason: str | None = None
    message: str | None = None
    last_transition_time: str | None = None
    last_update_time: str | None = None


def condition_of(conditions: Iterable[Condition], kind: str) -> Condition | None:
    return next((c for c in conditions if c.type == kind), None)


class ContainerPort(msgspec.Struct, frozen=True, rename="camel"):
    container_port: int = 0
    name: str = ""
    protocol: str = "TCP"


class ContainerResources(msgspec.Struct, frozen=True, rename="camel"):
    requests: dict[str, str | int | float] = {}
    limits: dict[str, str | int | float] = {}


class Container(msgspec.Struct, frozen=True, rename="camel"):
    name: str = ""
    resources: ContainerResources = ContainerResources()
    ports: tuple[ContainerPort, ...] = ()
    restart_policy: str = ""


class RequiredNodes(msgspec.Struct, frozen=True, rename="camel"):
    node_selector_terms: tuple[dict[str, Any], ...] = ()


class NodeAffinity(msgspec.Struct, frozen=True, rename="camel"):
    required: RequiredNodes | None = msgspec.field(default=None, name="requiredDuringSchedulingIgnoredDuringExecution")


class Affinity(msgspec.Struct, frozen=True, rename="camel"):
    node_affinity: NodeAffinity | None = None


class ClaimVolume(msgspec.Struct, frozen=True, rename="camel"):
    claim_name: str = ""


class EphemeralVolume(msgspec.Struct, frozen=True, rename="camel"):
    volume_claim_template: msgspec.Raw = msgspec.Raw(b"{}")


class PodVolume(msgspec.Struct, frozen=True, rename="camel"):
    """A volume of a pod, as far as it is a claim."""

    name: str = ""
    persistent_volume_claim: ClaimVolume | None = None
    ephemeral: EphemeralVolume | None = None


class PodSpec(msgspec.Struct, frozen=True, rename="camel"):
    node_name: str = ""
    volumes: tuple[PodVolume, ...] = ()
    affinity: Affinity | None = None
    hostname: str = ""
    subdomain: str = ""
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    tolerations: tuple[Toleration, ...] = ()
    active_deadline_seconds: int | None = None
    priority_class_name: str = ""
    overhead: dict[str, str | int | float] = {}


class PodIP(msgspec.Struct, frozen=True, rename="camel"):
    ip: str = ""


class Terminated(msgspec.Struct, frozen=True, rename="camel"):
    exit_code: int = 0
    finished_at: str | None = None


class ContainerState(msgspec.Struct, frozen=True, rename="camel"):
    terminated: Terminated | None = None


class ContainerStatus(msgspec.Struct, frozen=True, rename="camel"):
    name: str = ""
    restart_count: int = 0
    state: ContainerState = ContainerState()


class PodStatus(msgspec.Struct, frozen=True, rename="camel"):
    phase: str = "Pending"
    start_time: str | None = None
    pod_ips: tuple[PodIP, ...] = msgspec.field(default=(), name="podIPs")
    pod_ip: str = msgspec.field(default="", name="podIP")
    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()


class Pod(Object, frozen=True):
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


ENDED = "ended"
"""The value of index `ended` under which all pods stand that will never run again."""


def _by_end(pod: Pod) -> list[str]:
    return [ENDED] if pod.status.phase in ("Succeeded", "Failed") else []


def claims_of(pod: Pod) -> list[str]:
    """The names of the claims that a pod uses, those of its ephemeral volumes included."""
    return [
        volume.persistent_volume_claim.claim_name
        if volume.persistent_volume_claim is not None
        else f"{pod.metadata.name}-{volume.name}"
        for volume in pod.spec.volumes
        if volume.persistent_volume_claim is not None or volume.ephemeral is not None
    ]


def _by_claim(pod: Pod) -> list[str]:
    return [object_key(pod.metadata.namespace, name) for name in claims_of(pod)]


POD_SOURCE = Source(
    resources.PODS, Pod, {"controller": by_controller, "node": _by_node, "ended": _by_end, "claim": _by_claim}
)


class NodeSpec(msgspec.Struct, frozen=True, rename="camel"):
    pod_cidr: str = msgspec.field(default="", name="podCIDR")
    pod_cidrs: tuple[str, ...] = msgspec.field(default=(), name="podCIDRs")
    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False


class NodeCondition(Condition, frozen=True, rename="camel", omit_defaults=True):
    last_heartbeat_time: str | None = None


class NodeStatus(msgspec.Struct, frozen=True, rename="camel"):
    conditions: tuple[NodeCondition, ...] = ()


class Node(Object, frozen=True):
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


NODE_SOURCE = Source(resources.NODES, Node)


class ReplicaSetSpec(msgspec.Struct, frozen=True, rename="camel"):
    replicas: int = 1
    min_ready_seconds: int = 0
    selector: dict[str, Any] = {}
    template: msgspec.Raw = msgspec.Raw(b"{}")
    """As JSON bytes: read only when pods are made or revisions compared."""


class ReplicaSetStatus(msgspec.Struct, frozen=True, rename="camel"):
    replicas: int = 0
    fully_labeled_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    terminating_replicas: int | None = None
    observed_generation: int = 0
    conditions: tuple[Condition, ...] = ()


class ReplicaSet(Object, frozen=True):
    spec: ReplicaSetSpec = ReplicaSetSpec()
    status: ReplicaSetStatus = ReplicaSetStatus()


REPLICASET_SOURCE = Source(resources.REPLICASETS, ReplicaSet, {"controller": by_controller})


class NamespaceSpec(msgspec.Struct, frozen=True, rename="camel"):
    finalizers: tuple[str, ...] = ()


class NamespaceStatus(msgspec.Struct, frozen=True, rename="camel"):
    phase: str = "Active"
    conditions: tuple[Condition, ...] = ()


class Namespace(Object, frozen=True):
    spec: NamespaceSpec = NamespaceSpec()
    status: NamespaceStatus = NamespaceStatus()


NAMESPACE_SOURCE = Source(resources.NAMESPACES, Namespace)
