"""NodeMetrics and PodMetrics: what machines and pods use at the moment."""

from __future__ import annotations

import msgspec

from apimachinery.objects import quantity
from engine.apiserver.registry.kind import Column, Kind
from engine.apiserver.registry.views import NAME, Metadata

_GROUP = "metrics.k8s.io"
_VERSION = "v1beta1"


class Container(msgspec.Struct, frozen=True):
    usage: dict[str, str] = {}


class UsageRow(msgspec.Struct, frozen=True):
    """What the table cells read: a node's own usage, or that of a pod's containers."""

    metadata: Metadata
    window: str = ""
    usage: dict[str, str] = {}
    containers: list[Container] = []

    def total(self, resource: str) -> int:
        """In thousandths."""
        amounts = [self.usage, *(container.usage for container in self.containers)]
        return sum(quantity.milli(amount[resource]) for amount in amounts if resource in amount)


_COLUMNS = (
    NAME,
    Column(name="cpu", cell=lambda view: f"{view.total('cpu')}m"),
    Column(name="memory", cell=lambda view: f"{view.total('memory') // 1000 // 1024}Ki"),
    Column(name="Window", cell=lambda view: view.window),
)

# Clients know both kinds by the names of the things measured.
NODE_METRICS = Kind(
    group=_GROUP,
    version=_VERSION,
    kind="NodeMetrics",
    plural="nodes",
    singular="",
    namespaced=False,
    verbs=("get", "list"),
    measured=True,
    table_view=UsageRow,
    columns=_COLUMNS,
)
POD_METRICS = Kind(
    group=_GROUP,
    version=_VERSION,
    kind="PodMetrics",
    plural="pods",
    singular="",
    namespaced=True,
    verbs=("get", "list"),
    measured=True,
    table_view=UsageRow,
    columns=_COLUMNS,
)
