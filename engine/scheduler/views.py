"""What the scheduler reads of pods and machines."""

from typing import Any

import msgspec

from apimachinery.objects import resources
from apimachinery.objects.meta import Object
from apimachinery.objects.taints import Taint, Toleration


class Resources(msgspec.Struct, frozen=True, rename="camel"):
    requests: dict[str, str | int | float] = {}


class ContainerPort(msgspec.Struct, frozen=True, rename="camel"):
    host_port: int = 0
    protocol: str = "TCP"
    host_ip: str = msgspec.field(default="", name="hostIP")


class Container(msgspec.Struct, frozen=True, rename="camel"):
    image: str = ""
    resources: Resources = Resources()
    ports: tuple[ContainerPort, ...] = ()
    restart_policy: str = ""


class PreferredTerm(msgspec.Struct, frozen=True, rename="camel"):
    weight: int = 1
    preference: dict[str, Any] = {}


class RequiredNodes(msgspec.Struct, frozen=True, rename="camel"):
    node_selector_terms: tuple[dict[str, Any], ...] = ()


class NodeAffinity(msgspec.Struct, frozen=True, rename="camel"):
    required: RequiredNodes | None = msgspec.field(default=None, name="requiredDuringSchedulingIgnoredDuringExecution")
    preferred: tuple[PreferredTerm, ...] = msgspec.field(
        default=(), name="preferredDuringSchedulingIgnoredDuringExecution"
    )


class Affinity(msgspec.Struct, frozen=True, rename="camel"):
    node_affinity: NodeAffinity | None = None


class SchedulingGate(msgspec.Struct, frozen=True):
    name: str = ""


class PodSpec(msgspec.Struct, frozen=True, rename="camel"):
    node_name: str = ""
    scheduler_name: str = "default-scheduler"
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    overhead: dict[str, str | int | float] = {}
    resources: Resources | None = None
    node_selector: dict[str, str] = {}
    affinity: Affinity | None = None
    tolerations: tuple[Toleration, ...] = ()
    scheduling_gates: tuple[SchedulingGate, ...] = ()
    priority: int = 0
    preemption_policy: str = "PreemptLowerPriority"


class Condition(msgspec.Struct, frozen=True):
    type: str
    status: str
    reason: str = ""
    message: str = ""


class PodStatus(msgspec.Struct, frozen=True, rename="camel"):
    phase: str = "Pending"
    conditions: tuple[Condition, ...] = ()


class Pod(Object, frozen=True):
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class Image(msgspec.Struct, frozen=True, rename="camel"):
    names: tuple[str, ...] = ()
    size_bytes: int = 0


class NodeSpec(msgspec.Struct, frozen=True, rename="camel"):
    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False


class NodeStatus(msgspec.Struct, frozen=True, rename="camel"):
    allocatable: dict[str, str | int | float] = {}
    images: tuple[Image, ...] = ()


class Node(Object, frozen=True):
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


PODS = resources.PODS
NODES = resources.NODES
