"""Which of the machines that may take a pod is best for it: scores that look at one machine alone. Higher is better.

Whole numbers from 0 to 100, as upstream computes them, for these depend on nothing but the pod and the machine, so that
a pod placed changes one score only: that is what makes batches cheap. Scores that are set in relation to those of the
other machines are `wishes` and `soft_taints` below, and those in spreading.py and affinity.py.
"""

from collections.abc import Mapping

from apimachinery.objects.taints import tolerated
from engine.scheduler.machine import Machine
from engine.scheduler.profile import Profile
from engine.scheduler.requests import CPU, MEMORY
from engine.scheduler.shape import Shape

MAXIMUM = 100
_MB = 1024 * 1024
_SMALLEST_IMAGE, _LARGEST_IMAGE = 23 * _MB, 1000 * _MB
"""Images below count for nothing, above for no more."""


def fit(shape: Shape, machine: Machine, profile: Profile) -> int:
    """NodeResourcesFit: by what stays free (LeastAllocated), is used (MostAllocated), or a curve over the use."""
    total = weights = 0
    for name, weight in profile.resources:
        allocatable = machine.allocatable.get(name, 0)
        if not allocatable or (name not in (CPU, MEMORY) and not shape.requests.get(name)):
            continue
        score = _by_use(_assumed(shape, machine, name), allocatable, profile)
        if score or profile.strategy != "RequestedToCapacityRatio":
            total += weight * score
            weights += weight
    if not weights:
        return 0
    return round(total / weights) if profile.strategy == "RequestedToCapacityRatio" else total // weights


def _by_use(used: int, allocatable: int, profile: Profile) -> int:
    match profile.strategy:
        case "LeastAllocated":
            return (allocatable - used) * MAXIMUM // allocatable if used <= allocatable else 0
        case "MostAllocated":
            return min(used, allocatable) * MAXIMUM // allocatable
        case "RequestedToCapacityRatio":
            return on_curve(profile.ratio, used * MAXIMUM // allocatable if used <= allocatable else MAXIMUM)


def on_curve(points: tuple[tuple[int, int], ...], use: int) -> int:
    """Between the points the score goes straight from one to the next; scores of 0 to 10 count tenfold."""
    for number, (at, score) in enumerate(points):
        if use <= at:
            if number == 0:
                return score * 10
            before, earlier = points[number - 1]
            step = (score - earlier) * 10 * (use - before)
            # Whole numbers cut towards zero, as Go does.
            return earlier * 10 + (step // (at - before) if step >= 0 else -(-step // (at - before)))
    return points[-1][1] * 10


def balanced(shape: Shape, machine: Machine, profile: Profile) -> int:
    """NodeResourcesBalancedAllocation: how evenly the resources are used up. Pods that ask for none do not care."""
    if not any(shape.requests.get(name) for name in profile.balanced):
        return 0
    shares: list[float] = []
    for name in profile.balanced:
        allocatable, wanted = machine.allocatable.get(name, 0), shape.requests.get(name, 0)
        if allocatable and (wanted or name in (CPU, MEMORY)):
            shares.append(min(1.0, (machine.requested.get(name, 0) + wanted) / allocatable))
    deviation = 0.0
    if len(shares) == 2:
        deviation = abs(shares[0] - shares[1]) / 2
    elif len(shares) > 2:
        mean = sum(shares) / len(shares)
        deviation = (sum((share - mean) ** 2 for share in shares) / len(shares)) ** 0.5
    return int((1 - deviation) * MAXIMUM)


def _assumed(shape: Shape, machine: Machine, name: str) -> int:
    """What is used with the pod there, where containers that ask for nothing still take something."""
    if name == CPU:
        return machine.assumed_cpu + shape.assumed[0]
    if name == MEMORY:
        return machine.assumed_memory + shape.assumed[1]
    return machine.requested.get(name, 0) + shape.requests.get(name, 0)


def wishes(shape: Shape, machine: Machine, profile: Profile) -> int:
    """NodeAffinity: the weight of the preferences that the machine meets, not yet in relation to others."""
    met = sum(weight for weight, term in shape.preferred if term.matches(machine.labels, machine.name))
    return met + sum(weight for weight, term in profile.added_preferred if term.matches(machine.labels, machine.name))


def soft_taints(shape: Shape, machine: Machine) -> int:
    """TaintToleration: how many taints PreferNoSchedule the pod does not tolerate; fewer is better."""
    if machine.node is None or not machine.node.spec.taints:
        return 0
    soft = (taint for taint in machine.node.spec.taints if taint.effect == "PreferNoSchedule")
    return sum(1 for taint in soft if not tolerated(taint, shape.tolerations))


def relative(raw: list[int], *, reverse: bool = False) -> list[int]:
    """0 to 100 by the highest; upstream's DefaultNormalizeScore."""
    highest = max(raw, default=0)
    if not highest:
        return [MAXIMUM if reverse else 0] * len(raw)
    if reverse:
        return [MAXIMUM - value * MAXIMUM // highest for value in raw]
    return [value * MAXIMUM // highest for value in raw]


def image_locality(shape: Shape, having_image: Mapping[str, Mapping[str, int]], count: int) -> dict[str, int]:
    """ImageLocality: by machine, for those that have any of the images. Images that few have count for less.

    `having_image`: by image the machines that have it and its size; `count` of all machines.
    """
    sizes: dict[str, float] = {}
    for image in shape.images:
        where = _where(having_image, image)
        for machine, size in where.items():
            sizes[machine] = sizes.get(machine, 0) + size * len(where) // count
    most = _LARGEST_IMAGE * max(1, len(shape.images))
    return {
        machine: int(MAXIMUM * (min(max(size, _SMALLEST_IMAGE), most) - _SMALLEST_IMAGE) / (most - _SMALLEST_IMAGE))
        for machine, size in sizes.items()
    }


def _where(having_image: Mapping[str, Mapping[str, int]], image: str) -> Mapping[str, int]:
    # Machines report images under their full names; short ones are of the default registry.
    for name in (image, f"docker.io/library/{image}", f"docker.io/{image}"):
        if name in having_image:
            return having_image[name]
    return {}
