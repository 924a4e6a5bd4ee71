"""Revisions of a Deployment: which ReplicaSet has its template, how sets are named and numbered.

Annotations and labels are upstream's: `kubectl rollout history|undo` read them.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from apimachinery.objects.meta import Object
from apimachinery.objects.resources import DEPLOYMENTS
from engine.controllers.actions import Json
from engine.controllers.deployment.arithmetic import max_surge
from engine.controllers.deployment.views import Deployment
from engine.controllers.ownership import owner_reference
from engine.controllers.templatehash import digest
from engine.controllers.views import ReplicaSet

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"
_NOT_COPIED = frozenset(
    [
        "kubectl.kubernetes.io/last-applied-configuration",
        REVISION,
        REVISION_HISTORY,
        DESIRED_REPLICAS,
        MAX_REPLICAS,
        "deprecated.deployment.rollback.to",
    ]
)
_HISTORY_CHARACTERS = 2000


def by_age(replica_sets: Iterable[ReplicaSet]) -> list[ReplicaSet]:
    return sorted(replica_sets, key=lambda rs: (rs.metadata.creation_timestamp or "", rs.metadata.name))


def find_new(deployment: Deployment, replica_sets: Iterable[ReplicaSet]) -> ReplicaSet | None:
    """The oldest set that has the Deployment's template as it stands now."""
    wanted = _without_hash(_decode(deployment.spec.template))
    return next((rs for rs in by_age(replica_sets) if _without_hash(_decode(rs.spec.template)) == wanted), None)


def same_template(left: msgspec.Raw, right: msgspec.Raw) -> bool:
    return _without_hash(_decode(left)) == _without_hash(_decode(right))


def template_hash(template: msgspec.Raw, collisions: int | None) -> str:
    """A name for the template."""
    return digest(_without_hash(_decode(template)), collisions)


def revision_of(obj: Object) -> int:
    """The revision number, 0 where there is none or it is no number."""
    return number(obj.metadata.annotations.get(REVISION)) or 0


def number(text: str | None) -> int | None:
    try:
        return int(text) if text is not None else None
    except ValueError:
        return None


def new_annotations(deployment: Deployment, present: Mapping[str, str], old: Sequence[ReplicaSet]) -> dict[str, str]:
    """Annotations to set on the new set: the Deployment's own, and the next revision if its number is lower.

    A set that gets a new number keeps the numbers it had in its history.
    """
    changed = {
        name: value
        for name, value in deployment.metadata.annotations.items()
        if name not in _NOT_COPIED and present.get(name) != value
    }
    revision = max((revision_of(rs) for rs in old), default=0) + 1
    before = number(present.get(REVISION)) or 0
    if before < revision:
        changed[REVISION] = str(revision)
        if before > 0:
            changed[REVISION_HISTORY] = _history(present.get(REVISION_HISTORY, ""), before)
    return changed


def replicas_annotations(deployment: Deployment) -> dict[str, str]:
    """The size of the whole Deployment at this moment, for later proportional scaling."""
    wanted = deployment.spec.replicas
    return {DESIRED_REPLICAS: str(wanted), MAX_REPLICAS: str(wanted + max_surge(deployment))}


def new_replica_set(deployment: Deployment, replicas: int, old: Sequence[ReplicaSet]) -> Json:
    """The set for the Deployment's template, not there yet."""
    meta = deployment.metadata
    digest = template_hash(deployment.spec.template, deployment.status.collision_count)
    template = _decode(deployment.spec.template)
    template_meta: Json = dict(template.get("metadata") or {})
    template_meta["labels"] = labels = {**(template_meta.get("labels") or {}), HASH_LABEL: digest}
    selector = deployment.spec.selector
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{meta.name}-{digest}",
            "namespace": meta.namespace,
            "labels": labels,
            "annotations": new_annotations(deployment, {}, old) | replicas_annotations(deployment),
            "ownerReferences": [owner_reference(DEPLOYMENTS, deployment)],
        },
        "spec": {
            "replicas": replicas,
            "minReadySeconds": deployment.spec.min_ready_seconds,
            "selector": {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), HASH_LABEL: digest}},
            "template": {**template, "metadata": template_meta},
        },
    }


def superfluous(deployment: Deployment, old: Iterable[ReplicaSet]) -> list[ReplicaSet]:
    """Old sets beyond the history limit that are empty and settled, oldest revision first."""
    limit = deployment.spec.revision_history_limit
    kept = [rs for rs in old if rs.metadata.deletion_timestamp is None]
    if limit is None or len(kept) <= limit:
        return []
    by_revision = sorted(by_age(kept), key=revision_of)
    return [rs for rs in by_revision[: len(kept) - limit] if _settled_empty(rs)]


def _settled_empty(replica_set: ReplicaSet) -> bool:
    return (
        replica_set.spec.replicas == 0
        and replica_set.status.replicas == 0
        and replica_set.metadata.generation <= replica_set.status.observed_generation
    )


def _history(history: str, before: int) -> str:
    numbers = [*filter(None, history.split(",")), str(before)]
    while len(",".join(numbers)) > _HISTORY_CHARACTERS:
        numbers.pop(0)
    return ",".join(numbers)


def _decode(template: msgspec.Raw) -> dict[str, Any]:
    return msgspec.json.decode(template)


def _without_hash(template: dict[str, Any]) -> dict[str, Any]:
    meta = template.get("metadata") or {}
    labels = {name: value for name, value in (meta.get("labels") or {}).items() if name != HASH_LABEL}
    return {**template, "metadata": {**meta, "labels": labels}}
