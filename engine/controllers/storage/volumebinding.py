"""Says of each volume what it is: available, bound, released; and gives it back when its claim is gone.

Source: pkg/controller/volume/persistentvolume/pv_controller.go, syncVolume. Volumes of a provisioner are deleted by
that provisioner.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from apimachinery.objects.localpath import PROVISIONED_BY
from apimachinery.objects.meta import object_key
from apimachinery.objects.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES
from engine.controllers.actions import About, Action, Emit, Json, Note, Patch, SetStatus
from engine.controllers.controller import Moment, Reader, Watch
from engine.controllers.storage.views import (
    BOUND_BY_CONTROLLER,
    CLAIM_SOURCE,
    VOLUME_SOURCE,
    Claim,
    PersistentVolume,
)

_OVER = ("Released", "Failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """`claim`: the one of the name that the volume is for, whatever its uid."""

    volume: PersistentVolume
    claim: Claim | None = None


def plan(observed: Observed) -> list[Action]:
    volume, claim = observed.volume, observed.claim
    reference = volume.spec.claim_ref
    if reference is None or not reference.uid:
        return _set_phase(volume, "Available")
    if claim is None or claim.metadata.uid != reference.uid:
        return _give_back(volume)
    if not claim.spec.volume_name:
        return _told_of_modes(volume, claim)
    if claim.spec.volume_name == volume.metadata.name:
        return _set_phase(volume, "Bound")
    if PROVISIONED_BY in volume.metadata.annotations and volume.spec.reclaim_policy == "Delete":
        # Made for this claim, which found another in the meantime.
        return _give_back(volume)
    return [_unbind(volume)]


def _told_of_modes(volume: PersistentVolume, claim: Claim) -> list[Action]:
    """A claim that does not know yet of its volume binds it itself; unless it never will."""
    if volume.spec.volume_mode == claim.spec.volume_mode:
        return []
    ours = (
        f'Cannot bind PersistentVolume to requested PersistentVolumeClaim "{claim.metadata.name}" due to incompatible'
        " volumeMode."
    )
    theirs = (
        f'Cannot bind PersistentVolume "{volume.metadata.name}" to requested PersistentVolumeClaim due to incompatible'
        " volumeMode."
    )
    about = About.of(PERSISTENTVOLUMECLAIMS, claim)
    return [
        Emit(note=_warning(volume, "VolumeMismatch", ours)),
        Emit(note=Note(about=about, reason="VolumeMismatch", message=theirs, type="Warning")),
    ]


def _give_back(volume: PersistentVolume) -> list[Action]:
    """Released first, for all to see; then by the volume's policy."""
    if volume.status.phase not in _OVER:
        return _set_phase(volume, "Released")
    name, policy = volume.metadata.name, volume.spec.reclaim_policy
    if policy == "Retain" or PROVISIONED_BY in volume.metadata.annotations:
        return []
    if policy == "Recycle":
        return _fail(volume, "VolumeFailedRecycle", "No recycler plugin found for the volume!")
    text = f'error getting deleter volume plugin for volume "{name}": no deletable volume plugin matched'
    return _fail(volume, "VolumeFailedDelete", text)


def _fail(volume: PersistentVolume, reason: str, text: str) -> list[Action]:
    if volume.status.phase == "Failed":
        return []
    return [_status(volume, {"phase": "Failed", "message": text}, _warning(volume, reason, text))]


def _unbind(volume: PersistentVolume) -> Patch:
    """Free it for others; where somebody else wrote down the claim, it stays kept for one of that name."""
    body: Json = {"spec": {"claimRef": {"uid": None, "resourceVersion": None}}}
    if BOUND_BY_CONTROLLER in volume.metadata.annotations:
        body = {"metadata": {"annotations": {BOUND_BY_CONTROLLER: None}}, "spec": {"claimRef": None}}
    return Patch(
        resource=PERSISTENTVOLUMES,
        name=volume.metadata.name,
        uid=volume.metadata.uid,
        resource_version=volume.metadata.resource_version,
        body=body,
    )


def _set_phase(volume: PersistentVolume, phase: str) -> list[Action]:
    if volume.status.phase == phase:
        return []
    return [_status(volume, {"phase": phase, "message": None, "reason": None})]


def _status(volume: PersistentVolume, status: Json, told: Note | None = None) -> SetStatus:
    return SetStatus(
        resource=PERSISTENTVOLUMES,
        name=volume.metadata.name,
        resource_version=volume.metadata.resource_version,
        status=status,
        succeeded=told,
    )


def _warning(volume: PersistentVolume, reason: str, text: str) -> Note:
    return Note(about=About.of(PERSISTENTVOLUMES, volume), reason=reason, message=text, type="Warning")


class VolumeBinder:
    name = "persistentvolume-states"
    component = "persistentvolume-controller"

    def __init__(self) -> None:
        self.watches = (
            Watch(VOLUME_SOURCE, lambda volume, _: [volume.metadata.name]),
            Watch(CLAIM_SOURCE, _volumes_of_claim),
        )

    async def observe(self, key: str, reader: Reader, moment: Moment) -> Observed | None:  # noqa: ARG002
        volume = reader.get(VOLUME_SOURCE, key)
        if volume is None:
            return None
        return Observed(volume=volume, claim=await claim_of(volume, reader))

    def plan(self, observed: Observed) -> list[Action]:
        return plan(observed)


async def claim_of(volume: PersistentVolume, reader: Reader) -> Claim | None:
    """The claim that the volume is for. A volume is not given back on the word of a cache: data may hang on it."""
    reference = volume.spec.claim_ref
    if reference is None or not reference.uid:
        return None
    cached = reader.get(CLAIM_SOURCE, object_key(reference.namespace, reference.name))
    if (cached is not None and cached.metadata.uid == reference.uid) or volume.status.phase in _OVER:
        return cached
    return await reader.live_view(CLAIM_SOURCE, reference.namespace, reference.name)


def _volumes_of_claim(claim: Claim, reader: Reader) -> Iterable[str]:
    if claim.spec.volume_name:
        yield claim.spec.volume_name
    owned = object_key(claim.metadata.namespace, claim.metadata.name)
    yield from (volume.metadata.name for volume in reader.by_index(VOLUME_SOURCE, "claim", owned))
