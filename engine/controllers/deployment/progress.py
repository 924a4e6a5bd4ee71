"""The status of a Deployment: counts and conditions, with upstream's reasons and messages (progress.go)."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from apimachinery.objects.meta import format_time, parse_time
from engine.controllers.deployment.arithmetic import max_unavailable
from engine.controllers.deployment.views import Deployment, DeploymentStatus
from engine.controllers.views import Condition, ReplicaSet, condition_of

Conditions = tuple[Condition, ...]


Verdict = tuple[str, str, str]
"""Status, reason and message of a condition."""

PAUSED: Verdict = ("Unknown", "DeploymentPaused", "Deployment is paused")
RESUMED: Verdict = ("Unknown", "DeploymentResumed", "Deployment is resumed")


def with_condition(conditions: Conditions, kind: str, verdict: Verdict, now: datetime) -> Conditions:
    """Unchanged where status and reason stand already; the time of transition moves only with the status."""
    status, reason, message = verdict
    current = condition_of(conditions, kind)
    if current is not None and current.status == status and current.reason == reason:
        return conditions
    moment = format_time(now)
    transition = current.last_transition_time if current is not None and current.status == status else moment
    fresh = Condition(
        type=kind, status=status, reason=reason, message=message,
        last_transition_time=transition, last_update_time=moment,
    )  # fmt: skip
    return (*without_condition(conditions, kind), fresh)


def without_condition(conditions: Conditions, kind: str) -> Conditions:
    return tuple(c for c in conditions if c.type != kind)


def pause_conditions(deployment: Deployment, now: datetime) -> Conditions:
    """Tell a pause or its end, so that time spent paused does not count as lack of progress."""
    conditions = deployment.status.conditions
    if deployment.spec.deadline is None:
        return conditions
    current = condition_of(conditions, "Progressing")
    if current is not None and current.reason == "ProgressDeadlineExceeded":
        return conditions
    told = current is not None and current.reason == "DeploymentPaused"
    if deployment.spec.paused and not told:
        return with_condition(conditions, "Progressing", PAUSED, now)
    if not deployment.spec.paused and told:
        return with_condition(conditions, "Progressing", RESUMED, now)
    return conditions


def counted(
    deployment: Deployment,
    replica_sets: Sequence[ReplicaSet],
    new: ReplicaSet | None,
    conditions: Conditions,
    now: datetime,
) -> DeploymentStatus:
    """The counts over all sets and the condition Available; other conditions as given."""
    available = sum(rs.status.available_replicas for rs in replica_sets)
    total = sum(rs.spec.replicas for rs in replica_sets)
    if available >= deployment.spec.replicas - max_unavailable(deployment):
        verdict = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        verdict = ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    return DeploymentStatus(
        observed_generation=deployment.metadata.generation,
        replicas=sum(rs.status.replicas for rs in replica_sets),
        updated_replicas=new.status.replicas if new is not None else 0,
        ready_replicas=sum(rs.status.ready_replicas for rs in replica_sets),
        available_replicas=available,
        unavailable_replicas=max(0, total - available),
        terminating_replicas=sum(rs.status.terminating_replicas or 0 for rs in replica_sets),
        collision_count=deployment.status.collision_count,
        conditions=with_condition(conditions, "Available", verdict, now),
    )


def complete(deployment: Deployment, status: DeploymentStatus) -> bool:
    """All replicas are of the new template and available, and none of an old one is left."""
    wanted = deployment.spec.replicas
    return (
        status.updated_replicas == status.replicas == status.available_replicas == wanted
        and status.observed_generation >= deployment.metadata.generation
    )


def judged(
    deployment: Deployment,
    status: DeploymentStatus,
    replica_sets: Iterable[ReplicaSet],
    new: ReplicaSet | None,
    now: datetime,
) -> DeploymentStatus:
    """`status` with the conditions Progressing and ReplicaFailure brought up to date."""
    conditions = status.conditions
    if deployment.spec.deadline is None:
        conditions = without_condition(conditions, "Progressing")
    elif not _completed_before(deployment, status):
        conditions = _progressing(deployment, status, new, now)
    failure = _replica_failure(replica_sets, new)
    if failure is None:
        conditions = without_condition(conditions, "ReplicaFailure")
    else:
        verdict = (failure.status, failure.reason or "", failure.message or "")
        conditions = with_condition(conditions, "ReplicaFailure", verdict, now)
    return msgspec.structs.replace(status, conditions=conditions)


def seconds_until_late(deployment: Deployment, status: DeploymentStatus, now: datetime) -> float | None:
    """When to look again though nothing has changed, for a rollout whose deadline is running."""
    current = condition_of(status.conditions, "Progressing")
    if deployment.spec.deadline is None or current is None or current.last_update_time is None:
        return None
    if complete(deployment, status) or current.reason in ("ProgressDeadlineExceeded", "NewReplicaSetAvailable"):
        return None
    if current.reason == "DeploymentPaused":
        return None
    due = parse_time(current.last_update_time) + timedelta(seconds=deployment.spec.deadline)
    # Times in conditions are whole seconds: one more makes sure the deadline has passed then.
    return max(1.0, (due - now).total_seconds() + 1.0)


def _completed_before(deployment: Deployment, status: DeploymentStatus) -> bool:
    current = condition_of(deployment.status.conditions, "Progressing")
    return (
        status.replicas == status.updated_replicas
        and current is not None
        and current.reason == "NewReplicaSetAvailable"
    )


def _progressing(deployment: Deployment, status: DeploymentStatus, new: ReplicaSet | None, now: datetime) -> Conditions:
    conditions = status.conditions
    subject = f'ReplicaSet "{new.metadata.name}"' if new is not None else f'Deployment "{deployment.metadata.name}"'
    if complete(deployment, status):
        verdict = ("True", "NewReplicaSetAvailable", f"{subject} has successfully progressed.")
        return with_condition(conditions, "Progressing", verdict, now)
    if _moved(deployment.status, status):
        current = condition_of(deployment.status.conditions, "Progressing")
        kept = current is not None and current.status == "True"
        fresh = Condition(
            type="Progressing",
            status="True",
            reason="ReplicaSetUpdated",
            message=f"{subject} is progressing.",
            last_transition_time=current.last_transition_time if kept and current else format_time(now),
            last_update_time=format_time(now),
        )
        return (*without_condition(conditions, "Progressing"), fresh)
    if _timed_out(deployment, conditions, now):
        verdict = ("False", "ProgressDeadlineExceeded", f"{subject} has timed out progressing.")
        return with_condition(conditions, "Progressing", verdict, now)
    return conditions


def _moved(before: DeploymentStatus, after: DeploymentStatus) -> bool:
    return (
        after.updated_replicas > before.updated_replicas
        or after.replicas - after.updated_replicas < before.replicas - before.updated_replicas
        or after.ready_replicas > before.ready_replicas
        or after.available_replicas > before.available_replicas
    )


def _timed_out(deployment: Deployment, conditions: Conditions, now: datetime) -> bool:
    current = condition_of(conditions, "Progressing")
    if current is None or current.reason == "NewReplicaSetAvailable" or deployment.spec.deadline is None:
        return False
    if current.reason == "ProgressDeadlineExceeded":
        return True
    if current.last_update_time is None:
        return False
    return parse_time(current.last_update_time) + timedelta(seconds=deployment.spec.deadline) < now


def _replica_failure(replica_sets: Iterable[ReplicaSet], new: ReplicaSet | None) -> Condition | None:
    """The new set's failure, else any set's."""
    ordered = ([new] if new is not None else []) + list(replica_sets)
    found = (condition_of(rs.status.conditions, "ReplicaFailure") for rs in ordered)
    return next((c for c in found if c is not None), None)
