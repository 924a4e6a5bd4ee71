"""How many pods a rollout may add and take away: the numbers of upstream's deployment_util.go."""

import math
from collections.abc import Iterable

from engine.controllers.deployment.views import Deployment
from engine.controllers.shares import scaled
from engine.controllers.views import ReplicaSet


def fenceposts(max_surge: int | str, max_unavailable: int | str, replicas: int) -> tuple[int, int]:
    """(surge, unavailable) in pods: surge rounds up, unavailable down; never both zero, or nothing could move."""
    surge = scaled(max_surge, replicas, round_up=True)
    unavailable = scaled(max_unavailable, replicas, round_up=False)
    return (surge, unavailable) if surge or unavailable else (0, 1)


def is_rolling(deployment: Deployment) -> bool:
    return deployment.spec.strategy.type == "RollingUpdate"


def max_surge(deployment: Deployment) -> int:
    if not is_rolling(deployment):
        return 0
    rolling = deployment.spec.strategy.rolling_update
    return fenceposts(rolling.max_surge, rolling.max_unavailable, deployment.spec.replicas)[0]


def max_unavailable(deployment: Deployment) -> int:
    if not is_rolling(deployment) or deployment.spec.replicas == 0:
        return 0
    rolling = deployment.spec.strategy.rolling_update
    return min(
        fenceposts(rolling.max_surge, rolling.max_unavailable, deployment.spec.replicas)[1], deployment.spec.replicas
    )


def new_size(deployment: Deployment, sizes: Iterable[int], current: int) -> int:
    """To how many pods the new set may grow now. `sizes`: of all sets, the new one at `current` included."""
    wanted = deployment.spec.replicas
    if not is_rolling(deployment):
        return wanted
    room = wanted + max_surge(deployment) - sum(sizes)
    if room <= 0:
        return current
    return current + min(room, wanted - current)


def proportion(replica_set: ReplicaSet, deployment: Deployment, annotated: int, to_add: int, added: int) -> int:
    """The share of `to_add` pods (negative: to take away) that falls on this set, `added` being given out already.

    `annotated`: the size of the whole Deployment, surge included, when this set was last scaled.
    """
    size = replica_set.spec.replicas
    if size == 0 or to_add in (0, added):
        return 0
    if deployment.spec.replicas == 0:
        fraction = -size
    elif annotated == 0:
        return 0
    else:
        fraction = round_half_away(size * (deployment.spec.replicas + max_surge(deployment)) / annotated) - size
    allowed = to_add - added
    return min(fraction, allowed) if to_add > 0 else max(fraction, allowed)


def round_half_away(value: float) -> int:
    return math.floor(value + 0.5) if value >= 0 else math.ceil(value - 0.5)
