"""The writes by which a StatefulSet's pods and claims come and go, with upstream's events."""

from collections.abc import Mapping

import msgspec

from apimachinery.objects.meta import Object
from apimachinery.objects.resources import PERSISTENTVOLUMECLAIMS, PODS, STATEFULSETS
from engine.controllers.actions import About, Action, Create, Delete, Note, Patch
from engine.controllers.history import ControllerRevision
from engine.controllers.statefulset.identity import (
    claim_name,
    claim_names,
    claim_owners,
    kept_owners,
    new_claim,
    ordinal_of,
    pod_name,
    pod_with_identity,
)
from engine.controllers.statefulset.views import StatefulSet
from engine.controllers.views import Pod


def create_pod(stateful_set: StatefulSet, revision: ControllerRevision, ordinal: int) -> Create:
    subject = f"Pod {pod_name(stateful_set, ordinal)} in StatefulSet {stateful_set.metadata.name}"
    return Create(
        resource=PODS,
        namespace=stateful_set.metadata.namespace,
        body=pod_with_identity(stateful_set, revision.template, revision.metadata.name, ordinal),
        succeeded=_note(stateful_set, "SuccessfulCreate", f"create {subject} successful"),
        failed=_refused(stateful_set, "FailedCreate", f"create {subject} failed error: {{error}}"),
    )


def delete_pod(stateful_set: StatefulSet, pod: Pod) -> Delete:
    subject = f"Pod {pod.metadata.name} in StatefulSet {stateful_set.metadata.name}"
    return Delete(
        resource=PODS,
        namespace=pod.metadata.namespace,
        name=pod.metadata.name,
        uid=pod.metadata.uid,
        succeeded=_note(stateful_set, "SuccessfulDelete", f"delete {subject} successful"),
        failed=_refused(stateful_set, "FailedDelete", f"delete {subject} failed error: {{error}}"),
    )


def recreate(stateful_set: StatefulSet, pod: Pod) -> Delete:
    """Delete a pod that ended; its successor needs the name."""
    meta = stateful_set.metadata
    told = f"StatefulSet {meta.namespace}/{meta.name} is recreating terminated Pod {pod.metadata.name}"
    deletion = delete_pod(stateful_set, pod)
    return Delete(
        resource=deletion.resource,
        namespace=deletion.namespace,
        name=deletion.name,
        uid=deletion.uid,
        succeeded=_note(stateful_set, "RecreatingTerminatedPod", told),
        failed=deletion.failed,
    )


def relabel(pod: Pod, labels: Mapping[str, str]) -> Patch:
    return Patch(
        resource=PODS,
        namespace=pod.metadata.namespace,
        name=pod.metadata.name,
        uid=pod.metadata.uid,
        body={"metadata": {"labels": dict(labels)}},
    )


def missing_claims(stateful_set: StatefulSet, ordinal: int, claims: Mapping[str, Object]) -> list[Action]:
    """Claims that the pod of this ordinal needs and that are not there."""
    where = f"Pod {pod_name(stateful_set, ordinal)} in StatefulSet {stateful_set.metadata.name}"
    actions: list[Action] = []
    for template in stateful_set.spec.volume_claim_templates:
        name = claim_name(stateful_set, template, ordinal)
        if name in claims:
            continue
        actions.append(
            Create(
                resource=PERSISTENTVOLUMECLAIMS,
                namespace=stateful_set.metadata.namespace,
                body=new_claim(stateful_set, template, ordinal),
                succeeded=_note(stateful_set, "SuccessfulCreate", f"create Claim {name} {where} success"),
                failed=_refused(
                    stateful_set, "FailedCreate", f"create Claim {name} for {where} failed error: {{error}}"
                ),
            )
        )
    return actions


def retain_claims(
    stateful_set: StatefulSet, pod: Pod, condemned: Pod | None, claims: Mapping[str, Object]
) -> list[Action]:
    """Patches that give the pod's claims the owners of the retention policy."""
    wanted = claim_owners(stateful_set, condemned)
    actions: list[Action] = []
    for name in claim_names(stateful_set, ordinal_of(pod)):
        found = claims.get(name)
        if found is None or found.metadata.deletion_timestamp is not None:
            continue
        kept = kept_owners(found, stateful_set, pod)
        present = {owner.uid for owner in found.metadata.owner_references}
        if present == {owner.uid for owner in kept} | {owner["uid"] for owner in wanted}:
            continue
        actions.append(
            Patch(
                resource=PERSISTENTVOLUMECLAIMS,
                namespace=found.metadata.namespace,
                name=name,
                uid=found.metadata.uid,
                resource_version=found.metadata.resource_version,
                body={"metadata": {"ownerReferences": [*msgspec.to_builtins(kept), *wanted]}},
            )
        )
    return actions


def _note(stateful_set: StatefulSet, reason: str, message: str) -> Note:
    return Note(about=About.of(STATEFULSETS, stateful_set), reason=reason, message=message)


def _refused(stateful_set: StatefulSet, reason: str, message: str) -> Note:
    return Note(about=About.of(STATEFULSETS, stateful_set), reason=reason, message=message, type="Warning")
