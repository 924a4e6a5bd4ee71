"""How the pods of one schedulerName are placed: which filters and scores count, how much, and by which rules."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from engine.scheduler.terms import HOSTNAME, ZONE, NodeTerm

Strategy = Literal["LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"]

FILTER_PLUGINS = (
    "NodeUnschedulable",
    "NodeName",
    "TaintToleration",
    "NodeAffinity",
    "NodePorts",
    "NodeResourcesFit",
    "VolumeRestrictions",
    "NodeVolumeLimits",
    "VolumeBinding",
    "VolumeZone",
    "PodTopologySpread",
    "InterPodAffinity",
)
DEFAULT_WEIGHTS = {
    "TaintToleration": 3,
    "NodeAffinity": 2,
    "NodeResourcesFit": 1,
    "PodTopologySpread": 2,
    "InterPodAffinity": 2,
    "NodeResourcesBalancedAllocation": 1,
    "ImageLocality": 1,
}
"""Upstream's (pkg/scheduler/apis/config/v1/default_plugins.go)."""
OTHER_PLUGINS = ("SchedulingGates", "PrioritySort", "DefaultPreemption", "DefaultBinder")


@dataclass(frozen=True, slots=True)
class DefaultSpread:
    """A constraint for pods that name none; its selector comes from the Services and sets that the pod belongs to."""

    key: str
    max_skew: int
    hard: bool = False


SYSTEM_SPREAD = (DefaultSpread(HOSTNAME, 3), DefaultSpread(ZONE, 5))


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """`ratio`: points (utilisation in percent, score 0 to 10), for RequestedToCapacityRatio.

    `system_spread`: the default constraints are the system's own, which do not ask machines for all their labels.
    """

    name: str = "default-scheduler"
    disabled_filters: frozenset[str] = frozenset()
    weights: Mapping[str, int] = field(default_factory=lambda: dict(DEFAULT_WEIGHTS))
    preempts: bool = True
    strategy: Strategy = "LeastAllocated"
    resources: tuple[tuple[str, int], ...] = (("cpu", 1), ("memory", 1))
    balanced: tuple[str, ...] = ("cpu", "memory")
    ratio: tuple[tuple[int, int], ...] = ()
    ignored_resources: frozenset[str] = frozenset()
    ignored_groups: frozenset[str] = frozenset()
    added_required: tuple[NodeTerm, ...] | None = None
    added_preferred: tuple[tuple[int, NodeTerm], ...] = ()
    spread: tuple[DefaultSpread, ...] = SYSTEM_SPREAD
    system_spread: bool = True
    hard_affinity_weight: int = 1
    ignore_others_wishes: bool = False
    candidates_percent: int = 10
    candidates_least: int = 100
    bind_timeout: float = 600.0


DEFAULT_PROFILE = Profile()
