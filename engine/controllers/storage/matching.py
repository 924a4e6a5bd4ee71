"""Which volume suits a claim. Source: component-helpers/storage/volume/pv_helpers.go, FindMatchingVolume."""

from collections.abc import Iterable

from apimachinery.objects.selectors import from_label_selector
from engine.controllers.storage.views import (
    Claim,
    PersistentVolume,
    amount,
    class_of_claim,
    class_of_volume,
    is_going,
    refers_to,
    requested,
)


def best_match(claim: Claim, volumes: Iterable[PersistentVolume], *, only_reserved: bool) -> PersistentVolume | None:
    """The volume that waits for this claim, else the smallest that suits it, of those with the fewest access modes.

    `only_reserved`: the scheduler chooses among the others, once it knows the pod's machine.
    """
    fitting = [volume for volume in volumes if _may_hold(claim, volume)]
    reserved = next((volume for volume in fitting if refers_to(volume, claim)), None)
    if reserved is not None or only_reserved:
        return reserved
    free = [volume for volume in fitting if _is_free(claim, volume)]
    return min(
        free,
        key=lambda volume: (len(set(volume.spec.access_modes)), amount(volume.spec.capacity), volume.metadata.name),
        default=None,
    )


def why_unfit(volume: PersistentVolume, claim: Claim) -> str:
    """Why a claim may not have the volume that it names; empty when it may."""
    if amount(volume.spec.capacity) < requested(claim):
        return "requested PV is too small"
    if class_of_volume(volume) != class_of_claim(claim):
        return "storageClassName does not match"
    if volume.spec.volume_attributes_class_name != claim.spec.volume_attributes_class_name:
        return "volumeAttributesClassName does not match"
    if volume.spec.volume_mode != claim.spec.volume_mode:
        return "incompatible volumeMode"
    if not set(claim.spec.access_modes) <= set(volume.spec.access_modes):
        return "incompatible accessMode"
    return ""


def _may_hold(claim: Claim, volume: PersistentVolume) -> bool:
    return (
        set(claim.spec.access_modes) <= set(volume.spec.access_modes)
        and (volume.spec.claim_ref is None or refers_to(volume, claim))
        and amount(volume.spec.capacity) >= requested(claim)
        and volume.spec.volume_mode == claim.spec.volume_mode
        and volume.spec.volume_attributes_class_name == claim.spec.volume_attributes_class_name
        and not is_going(volume.metadata)
    )


def _is_free(claim: Claim, volume: PersistentVolume) -> bool:
    if volume.status.phase != "Available" or class_of_volume(volume) != class_of_claim(claim):
        return False
    selector = claim.spec.selector
    return selector is None or from_label_selector(selector).matches(volume.metadata.labels)
