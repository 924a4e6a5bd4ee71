"""Which of the machines that may take a pod is best for it. Higher is better.

Each score depends on one machine alone, so that placing a pod changes one score only: that is what makes batches
cheap. Weights follow upstream's defaults, scaled so that a replica on a machine already outweighs most differences
in load.
"""

from collections.abc import Callable, Sequence

from apimachinery.objects.taints import tolerated
from engine.scheduler.machine import Machine
from engine.scheduler.requests import CPU, MEMORY
from engine.scheduler.shape import Shape

Score = Callable[[Shape, Machine], float]


def least_allocated(shape: Shape, machine: Machine) -> float:
    """0 to 100: the share of cpu and memory that stays free with the pod there."""
    cpu = _free(machine.allocatable.get(CPU, 0), machine.assumed_cpu + shape.assumed[0])
    memory = _free(machine.allocatable.get(MEMORY, 0), machine.assumed_memory + shape.assumed[1])
    return (cpu + memory) * 50


def balanced(shape: Shape, machine: Machine) -> float:
    """0 to 100: cpu and memory used up evenly."""
    cpu = _free(machine.allocatable.get(CPU, 0), machine.assumed_cpu + shape.assumed[0])
    memory = _free(machine.allocatable.get(MEMORY, 0), machine.assumed_memory + shape.assumed[1])
    return (1 - abs(cpu - memory)) * 100


def spread(shape: Shape, machine: Machine) -> float:
    """0 for the first pod of its group on the machine, 100 less for each that is there already."""
    return -100.0 * machine.groups[shape.group] if shape.group else 0.0


def preferred_affinity(shape: Shape, machine: Machine) -> float:
    """0 to 100: the share of the preferences' weight that the machine meets."""
    if not shape.preferred or machine.node is None:
        return 0.0
    labels = machine.node.metadata.labels
    met = sum(weight for weight, term in shape.preferred if term.matches(labels, machine.name))
    return 100 * met / sum(weight for weight, _ in shape.preferred)


def preferred_taints(shape: Shape, machine: Machine) -> float:
    """100 less for each taint PreferNoSchedule that the pod does not tolerate."""
    if machine.node is None:
        return 0.0
    soft = (taint for taint in machine.node.spec.taints if taint.effect == "PreferNoSchedule")
    return -100.0 * sum(1 for taint in soft if not tolerated(taint, shape.tolerations))


def image_locality(shape: Shape, machine: Machine) -> float:
    """0 to 100: the share of the pod's images that are on the machine."""
    if not shape.images or not machine.images:
        return 0.0
    return 100 * sum(1 for image in shape.images if _has(machine, image)) / len(shape.images)


def _free(allocatable: int, used: int) -> float:
    return max(0.0, (allocatable - used) / allocatable) if allocatable > 0 else 0.0


def _has(machine: Machine, image: str) -> bool:
    # Machines report images under their full names; short ones are of the default registry.
    return (
        image in machine.images
        or f"docker.io/library/{image}" in machine.images
        or f"docker.io/{image}" in machine.images
    )


SCORES: Sequence[tuple[str, Score, float]] = (
    ("NodeResourcesFit", least_allocated, 1.0),
    ("NodeResourcesBalancedAllocation", balanced, 0.2),
    ("PodTopologySpread", spread, 2.0),
    ("NodeAffinity", preferred_affinity, 2.0),
    ("TaintToleration", preferred_taints, 3.0),
    ("ImageLocality", image_locality, 0.3),
)


def score(shape: Shape, machine: Machine) -> float:
    return sum(weight * judge(shape, machine) for _, judge, weight in SCORES)
