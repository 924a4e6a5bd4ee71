"""A machine as the scheduler sees it: what it has, what is taken. Changed in place, pod by pod."""

from collections import Counter
from dataclasses import dataclass, field

from engine.scheduler.requests import PODS, Amounts, amounts
from engine.scheduler.shape import HostPort, Shape
from engine.scheduler.views import Node


@dataclass(slots=True)
class Machine:
    """`node` is None for a machine of which only pods are known: nothing is placed there."""

    name: str
    node: Node | None = None
    allocatable: Amounts = field(default_factory=dict[str, int])
    images: frozenset[str] = frozenset()
    requested: Amounts = field(default_factory=dict[str, int])
    assumed_cpu: int = 0
    assumed_memory: int = 0
    pods: int = 0
    groups: Counter[str] = field(default_factory=Counter[str])
    host_ports: Counter[HostPort] = field(default_factory=Counter[HostPort])

    def describe(self, node: Node) -> None:
        """Take over what the Node object says now."""
        self.node = node
        self.allocatable = amounts(node.status.allocatable)
        self.images = frozenset(name for image in node.status.images for name in image.names)

    def add(self, shape: Shape) -> None:
        self._count(shape, 1)

    def remove(self, shape: Shape) -> None:
        self._count(shape, -1)

    def _count(self, shape: Shape, sign: int) -> None:
        for name, amount in shape.requests.items():
            self.requested[name] = self.requested.get(name, 0) + sign * amount
        self.assumed_cpu += sign * shape.assumed[0]
        self.assumed_memory += sign * shape.assumed[1]
        self.pods += sign
        if shape.group:
            self.groups[shape.group] += sign
            if not self.groups[shape.group]:
                del self.groups[shape.group]
        for port in shape.host_ports:
            self.host_ports[port] += sign
            if not self.host_ports[port]:
                del self.host_ports[port]

    @property
    def pods_allowed(self) -> int:
        return self.allocatable.get(PODS, 0)
