"""The plan for one Deployment: upstream's syncDeployment as a function of what is observed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from apimachinery.objects.resources import DEPLOYMENTS, REPLICASETS
from apimachinery.objects.selectors import from_label_selector
from engine.controllers.actions import Action, Create, Delete, Failure, RequeueAfter, SetStatus
from engine.controllers.deployment import progress, scaling
from engine.controllers.deployment.arithmetic import is_rolling, new_size
from engine.controllers.deployment.draft import Draft, scaling_note, warning
from engine.controllers.deployment.progress import Conditions
from engine.controllers.deployment.revisions import (
    REVISION,
    by_age,
    find_new,
    new_annotations,
    new_replica_set,
    revision_of,
    same_template,
    superfluous,
    template_hash,
)  # fmt: skip
from engine.controllers.deployment.views import Deployment, DeploymentStatus
from engine.controllers.ownership import claim
from engine.controllers.views import ReplicaSet, condition_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    deployment: Deployment
    replica_sets: tuple[ReplicaSet, ...]
    """Sets of the namespace that this Deployment manages or nobody does."""
    old_pods_running: frozenset[str] = frozenset()
    """Uids of the managed sets that still have pods which have not ended, terminating ones included."""
    name_holder: ReplicaSet | None = None
    """Whatever set bears the name that the set for the present template would get."""
    now: datetime
    failure: Failure | None = None


def plan(observed: Observed) -> list[Action]:
    deployment = observed.deployment
    selector = from_label_selector(deployment.spec.selector)
    if selector.everything:
        text = "This deployment is selecting all pods. A non-empty selector is required."
        return [warning(deployment, "SelectingAll", text), *_status_only_generation(deployment)]
    held, actions = claim(DEPLOYMENTS, deployment, selector, REPLICASETS, observed.replica_sets)
    new = find_new(deployment, held)
    family = _Family(new=new, old=[rs for rs in by_age(held) if rs is not new])
    if deployment.metadata.deletion_timestamp is not None:
        status = progress.counted(deployment, family.all, new, deployment.status.conditions, observed.now)
        return actions + _set_status(deployment, status, {})
    draft = Draft(deployment)
    conditions = _note_new_set(draft, family, progress.pause_conditions(deployment, observed.now), observed.now)
    if deployment.spec.paused or scaling.is_scaling_event(deployment, family.all):
        return actions + _resize(observed, family, draft, conditions)
    return actions + _roll_out(observed, family, draft, conditions)


@dataclass(frozen=True, slots=True)
class _Family:
    """The sets of a Deployment: the one with its present template, and the older, oldest first."""

    new: ReplicaSet | None
    old: Sequence[ReplicaSet]

    @property
    def all(self) -> list[ReplicaSet]:
        return [*self.old, *([self.new] if self.new is not None else [])]


def _note_new_set(draft: Draft, family: _Family, conditions: Conditions, now: datetime) -> Conditions:
    """Bring annotations and readiness time of an existing new set up to date, and tell that it was found."""
    deployment, new = draft.deployment, family.new
    if new is None:
        return conditions
    stale = new_annotations(deployment, new.metadata.annotations, family.old)
    if stale:
        draft.annotate(new, stale)
    if new.spec.min_ready_seconds != deployment.spec.min_ready_seconds:
        draft.min_ready_seconds[new.metadata.uid] = deployment.spec.min_ready_seconds
    if deployment.spec.deadline is not None and condition_of(conditions, "Progressing") is None:
        verdict = ("True", "FoundNewReplicaSet", f'Found new replica set "{new.metadata.name}"')
        return progress.with_condition(conditions, "Progressing", verdict, now)
    return conditions


def _resize(observed: Observed, family: _Family, draft: Draft, conditions: Conditions) -> list[Action]:
    """Paused, or of a new size: scale what is there, let no rollout move."""
    deployment = observed.deployment
    scaling.scale(draft, family.new, family.old)
    removals = _removals(deployment, family) if deployment.spec.paused else []
    status = progress.counted(deployment, family.all, family.new, conditions, observed.now)
    return [
        *draft.actions(family.all),
        *removals,
        *_set_status(deployment, status, _revision(draft, family)),
    ]


def _roll_out(observed: Observed, family: _Family, draft: Draft, conditions: Conditions) -> list[Action]:
    deployment = observed.deployment
    creation: list[Action] = []
    rolling = is_rolling(deployment)
    emptied = rolling or _recreate_emptied(observed, family, draft)
    if family.new is None and emptied:
        collided = _collided(observed)
        if collided:
            counts = progress.counted(deployment, family.all, None, conditions, observed.now)
            counts = msgspec.structs.replace(counts, collision_count=(deployment.status.collision_count or 0) + 1)
            return _set_status(deployment, counts, {})
        creation, conditions = _creation(observed, family, conditions)
    elif family.new is not None and rolling:
        scaling.roll(draft, family.new, family.old)
    elif family.new is not None and emptied:
        draft.scale(family.new, deployment.spec.replicas)
    status = progress.counted(deployment, family.all, family.new, conditions, observed.now)
    status = progress.judged(deployment, status, family.all, family.new, observed.now)
    removals = _removals(deployment, family) if progress.complete(deployment, status) else []
    late = progress.seconds_until_late(deployment, status, observed.now)
    return [
        *creation,
        *draft.actions(family.all),
        *removals,
        *_set_status(deployment, status, _revision(draft, family)),
        *([RequeueAfter(seconds=late)] if late is not None else []),
    ]


def _recreate_emptied(observed: Observed, family: _Family, draft: Draft) -> bool:
    """Scale all old sets to nothing; answers whether their last pods are gone."""
    shrunk = [draft.scale(rs, 0) for rs in family.old if rs.spec.replicas > 0]
    return not any(shrunk) and not any(rs.metadata.uid in observed.old_pods_running for rs in family.old)


def _collided(observed: Observed) -> bool:
    """The name is held by a set that is not ours or has another template: another hash is needed."""
    holder, deployment = observed.name_holder, observed.deployment
    if holder is None:
        return False
    ours = any(o.controller and o.uid == deployment.metadata.uid for o in holder.metadata.owner_references)
    return not (ours and same_template(holder.spec.template, deployment.spec.template))


def _creation(observed: Observed, family: _Family, conditions: Conditions) -> tuple[list[Action], Conditions]:
    deployment = observed.deployment
    replicas = new_size(deployment, (rs.spec.replicas for rs in family.old), 0)
    body = new_replica_set(deployment, replicas, family.old)
    name = body["metadata"]["name"]
    create = Create(
        resource=REPLICASETS,
        namespace=deployment.metadata.namespace,
        body=body,
        succeeded=scaling_note(deployment, name, 0, replicas),
    )
    if deployment.spec.deadline is None:
        return [create], conditions
    verdict = ("True", "NewReplicaSetCreated", f'Created new replica set "{name}"')
    if observed.failure is not None and observed.failure.verb == "create":
        verdict = ("False", "ReplicaSetCreateError", observed.failure.message)
    return [create], progress.with_condition(conditions, "Progressing", verdict, observed.now)


def _removals(deployment: Deployment, family: _Family) -> list[Action]:
    return [
        Delete(resource=REPLICASETS, namespace=rs.metadata.namespace, name=rs.metadata.name, uid=rs.metadata.uid)
        for rs in superfluous(deployment, family.old)
    ]


def _revision(draft: Draft, family: _Family) -> dict[str, str]:
    """The Deployment bears the revision of its new set."""
    if family.new is None:
        return {}
    pending = draft.annotations.get(family.new.metadata.uid, {})
    revision = pending.get(REVISION) or str(revision_of(family.new))
    return {} if draft.deployment.metadata.annotations.get(REVISION) == revision else {REVISION: revision}


def _set_status(deployment: Deployment, status: DeploymentStatus, annotations: dict[str, str]) -> list[Action]:
    if status == deployment.status and not annotations:
        return []
    return [
        SetStatus(
            resource=DEPLOYMENTS,
            namespace=deployment.metadata.namespace,
            name=deployment.metadata.name,
            resource_version=deployment.metadata.resource_version,
            annotations=annotations,
            status={
                "observedGeneration": status.observed_generation,
                "replicas": status.replicas or None,
                "updatedReplicas": status.updated_replicas or None,
                "readyReplicas": status.ready_replicas or None,
                "availableReplicas": status.available_replicas or None,
                "unavailableReplicas": status.unavailable_replicas or None,
                "terminatingReplicas": status.terminating_replicas,
                "collisionCount": status.collision_count,
                "conditions": msgspec.to_builtins(status.conditions) or None,
            },
        )
    ]


def _status_only_generation(deployment: Deployment) -> list[Action]:
    if deployment.status.observed_generation >= deployment.metadata.generation:
        return []
    generation = deployment.metadata.generation
    return _set_status(deployment, msgspec.structs.replace(deployment.status, observed_generation=generation), {})


def wanted_name(deployment: Deployment) -> str:
    """The name of the set for the present template."""
    digest = template_hash(deployment.spec.template, deployment.status.collision_count)
    return f"{deployment.metadata.name}-{digest}"
