"""Could this change help that pod? Asked before a pod that fits nowhere is tried again.

One answer per filter that turned the pod away, as upstream's queueing hints: a change that none of them cares about
wakes nobody. Too many yes cost a try, a wrong no costs five minutes: in doubt it is yes.
"""

from collections.abc import Collection
from dataclasses import dataclass

from engine.scheduler.filters import refusal
from engine.scheduler.machine import Machine, Resident
from engine.scheduler.shape import Kind, Shape
from engine.scheduler.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class MachineChanged:
    """A machine came, or its labels, taints, or what it offers changed."""

    machine: Machine


@dataclass(frozen=True, slots=True)
class PodLeft:
    """`machine` as it is without it. A pod that begins to terminate leaves the counts of topology spread already."""

    resident: Resident
    machine: Machine | None


@dataclass(frozen=True, slots=True)
class PodCame:
    resident: Resident


@dataclass(frozen=True, slots=True)
class NamespaceChanged:
    """Its labels did, by which terms may select."""


@dataclass(frozen=True, slots=True)
class ClaimChanged:
    key: str


@dataclass(frozen=True, slots=True)
class StorageChanged:
    """A volume, a class, or what a machine's drivers say."""


Event = MachineChanged | PodLeft | PodCame | NamespaceChanged | ClaimChanged | StorageChanged

_OF_VOLUMES = frozenset(("VolumeRestrictions", "NodeVolumeLimits", "VolumeBinding", "VolumeZone"))


def helps(snapshot: Snapshot, event: Event, shape: Shape, plugins: Collection[str]) -> bool:
    match event:
        case MachineChanged(machine):
            # What other pods could be taken away for is worth a try too.
            against = refusal(shape, machine)
            return bool(plugins) and (against is None or against.curable)
        case PodLeft(resident, machine):
            return any(_after_leaving(snapshot, plugin, resident, machine, shape) for plugin in plugins)
        case PodCame(resident):
            return any(_after_coming(snapshot, plugin, resident.shape.kind, shape) for plugin in plugins)
        case NamespaceChanged():
            return "InterPodAffinity" in plugins
        case ClaimChanged(key):
            return bool(_OF_VOLUMES & set(plugins)) and any(use.key == key for use in shape.claims)
        case StorageChanged():
            return bool(_OF_VOLUMES & set(plugins))


def _after_leaving(snapshot: Snapshot, plugin: str, resident: Resident, machine: Machine | None, shape: Shape) -> bool:
    kind = resident.shape.kind
    if plugin in ("NodeResourcesFit", "NodePorts"):
        return machine is not None and refusal(shape, machine) is None
    if plugin == "PodTopologySpread":
        return _spreads_over(kind, shape)
    if plugin == "InterPodAffinity":
        ours = any(snapshot.selects(term, kind) for term in shape.kind.anti_affinity)
        return (
            ours or any(snapshot.selects(term, shape.kind) for term in kind.anti_affinity) or bool(shape.kind.affinity)
        )
    if plugin == "VolumeRestrictions":
        return bool({use.key for use in resident.shape.claims} & {use.key for use in shape.claims})
    return plugin == "NodeVolumeLimits" and bool(resident.shape.claims)


def _after_coming(snapshot: Snapshot, plugin: str, kind: Kind, shape: Shape) -> bool:
    if plugin == "PodTopologySpread":
        return _spreads_over(kind, shape)
    if plugin == "InterPodAffinity":
        return any(snapshot.selects(term, kind) for term in shape.kind.affinity)
    return False


def _spreads_over(kind: Kind, shape: Shape) -> bool:
    if kind.namespace != shape.kind.namespace:
        return False
    # Constraints by default have their selector from elsewhere: better to ask once too often.
    return not shape.spreads or any(one.selector.matches(kind.labels) for one in shape.hard_spread)
