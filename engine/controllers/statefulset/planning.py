"""The plan for one StatefulSet: upstream's updateStatefulSet as a function of what is observed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from apimachinery.objects.meta import Object
from apimachinery.objects.resources import CONTROLLERREVISIONS, PODS, STATEFULSETS
from apimachinery.objects.selectors import from_label_selector
from engine.controllers.actions import Action, RequeueAfter, SetStatus
from engine.controllers.history import (
    HASH_LABEL,
    REVISION_HASH_LABEL,
    ControllerRevision,
    History,
    history_of,
    superfluous,
)
from engine.controllers.ownership import claim
from engine.controllers.podstate import available_at, is_available, is_ready, is_terminal, is_terminating
from engine.controllers.statefulset import writes
from engine.controllers.statefulset.identity import identity_labels, ordinal_of, parent_and_ordinal
from engine.controllers.statefulset.views import StatefulSet, StatefulSetStatus, is_ordered, max_unavailable
from engine.controllers.views import Pod


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    stateful_set: StatefulSet
    pods: tuple[Pod, ...]
    """Pods of the namespace that this set manages or nobody does."""
    revisions: tuple[ControllerRevision, ...]
    """Likewise."""
    claims: Mapping[str, Object] = field(default_factory=dict[str, Object])
    """Claims of the namespace by name, as far as pods of this set could have them."""
    name_holder: ControllerRevision | None = None
    """Whatever revision bears the name that one for the present template would get."""
    now: datetime


def plan(observed: Observed) -> list[Action]:
    stateful_set = observed.stateful_set
    selector = from_label_selector(stateful_set.spec.selector)
    ours = (pod for pod in observed.pods if parent_and_ordinal(pod.metadata.name)[0] == stateful_set.metadata.name)
    held, actions = claim(STATEFULSETS, stateful_set, selector, PODS, ours)
    if stateful_set.metadata.deletion_timestamp is not None:
        return actions
    revisions, adoptions = claim(STATEFULSETS, stateful_set, selector, CONTROLLERREVISIONS, observed.revisions)
    actions += adoptions
    history = history_of(
        STATEFULSETS,
        stateful_set,
        stateful_set.spec.template,
        revisions,
        collisions=stateful_set.status.collision_count,
        hash_label=REVISION_HASH_LABEL,
        name_holder=observed.name_holder,
    )
    if history.collision:
        count = (stateful_set.status.collision_count or 0) + 1
        return [*actions, _write_status(stateful_set, {"collisionCount": count})]
    current = _current(stateful_set, history)
    turn = _Turn(observed, history, current, held)
    actions += history.actions + turn.moves()
    named = frozenset([current.metadata.name, *(pod.metadata.labels.get(HASH_LABEL, "") for pod in held)])
    actions += superfluous(history.old, stateful_set.spec.revision_history_limit, frozenset(), named)
    return actions + _status(observed, held, current, history.update) + _requeue(observed, held)


def _current(stateful_set: StatefulSet, history: History) -> ControllerRevision:
    """The revision that pods outside an update have; the new one for a set that never had another."""
    name = stateful_set.status.current_revision
    return next((r for r in history.old if r.metadata.name == name), history.update)


BURST = 500
"""Steps of one turn, as ReplicaSets have it: a mistyped number of replicas must not be planned whole."""


class _Turn:
    """What may be done now. In an ordered set that is one thing, and nothing until the one before is done."""

    def __init__(self, observed: Observed, history: History, current: ControllerRevision, held: Sequence[Pod]) -> None:
        self.observed = observed
        self.stateful_set = observed.stateful_set
        self.update = history.update
        self.current = current
        start = self.stateful_set.spec.ordinals.start
        self.ordinals = range(start, start + self.stateful_set.spec.replicas)
        self.by_ordinal = {ordinal_of(pod): pod for pod in held}
        beyond = (ordinal for ordinal in self.by_ordinal if ordinal not in self.ordinals)
        self.condemned = [self.by_ordinal[ordinal] for ordinal in sorted(beyond, reverse=True)]
        self.ordered = is_ordered(self.stateful_set)

    def moves(self) -> list[Action]:
        actions: list[Action] = []
        for ordinal in self.ordinals:
            step, done = self._replica(ordinal)
            actions += step
            if (not done and self.ordered) or len(actions) >= BURST:
                return actions
        first_unhealthy = self._first_unhealthy()
        for pod in self.condemned:
            step, done = self._condemned(pod, first_unhealthy)
            actions += step
            if not done and self.ordered:
                return actions
        if actions or self.stateful_set.spec.update_strategy.type != "RollingUpdate":
            return actions
        return self._roll()

    def _replica(self, ordinal: int) -> tuple[list[Action], bool]:
        """What a pod of the set needs, and whether those after it may follow."""
        pod = self.by_ordinal.get(ordinal)
        if pod is None:
            revision = self.current if self._keeps_current(ordinal) else self.update
            missing = writes.missing_claims(self.stateful_set, ordinal, self.observed.claims)
            return [*missing, writes.create_pod(self.stateful_set, revision, ordinal)], False
        if is_terminating(pod):
            return [], False
        if is_terminal(pod):
            return [writes.recreate(self.stateful_set, pod)], False
        actions: list[Action] = list(writes.retain_claims(self.stateful_set, pod, None, self.observed.claims))
        if pod.status.phase == "Pending":
            actions += writes.missing_claims(self.stateful_set, ordinal, self.observed.claims)
        wanted = identity_labels(self.stateful_set, ordinal)
        if not wanted.items() <= pod.metadata.labels.items():
            actions.append(writes.relabel(pod, wanted))
        return actions, self._healthy(pod)

    def _keeps_current(self, ordinal: int) -> bool:
        """A pod below the partition stays as it was before the update."""
        strategy = self.stateful_set.spec.update_strategy
        if strategy.type != "RollingUpdate":
            return False
        return ordinal < self.stateful_set.spec.ordinals.start + strategy.rolling_update.partition

    def _condemned(self, pod: Pod, first_unhealthy: Pod | None) -> tuple[list[Action], bool]:
        if is_terminating(pod):
            return [], False
        if self.ordered and not self._healthy(pod) and pod is not first_unhealthy:
            return [], False
        handed_over = writes.retain_claims(self.stateful_set, pod, pod, self.observed.claims)
        return (handed_over or [writes.delete_pod(self.stateful_set, pod)]), False

    def _first_unhealthy(self) -> Pod | None:
        replicas = [self.by_ordinal[ordinal] for ordinal in sorted(self.by_ordinal) if ordinal in self.ordinals]
        return next((pod for pod in [*replicas, *reversed(self.condemned)] if not self._healthy(pod)), None)

    def _healthy(self, pod: Pod) -> bool:
        if pod.status.phase != "Running" or is_terminating(pod):
            return False
        return is_available(pod, self.stateful_set.spec.min_ready_seconds, self.observed.now)

    def _roll(self) -> list[Action]:
        """Take away old pods from the highest ordinal down to the partition; one that does not work costs nothing."""
        replicas = [self.by_ordinal[ordinal] for ordinal in self.ordinals]
        spare = max_unavailable(self.stateful_set) - sum(1 for pod in replicas if not self._healthy(pod))
        lowest = self.stateful_set.spec.update_strategy.rolling_update.partition
        actions: list[Action] = []
        for pod in reversed(replicas[lowest:]):
            if is_terminating(pod) or pod.metadata.labels.get(HASH_LABEL) == self.update.metadata.name:
                continue
            if self._healthy(pod):
                if spare <= 0:
                    break
                spare -= 1
            actions.append(writes.delete_pod(self.stateful_set, pod))
        return actions


def _status(
    observed: Observed, held: Sequence[Pod], current: ControllerRevision, update: ControllerRevision
) -> list[Action]:
    stateful_set = observed.stateful_set
    staying = [pod for pod in held if not is_terminating(pod)]

    def of(revision: ControllerRevision) -> int:
        return sum(1 for pod in staying if pod.metadata.labels.get(HASH_LABEL) == revision.metadata.name)

    ready = [pod for pod in held if pod.status.phase == "Running" and is_ready(pod)]
    min_ready = stateful_set.spec.min_ready_seconds
    status = StatefulSetStatus(
        observed_generation=stateful_set.metadata.generation,
        replicas=len(held),
        ready_replicas=len(ready),
        current_replicas=of(current),
        updated_replicas=of(update),
        available_replicas=sum(1 for pod in ready if is_available(pod, min_ready, observed.now)),
        current_revision=current.metadata.name,
        update_revision=update.metadata.name,
        collision_count=stateful_set.status.collision_count,
        conditions=stateful_set.status.conditions,
    )
    status = _completed(stateful_set, status)
    if status == stateful_set.status:
        return []
    written = {
        "observedGeneration": status.observed_generation,
        "replicas": status.replicas,
        "readyReplicas": status.ready_replicas or None,
        "currentReplicas": status.current_replicas or None,
        "updatedReplicas": status.updated_replicas or None,
        "availableReplicas": status.available_replicas,
        "currentRevision": status.current_revision,
        "updateRevision": status.update_revision,
        "collisionCount": status.collision_count or 0,
    }
    return [_write_status(stateful_set, written)]


def _completed(stateful_set: StatefulSet, status: StatefulSetStatus) -> StatefulSetStatus:
    """The update is the present version once all pods have it and are ready."""
    wanted = stateful_set.spec.replicas
    rolling = stateful_set.spec.update_strategy.type == "RollingUpdate"
    if not rolling or not status.updated_replicas == status.ready_replicas == status.replicas == wanted:
        return status
    return msgspec.structs.replace(
        status, current_replicas=status.updated_replicas, current_revision=status.update_revision
    )


def _write_status(stateful_set: StatefulSet, status: dict[str, int | str | None]) -> SetStatus:
    meta = stateful_set.metadata
    return SetStatus(
        resource=STATEFULSETS, namespace=meta.namespace, name=meta.name,
        resource_version=meta.resource_version, status=status,
    )  # fmt: skip


def _requeue(observed: Observed, held: Sequence[Pod]) -> list[Action]:
    """Ready pods become available by time alone."""
    min_ready = observed.stateful_set.spec.min_ready_seconds
    if not min_ready:
        return []
    due = (available_at(pod, min_ready) for pod in held if not is_terminating(pod))
    waits = [(moment - observed.now).total_seconds() for moment in due if moment and moment > observed.now]
    return [RequeueAfter(seconds=min(waits))] if waits else []
