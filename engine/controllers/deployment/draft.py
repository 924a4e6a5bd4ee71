"""Changes to ReplicaSets under way in one plan: each set gets at most one patch, however many rules touch it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from apimachinery.objects.resources import DEPLOYMENTS, REPLICASETS
from engine.controllers.actions import About, Action, Emit, Json, Note, Patch
from engine.controllers.deployment.revisions import replicas_annotations
from engine.controllers.deployment.views import Deployment
from engine.controllers.views import ReplicaSet


@dataclass(slots=True)
class Draft:
    """Sizes are read through the draft, so that a later rule sees what an earlier one decided."""

    deployment: Deployment
    sizes: dict[str, int] = field(default_factory=dict[str, int])
    annotations: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    min_ready_seconds: dict[str, int] = field(default_factory=dict[str, int])

    def size(self, replica_set: ReplicaSet) -> int:
        return self.sizes.get(replica_set.metadata.uid, replica_set.spec.replicas)

    def resized(self, replica_set: ReplicaSet) -> ReplicaSet:
        """The set as if the draft were carried out."""
        size = self.size(replica_set)
        if size == replica_set.spec.replicas:
            return replica_set
        return msgspec.structs.replace(replica_set, spec=msgspec.structs.replace(replica_set.spec, replicas=size))

    def scale(self, replica_set: ReplicaSet, size: int) -> bool:
        """Give the set this size and note the Deployment's with it. Answers whether its size changes."""
        stale = {
            name: value
            for name, value in replicas_annotations(self.deployment).items()
            if replica_set.metadata.annotations.get(name) != value
        }
        if stale:
            self.annotate(replica_set, stale)
        changed = size != self.size(replica_set)
        if changed:
            self.sizes[replica_set.metadata.uid] = size
        return changed

    def annotate(self, replica_set: ReplicaSet, annotations: dict[str, str]) -> None:
        self.annotations.setdefault(replica_set.metadata.uid, {}).update(annotations)

    def actions(self, replica_sets: Iterable[ReplicaSet]) -> list[Action]:
        """A patch for each set that changes, with the event that tells of a new size."""
        return [action for rs in replica_sets for action in self._patch(rs)]

    def _patch(self, replica_set: ReplicaSet) -> list[Action]:
        meta = replica_set.metadata
        size = self.size(replica_set)
        spec: Json = {}
        if size != replica_set.spec.replicas:
            spec["replicas"] = size
        if meta.uid in self.min_ready_seconds:
            spec["minReadySeconds"] = self.min_ready_seconds[meta.uid]
        annotations = self.annotations.get(meta.uid, {})
        if not spec and not annotations:
            return []
        body: Json = {}
        if annotations:
            body["metadata"] = {"annotations": annotations}
        if spec:
            body["spec"] = spec
        return [
            Patch(
                resource=REPLICASETS,
                namespace=meta.namespace,
                name=meta.name,
                uid=meta.uid,
                resource_version=meta.resource_version,
                body=body,
                succeeded=scaling_note(self.deployment, meta.name, replica_set.spec.replicas, size),
            )
        ]


def scaling_note(deployment: Deployment, name: str, before: int, after: int) -> Note | None:
    """The event ScalingReplicaSet; None where the size stays."""
    if before == after:
        return None
    direction = "up" if after > before else "down"
    return Note(
        about=About.of(DEPLOYMENTS, deployment),
        reason="ScalingReplicaSet",
        message=f"Scaled {direction} replica set {name} from {before} to {after}",
    )


def warning(deployment: Deployment, reason: str, message: str) -> Emit:
    return Emit(note=Note(about=About.of(DEPLOYMENTS, deployment), reason=reason, message=message, type="Warning"))
