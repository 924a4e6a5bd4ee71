"""What the scheduler reads of pods, machines and all else that decides where a pod may go."""

from typing import Any

import msgspec

from apimachinery.objects import resources
from apimachinery.objects.meta import Object
from apimachinery.objects.resources import Resource
from apimachinery.objects.taints import Taint, Toleration

Json = dict[str, Any]
Quantities = dict[str, str | int | float]


class Resources(msgspec.Struct, frozen=True, rename="camel"):
    requests: Quantities = {}


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
    preference: Json = {}


class RequiredNodes(msgspec.Struct, frozen=True, rename="camel"):
    node_selector_terms: tuple[Json, ...] = ()


class NodeAffinity(msgspec.Struct, frozen=True, rename="camel"):
    required: RequiredNodes | None = msgspec.field(default=None, name="requiredDuringSchedulingIgnoredDuringExecution")
    preferred: tuple[PreferredTerm, ...] = msgspec.field(
        default=(), name="preferredDuringSchedulingIgnoredDuringExecution"
    )


class PodAffinityTerm(msgspec.Struct, frozen=True, rename="camel"):
    topology_key: str = ""
    label_selector: Json | None = None
    namespace_selector: Json | None = None
    namespaces: tuple[str, ...] = ()
    match_label_keys: tuple[str, ...] = ()
    mismatch_label_keys: tuple[str, ...] = ()


class WeightedPodAffinityTerm(msgspec.Struct, frozen=True, rename="camel"):
    weight: int = 1
    pod_affinity_term: PodAffinityTerm = PodAffinityTerm()


class PodAffinity(msgspec.Struct, frozen=True, rename="camel"):
    """Of the pod for or against other pods."""

    required: tuple[PodAffinityTerm, ...] = msgspec.field(
        default=(), name="requiredDuringSchedulingIgnoredDuringExecution"
    )
    preferred: tuple[WeightedPodAffinityTerm, ...] = msgspec.field(
        default=(), name="preferredDuringSchedulingIgnoredDuringExecution"
    )


class Affinity(msgspec.Struct, frozen=True, rename="camel"):
    node_affinity: NodeAffinity | None = None
    pod_affinity: PodAffinity | None = None
    pod_anti_affinity: PodAffinity | None = None


class TopologySpreadConstraint(msgspec.Struct, frozen=True, rename="camel"):
    max_skew: int = 1
    topology_key: str = ""
    when_unsatisfiable: str = "DoNotSchedule"
    label_selector: Json | None = None
    min_domains: int | None = None
    node_affinity_policy: str = "Honor"
    node_taints_policy: str = "Ignore"
    match_label_keys: tuple[str, ...] = ()


class ClaimSource(msgspec.Struct, frozen=True, rename="camel"):
    claim_name: str = ""


class Volume(msgspec.Struct, frozen=True, rename="camel"):
    """`ephemeral`: anything at all means a claim of the pod's own."""

    name: str = ""
    persistent_volume_claim: ClaimSource | None = None
    ephemeral: Json | None = None


class SchedulingGate(msgspec.Struct, frozen=True):
    name: str = ""


class PodSpec(msgspec.Struct, frozen=True, rename="camel"):
    node_name: str = ""
    scheduler_name: str = "default-scheduler"
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    overhead: Quantities = {}
    resources: Resources | None = None
    node_selector: dict[str, str] = {}
    affinity: Affinity | None = None
    tolerations: tuple[Toleration, ...] = ()
    topology_spread_constraints: tuple[TopologySpreadConstraint, ...] = ()
    scheduling_gates: tuple[SchedulingGate, ...] = ()
    volumes: tuple[Volume, ...] = ()
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
    nominated_node_name: str = ""
    start_time: str | None = None


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
    allocatable: Quantities = {}
    images: tuple[Image, ...] = ()


class Node(Object, frozen=True):
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


class Namespace(Object, frozen=True):
    """Its labels are what affinity terms may select by."""


