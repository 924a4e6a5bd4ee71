"""Keeps claims that pods use, and volumes that claims use, from going: by a finalizer that leaves with the last user.

Source: pkg/controller/volume/pvcprotection, pvprotection.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from apimachinery.objects.meta import Object, key, object_key
from apimachinery.objects.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, Resource
from engine.controllers.actions import Action, Patch
from engine.controllers.controller import Moment, Reader, Watch
from engine.controllers.ownership import is_controlled_by
from engine.controllers.storage.views import CLAIM_SOURCE, VOLUME_SOURCE, Claim, PersistentVolume, is_going
from engine.controllers.views import POD_SOURCE, Pod, claims_of

CLAIM_FINALIZER = "kubernetes.io/pvc-protection"
VOLUME_FINALIZER = "kubernetes.io/pv-protection"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """`pods`: those that name the claim; looked at for a claim that is to go."""

    claim: Claim
    pods: tuple[Pod, ...] = ()


def plan(observed: Observed) -> list[Action]:
    used = any(_uses(pod, observed.claim) for pod in observed.pods)
    return _finalize(PERSISTENTVOLUMECLAIMS, observed.claim, CLAIM_FINALIZER, used=used)


def plan_volume(volume: PersistentVolume) -> list[Action]:
    return _finalize(PERSISTENTVOLUMES, volume, VOLUME_FINALIZER, used=volume.status.phase == "Bound")


def _uses(pod: Pod, claim: Claim) -> bool:
    """A pod without a machine will not be started with a claim that is going."""
    if not pod.spec.node_name or pod.metadata.namespace != claim.metadata.namespace:
        return False
    for volume in pod.spec.volumes:
        named = volume.persistent_volume_claim
        if named is not None and named.claim_name == claim.metadata.name:
            return True
        if volume.ephemeral is not None and f"{pod.metadata.name}-{volume.name}" == claim.metadata.name:
            return is_controlled_by(claim, pod.metadata.uid) and not _is_shut_down(pod)
    return False


def _is_shut_down(pod: Pod) -> bool:
    return is_going(pod.metadata) and pod.metadata.deletion_grace_period_seconds == 0


def _finalize(resource: Resource, obj: Object, finalizer: str, *, used: bool) -> list[Action]:
    meta = obj.metadata
    held = finalizer in meta.finalizers
    if is_going(meta):
        if not held or used:
            return []
        return [_set_finalizers(resource, obj, [other for other in meta.finalizers if other != finalizer])]
    return [] if held else [_set_finalizers(resource, obj, [*meta.finalizers, finalizer])]


def _set_finalizers(resource: Resource, obj: Object, finalizers: list[str]) -> Patch:
    meta = obj.metadata
    return Patch(
        resource=resource,
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        resource_version=meta.resource_version,
        body={"metadata": {"finalizers": finalizers}},
    )


class ClaimProtection:
    name = "pvc-protection"
    component = "pvc-protection-controller"

    def __init__(self) -> None:
        self.watches = (
            Watch(CLAIM_SOURCE, lambda claim, _: [key(claim)]),
            Watch(POD_SOURCE, _going_claims_of_pod),
        )

    async def observe(self, key: str, reader: Reader, moment: Moment) -> Observed | None:  # noqa: ARG002
        claim = reader.get(CLAIM_SOURCE, key)
        if claim is None:
            return None
        if not is_going(claim.metadata) or CLAIM_FINALIZER not in claim.metadata.finalizers:
            return Observed(claim=claim)
        pods: Sequence[Pod] = tuple(reader.by_index(POD_SOURCE, "claim", key))
        if not any(_uses(pod, claim) for pod in pods):
            # A pod that the cache has not seen yet may hold the claim.
            pods = await reader.live_views(POD_SOURCE, claim.metadata.namespace)
        return Observed(claim=claim, pods=tuple(pods))

    def plan(self, observed: Observed) -> list[Action]:
        return plan(observed)


def _going_claims_of_pod(pod: Pod, reader: Reader) -> Iterable[str]:
    for name in claims_of(pod):
        claim = reader.get(CLAIM_SOURCE, object_key(pod.metadata.namespace, name))
        if claim is not None and is_going(claim.metadata):
            yield key(claim)


class VolumeProtection:
    name = "pv-protection"
    component = "pv-protection-controller"

    def __init__(self) -> None:
        self.watches = (Watch(VOLUME_SOURCE, lambda volume, _: [volume.metadata.name]),)

    async def observe(self, key: str, reader: Reader, moment: Moment) -> PersistentVolume | None:  # noqa: ARG002
        return reader.get(VOLUME_SOURCE, key)

    def plan(self, observed: PersistentVolume) -> list[Action]:
        return plan_volume(observed)
