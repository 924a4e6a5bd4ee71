"""ReplicaSets: as many pods of one template as asked for."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from apimachinery.objects.meta import controller_of, format_time, object_key
from apimachinery.objects.resources import PODS, REPLICASETS, Resource
from apimachinery.objects.selectors import from_label_selector
from engine.controllers.actions import (
    About,
    Action,
    Create,
    Delete,
    Failure,
    Json,
    Note,
    RequeueAfter,
    SetStatus,
)  # fmt: skip
from engine.controllers.controller import Moment, Reader, Watch
from engine.controllers.ownership import claim, owner_reference
from engine.controllers.podranking import pods_to_delete
from engine.controllers.podstate import available_at, is_active, is_available, is_ready, is_terminal, is_terminating
from engine.controllers.views import (
    POD_SOURCE,
    REPLICASET_SOURCE,
    Condition,
    Pod,
    ReplicaSet,
    ReplicaSetStatus,
    condition_of,
    orphans_of,
)  # fmt: skip

BURST_REPLICAS = 500
"""Pods made or deleted in one go at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    replica_set: ReplicaSet
    pods: tuple[Pod, ...]
    """Pods of the namespace that this set manages or nobody does."""
    related: tuple[Pod, ...] = ()
    """Pods of all sets with the same owner, this one included."""
    now: datetime
    failure: Failure | None = None
    resource: Resource = REPLICASETS
    """The kind as which the set is served: a ReplicationController is planned as a set, too."""


def plan(observed: Observed) -> list[Action]:
    replica_set = observed.replica_set
    selector = from_label_selector(replica_set.spec.selector)
    held, actions = claim(observed.resource, replica_set, selector, PODS, observed.pods)
    active = [pod for pod in held if is_active(pod)]
    missing = replica_set.spec.replicas - len(active)
    if replica_set.metadata.deletion_timestamp is None:
        if missing > 0:
            actions += _creations(observed.resource, replica_set, min(missing, BURST_REPLICAS))
        elif missing < 0:
            surplus = min(-missing, BURST_REPLICAS)
            chosen = pods_to_delete(active, observed.related or active, surplus, observed.now)
            actions += [_deletion(observed.resource, replica_set, pod) for pod in chosen]
    terminating = sum(1 for pod in held if is_terminating(pod) and not is_terminal(pod))
    actions += _status(observed, active, terminating, missing)
    return actions + _requeue(observed, active)


def _creations(resource: Resource, replica_set: ReplicaSet, count: int) -> list[Action]:
    """Equal creations: the server gives each pod its name."""
    template = msgspec.json.decode(replica_set.spec.template, type=dict[str, Any])
    source: Json = template.get("metadata") or {}
    metadata: Json = {
        "generateName": f"{replica_set.metadata.name}-",
        "namespace": replica_set.metadata.namespace,
        **{field: source[field] for field in ("labels", "annotations", "finalizers") if source.get(field)},
        "ownerReferences": [owner_reference(resource, replica_set)],
    }
    pod: Json = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template.get("spec") or {}}
    about = About.of(resource, replica_set)
    create = Create(
        resource=PODS,
        namespace=replica_set.metadata.namespace,
        body=pod,
        succeeded=Note(about=about, reason="SuccessfulCreate", message="Created pod: {name}"),
        failed=Note(about=about, reason="FailedCreate", message="Error creating: {error}", type="Warning"),
    )
    return [create] * count


def _deletion(resource: Resource, replica_set: ReplicaSet, pod: Pod) -> Delete:
    about = About.of(resource, replica_set)
    return Delete(
        resource=PODS,
        namespace=pod.metadata.namespace,
        name=pod.metadata.name,
        uid=pod.metadata.uid,
        succeeded=Note(about=about, reason="SuccessfulDelete", message="Deleted pod: {name}"),
        failed=Note(about=about, reason="FailedDelete", message="Error deleting: {error}", type="Warning"),
    )