class ServiceSpec(msgspec.Struct, frozen=True):
    selector: dict[str, str] = {}


class Service(Object, frozen=True):
    """Also a ReplicationController, whose selector is written the same way."""

    spec: ServiceSpec = ServiceSpec()


class OwnerSpec(msgspec.Struct, frozen=True):
    selector: Json | None = None


class Owner(Object, frozen=True):
    """A ReplicaSet or StatefulSet."""

    spec: OwnerSpec = OwnerSpec()


class BudgetStatus(msgspec.Struct, frozen=True, rename="camel"):
    disruptions_allowed: int = 0
    disrupted_pods: Json = {}


class Budget(Object, frozen=True):
    spec: OwnerSpec = OwnerSpec()
    status: BudgetStatus = BudgetStatus()


class ClaimResources(msgspec.Struct, frozen=True):
    requests: Quantities = {}


class ClaimSpec(msgspec.Struct, frozen=True, rename="camel"):
    volume_name: str = ""
    storage_class_name: str = ""
    access_modes: tuple[str, ...] = ()
    volume_mode: str = "Filesystem"
    selector: Json | None = None
    resources: ClaimResources = ClaimResources()


class Phase(msgspec.Struct, frozen=True):
    phase: str = "Pending"


class Claim(Object, frozen=True):
    spec: ClaimSpec = ClaimSpec()
    status: Phase = Phase()


class ClaimReference(msgspec.Struct, frozen=True):
    namespace: str = ""
    name: str = ""
    uid: str = ""


class VolumeNodes(msgspec.Struct, frozen=True):
    required: RequiredNodes | None = None


class CsiSource(msgspec.Struct, frozen=True, rename="camel"):
    driver: str = ""
    volume_handle: str = ""


class PersistentVolumeSpec(msgspec.Struct, frozen=True, rename="camel"):
    capacity: Quantities = {}
    access_modes: tuple[str, ...] = ()
    claim_ref: ClaimReference | None = None
    storage_class_name: str = ""
    volume_mode: str = "Filesystem"
    node_affinity: VolumeNodes | None = None
    csi: CsiSource | None = None


class PersistentVolume(Object, frozen=True):
    spec: PersistentVolumeSpec = PersistentVolumeSpec()
    status: Phase = Phase()


class TopologyExpression(msgspec.Struct, frozen=True):
    key: str = ""
    values: tuple[str, ...] = ()


class TopologyTerm(msgspec.Struct, frozen=True, rename="camel"):
    match_label_expressions: tuple[TopologyExpression, ...] = ()


class StorageClass(Object, frozen=True):
    provisioner: str = ""
    volume_binding_mode: str = "Immediate"
    allowed_topologies: tuple[TopologyTerm, ...] = ()


class DriverAllocatable(msgspec.Struct, frozen=True):
    count: int | None = None


class CsiDriver(msgspec.Struct, frozen=True):
    name: str = ""
    allocatable: DriverAllocatable | None = None


class CsiNodeSpec(msgspec.Struct, frozen=True):
    drivers: tuple[CsiDriver, ...] = ()


class CsiNode(Object, frozen=True):
    spec: CsiNodeSpec = CsiNodeSpec()


PODS = resources.PODS
NODES = resources.NODES
NAMESPACES = resources.NAMESPACES
SERVICES = resources.SERVICES
REPLICASETS = resources.REPLICASETS
REPLICATIONCONTROLLERS = resources.REPLICATIONCONTROLLERS
STATEFULSETS = resources.STATEFULSETS
BUDGETS = resources.PODDISRUPTIONBUDGETS
CLAIMS = resources.PERSISTENTVOLUMECLAIMS
VOLUMES = Resource("", "v1", "persistentvolumes", "PersistentVolume", False)
STORAGECLASSES = Resource("storage.k8s.io", "v1", "storageclasses", "StorageClass", False)
CSINODES = Resource("storage.k8s.io", "v1", "csinodes", "CSINode", False)
