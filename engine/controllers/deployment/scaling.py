"""Which sets shrink and grow: a rolling step, a recreation, and a new size in the middle of a rollout."""

from collections.abc import Sequence

from engine.controllers.deployment.arithmetic import is_rolling, max_surge, max_unavailable, new_size, proportion
from engine.controllers.deployment.draft import Draft
from engine.controllers.deployment.revisions import DESIRED_REPLICAS, MAX_REPLICAS, by_age, number
from engine.controllers.deployment.views import Deployment
from engine.controllers.views import ReplicaSet


def is_scaling_event(deployment: Deployment, replica_sets: Sequence[ReplicaSet]) -> bool:
    """Some active set was last scaled for another size of the Deployment."""
    noted = (number(rs.metadata.annotations.get(DESIRED_REPLICAS)) for rs in replica_sets if rs.spec.replicas > 0)
    return any(size is not None and size != deployment.spec.replicas for size in noted)


def roll(draft: Draft, new: ReplicaSet, old: Sequence[ReplicaSet]) -> None:
    """One step of a rolling update: grow the new set if there is room, else shrink old ones if availability allows."""
    deployment = draft.deployment
    sets = [*old, new]
    current = new.spec.replicas
    target = (
        deployment.spec.replicas
        if current > deployment.spec.replicas
        else new_size(deployment, (rs.spec.replicas for rs in sets), current)
    )
    if not draft.scale(new, target):
        _shrink_old(draft, new, old)


def _shrink_old(draft: Draft, new: ReplicaSet, old: Sequence[ReplicaSet]) -> None:
    """Take away first what is unavailable anyway, then as many available pods as may be missing."""
    deployment = draft.deployment
    minimum = deployment.spec.replicas - max_unavailable(deployment)
    total = sum(rs.spec.replicas for rs in (*old, new))
    new_unavailable = new.spec.replicas - new.status.available_replicas
    budget = total - minimum - new_unavailable
    if budget <= 0:
        return
    for rs in by_age(old):
        size = draft.size(rs)
        unhealthy = min(budget, size - rs.status.available_replicas)
        if size > 0 and unhealthy > 0:
            draft.scale(rs, size - unhealthy)
            budget -= unhealthy
    # A set may still report pods that its new size has doomed already: those must not be counted twice.
    available = sum(min(rs.status.available_replicas, rs.spec.replicas) for rs in (*old, new))
    spare = available - minimum
    for rs in by_age(old):
        size = draft.size(rs)
        surplus = min(size, spare)
        if surplus > 0:
            draft.scale(rs, size - surplus)
            spare -= surplus


def scale(draft: Draft, new: ReplicaSet | None, old: Sequence[ReplicaSet]) -> None:
    """Bring the sets to the Deployment's size without moving the rollout on (upstream's `scale`)."""
    deployment = draft.deployment
    sets = [*old, *([new] if new is not None else [])]
    active = [rs for rs in sets if rs.spec.replicas > 0]
    only = _only_active_or_latest(new, old, active)
    if only is not None:
        draft.scale(only, deployment.spec.replicas)
    elif new is not None and _saturated(deployment, new):
        for rs in old:
            if rs.spec.replicas > 0:
                draft.scale(rs, 0)
    elif is_rolling(deployment):
        _scale_in_proportion(draft, active)


def _only_active_or_latest(
    new: ReplicaSet | None, old: Sequence[ReplicaSet], active: Sequence[ReplicaSet]
) -> ReplicaSet | None:
    if len(active) == 1:
        return active[0]
    if active or not (new or old):
        return None
    return new or by_age(old)[-1]


def _saturated(deployment: Deployment, new: ReplicaSet) -> bool:
    """The new set alone serves the whole Deployment."""
    wanted = deployment.spec.replicas
    return (
        number(new.metadata.annotations.get(DESIRED_REPLICAS)) == wanted
        and new.spec.replicas == wanted
        and new.status.available_replicas == wanted
    )


def _scale_in_proportion(draft: Draft, active: Sequence[ReplicaSet]) -> None:
    """Spread the change over all active sets by their size; what rounding leaves goes to the largest."""
    deployment = draft.deployment
    allowed = deployment.spec.replicas + max_surge(deployment) if deployment.spec.replicas > 0 else 0
    to_add = allowed - sum(rs.spec.replicas for rs in active)
    ordered = by_age(active)
    if to_add > 0:
        ordered.reverse()
    ordered.sort(key=lambda rs: -rs.spec.replicas)
    sizes: list[int] = []
    added = 0
    for rs in ordered:
        annotated = number(rs.metadata.annotations.get(MAX_REPLICAS)) or deployment.status.replicas
        share = proportion(rs, deployment, annotated, to_add, added)
        sizes.append(rs.spec.replicas + share)
        added += share
    if sizes:
        sizes[0] = max(0, sizes[0] + to_add - added)
    for rs, size in zip(ordered, sizes, strict=True):
        draft.scale(rs, size)