def _status(observed: Observed, active: list[Pod], terminating: int, missing: int) -> list[Action]:
    replica_set = observed.replica_set
    wanted = _labels_of_template(replica_set)
    min_ready = replica_set.spec.min_ready_seconds
    status = ReplicaSetStatus(
        replicas=len(active),
        fully_labeled_replicas=sum(1 for pod in active if wanted.items() <= pod.metadata.labels.items()),
        ready_replicas=sum(1 for pod in active if is_ready(pod)),
        available_replicas=sum(1 for pod in active if is_available(pod, min_ready, observed.now)),
        terminating_replicas=terminating if observed.resource is REPLICASETS else None,
        observed_generation=replica_set.metadata.generation,
        conditions=_conditions(observed, missing),
    )
    if status == replica_set.status:
        return []
    return [
        SetStatus(
            resource=observed.resource,
            namespace=replica_set.metadata.namespace,
            name=replica_set.metadata.name,
            resource_version=replica_set.metadata.resource_version,
            status={
                "replicas": status.replicas,
                "fullyLabeledReplicas": status.fully_labeled_replicas or None,
                "readyReplicas": status.ready_replicas or None,
                "availableReplicas": status.available_replicas or None,
                "terminatingReplicas": status.terminating_replicas,
                "observedGeneration": status.observed_generation,
                "conditions": msgspec.to_builtins(status.conditions) or None,
            },
        )
    ]


def _conditions(observed: Observed, missing: int) -> tuple[Condition, ...]:
    """ReplicaFailure stands from the first refused creation or deletion until the count is right again."""
    current = observed.replica_set.status.conditions
    others = tuple(c for c in current if c.type != "ReplicaFailure")
    if missing == 0 or observed.replica_set.metadata.deletion_timestamp is not None:
        return others
    if condition_of(current, "ReplicaFailure") is not None:
        return current
    if observed.failure is None or observed.failure.verb == "write":
        return others
    failure = Condition(
        type="ReplicaFailure",
        status="True",
        reason="FailedCreate" if missing > 0 else "FailedDelete",
        message=observed.failure.message,
        last_transition_time=format_time(observed.now),
    )
    return (*others, failure)


def _labels_of_template(replica_set: ReplicaSet) -> dict[str, str]:
    template = msgspec.json.decode(replica_set.spec.template, type=_TemplateLabels)
    return template.metadata.labels


class _LabelsOnly(msgspec.Struct, frozen=True):
    labels: dict[str, str] = {}


class _TemplateLabels(msgspec.Struct, frozen=True):
    metadata: _LabelsOnly = _LabelsOnly()


def _requeue(observed: Observed, active: list[Pod]) -> list[Action]:
    """Ready pods become available by time alone."""
    min_ready = observed.replica_set.spec.min_ready_seconds
    if not min_ready:
        return []
    due = [moment for pod in active if (moment := available_at(pod, min_ready)) and moment > observed.now]
    return [RequeueAfter(seconds=(min(due) - observed.now).total_seconds())] if due else []


class ReplicaSetController:
    name = "replicaset"
    component = "replicaset-controller"

    def __init__(self) -> None:
        self.watches = (
            Watch(REPLICASET_SOURCE, lambda replica_set, _: [_key(replica_set)]),
            Watch(POD_SOURCE, _sets_of_pod),
        )

    async def observe(self, key: str, reader: Reader, moment: Moment) -> Observed | None:
        replica_set = reader.get(REPLICASET_SOURCE, key)
        if replica_set is None:
            return None
        meta = replica_set.metadata
        managed = tuple(reader.by_index(POD_SOURCE, "controller", meta.uid))
        orphans = tuple(reader.by_index(POD_SOURCE, "controller", orphans_of(meta.namespace)))
        return Observed(
            replica_set=replica_set,
            pods=managed + orphans,
            related=self._related(replica_set, managed, reader) if len(managed) > replica_set.spec.replicas else (),
            now=moment.now,
            failure=moment.failure,
        )

    def plan(self, observed: Observed) -> list[Action]:
        return plan(observed)

    @staticmethod
    def _related(replica_set: ReplicaSet, managed: tuple[Pod, ...], reader: Reader) -> tuple[Pod, ...]:
        owner = controller_of(replica_set.metadata)
        if owner is None:
            return managed
        siblings = reader.by_index(REPLICASET_SOURCE, "controller", owner.uid)
        return tuple(
            pod for sibling in siblings for pod in reader.by_index(POD_SOURCE, "controller", sibling.metadata.uid)
        )


def _key(replica_set: ReplicaSet) -> str:
    return object_key(replica_set.metadata.namespace, replica_set.metadata.name)


def _sets_of_pod(pod: Pod, reader: Reader) -> Iterable[str]:
    owner = controller_of(pod.metadata)
    if owner is not None:
        return [object_key(pod.metadata.namespace, owner.name)] if owner.kind == "ReplicaSet" else []
    if is_terminating(pod) or not pod.metadata.labels:
        return []
    return [
        _key(replica_set)
        for replica_set in reader.list(REPLICASET_SOURCE, pod.metadata.namespace)
        if from_label_selector(replica_set.spec.selector).matches(pod.metadata.labels)
    ]
