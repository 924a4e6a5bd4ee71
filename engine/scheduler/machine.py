"""A machine as the scheduler sees it: what it has, what is taken. Changed in place, pod by pod."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.scheduler.requests import PODS, Amounts, amounts
from engine.scheduler.shape import HostPort, Shape
from engine.scheduler.views import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Resident:
    """A pod that has a machine, or is meant to get one. `started`: RFC 3339, empty while it has not.

    `preempted`: it is on its way out to make room for another.
    """

    uid: str
    namespace: str
    name: str
    shape: Shape
    machine: str
    started: str = ""
    preempted: bool = False

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(slots=True, eq=False)
class Machine:
    """`node` is None for a machine of which only pods are known: nothing is placed there.

    `generation` grows with each change, over all machines of a snapshot.
    """

    name: str
    node: Node | None = None
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    allocatable: Amounts = field(default_factory=dict[str, int])
    images: dict[str, int] = field(default_factory=dict[str, int])
    requested: Amounts = field(default_factory=dict[str, int])
    assumed_cpu: int = 0
    assumed_memory: int = 0
    residents: dict[str, Resident] = field(default_factory=dict[str, Resident])
    host_ports: Counter[HostPort] = field(default_factory=Counter[HostPort])
    generation: int = 0
    guarded: bool = False
    """It has taints, or is cordoned."""

    @property
    def pods(self) -> int:
        return len(self.residents)

    @property
    def pods_allowed(self) -> int:
        return self.allocatable.get(PODS, 0)

    def describe(self, node: Node) -> None:
        """Take over what the Node object says now."""
        self.node = node
        self.labels = node.metadata.labels
        self.guarded = bool(node.spec.taints) or node.spec.unschedulable
        self.allocatable = amounts(node.status.allocatable)
        self.images = {name: image.size_bytes for image in node.status.images for name in image.names}

    def add(self, resident: Resident) -> None:
        self.residents[resident.uid] = resident
        self._count(resident.shape, 1)

    def remove(self, resident: Resident) -> None:
        del self.residents[resident.uid]
        self._count(resident.shape, -1)

    def copy(self) -> "Machine":
        """One to play through what would be if pods came or went."""
        return Machine(
            name=self.name,
            node=self.node,
            labels=self.labels,
            allocatable=self.allocatable,
            images=self.images,
            requested=dict(self.requested),
            assumed_cpu=self.assumed_cpu,
            assumed_memory=self.assumed_memory,
            residents=dict(self.residents),
            host_ports=Counter(self.host_ports),
            generation=self.generation,
            guarded=self.guarded,
        )

    def _count(self, shape: Shape, sign: int) -> None:
        for name, amount in shape.requests.items():
            self.requested[name] = self.requested.get(name, 0) + sign * amount
        self.assumed_cpu += sign * shape.assumed[0]
        self.assumed_memory += sign * shape.assumed[1]
        for port in shape.host_ports:
            self.host_ports[port] += sign
            if not self.host_ports[port]:
                del self.host_ports[port]
