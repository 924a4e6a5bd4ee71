"""Gives each claim its volume: one that is there, or one that a provisioner is asked for.

Source: pkg/controller/volume/persistentvolume/pv_controller.go, syncClaim. Where upstream does several writes in a
row, a plan here holds the next one only: its change brings the claim back.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from apimachinery.objects.meta import key, object_key
from apimachinery.objects.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES
from engine.controllers.actions import About, Action, Emit, Json, Note, Patch, SetStatus
from engine.controllers.controller import Moment, Reader, Watch
from engine.controllers.storage.matching import best_match, why_unfit
from engine.controllers.storage.views import (
    BETA_CLASS,
    BETA_PROVISIONER,
    BIND_COMPLETED,
    BOUND_BY_CONTROLLER,
    CLAIM_SOURCE,
    CLASS_SOURCE,
    DEFAULT_CLASS_MARKS,
    PENDING,
    PROVISIONER,
    SELECTED_NODE,
    VOLUME_SOURCE,
    Claim,
    PersistentVolume,
    StorageClass,
    amount,
    class_of_claim,
    refers_to,
)
from engine.controllers.views import POD_SOURCE, Pod, claims_of

_IN_TREE = "kubernetes.io/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """`volume`: the one that the claim names. `volumes`: all, for a claim that names none."""

    claim: Claim
    volume: PersistentVolume | None = None
    volumes: tuple[PersistentVolume, ...] = ()
    storage_class: StorageClass | None = None
    default_class: str = ""
    waiting_pods: tuple[str, ...] = ()
    """Pods that use the claim and have no machine yet."""


def plan(observed: Observed) -> list[Action]:
    claim = observed.claim
    if BIND_COMPLETED in claim.metadata.annotations:
        return _keep_bound(observed)
    if claim.spec.volume_name:
        return _bind_to_named(observed)
    return _find_volume(observed)


def _find_volume(observed: Observed) -> list[Action]:
    claim = observed.claim
    delayed = observed.storage_class is not None and observed.storage_class.volume_binding_mode != "Immediate"
    volume = best_match(claim, observed.volumes, only_reserved=delayed)
    if volume is not None:
        return _bind(claim, volume)
    if _has_no_class(claim) and observed.default_class:
        return [_patch(claim, {"spec": {"storageClassName": observed.default_class}})]
    pending = _set_phase(claim, "Pending")
    if delayed and SELECTED_NODE not in claim.metadata.annotations:
        return [_waits_for_consumer(observed), *pending]
    if class_of_claim(claim):
        return [*_provision(observed), *pending]
    text = "no persistent volumes available for this claim and no storage class is set"
    return [_emit(claim, "FailedBinding", text), *pending]


def _has_no_class(claim: Claim) -> bool:
    return claim.spec.storage_class_name is None and BETA_CLASS not in claim.metadata.annotations


def _waits_for_consumer(observed: Observed) -> Emit:
    pods = observed.waiting_pods
    if len(pods) == 0:
        text = "waiting for first consumer to be created before binding"
        return _emit(observed.claim, "WaitForFirstConsumer", text)
    who = f"{'pods' if len(pods) > 1 else 'pod'} {','.join(pods)}"
    return _emit(observed.claim, "WaitForPodScheduled", f"waiting for {who} to be scheduled")


def _provision(observed: Observed) -> list[Action]:
    """Ask the class's provisioner, by the annotation that it waits for."""
    claim, storage_class = observed.claim, observed.storage_class
    if storage_class is None:
        text = f'storageclass.storage.k8s.io "{class_of_claim(claim)}" not found'
        return [_emit(claim, "ProvisioningFailed", text, warning=True)]
    name = storage_class.provisioner
    if name.startswith(_IN_TREE):
        return [_emit(claim, "ProvisioningFailed", f"no volume plugin matched name: {name}", warning=True)]
    text = (
        f"Waiting for a volume to be created either by the external provisioner '{name}' or manually by the system"
        " administrator. If volume creation is delayed, please verify that the provisioner is running and correctly"
        " registered."
    )
    told = _emit(claim, "ExternalProvisioning", text)
    asked = claim.metadata.annotations
    if asked.get(PROVISIONER) == name and asked.get(BETA_PROVISIONER) == name:
        return [told]
    return [_patch(claim, {"metadata": {"annotations": {PROVISIONER: name, BETA_PROVISIONER: name}}}), told]


def _bind_to_named(observed: Observed) -> list[Action]:
    claim, volume = observed.claim, observed.volume
    if volume is None:
        return _set_phase(claim, "Pending")
    if volume.spec.claim_ref is None:
        unfit = why_unfit(volume, claim)
        if unfit:
            text = f'Cannot bind to requested volume "{volume.metadata.name}": {unfit}'
            return [_emit(claim, "VolumeMismatch", text, warning=True), *_set_phase(claim, "Pending")]
        return _bind(claim, volume)
    if refers_to(volume, claim):
        return _bind(claim, volume)
    text = f'volume "{volume.metadata.name}" already bound to a different claim.'
    return [_emit(claim, "FailedBinding", text, warning=True), *_set_phase(claim, "Pending")]


def _keep_bound(observed: Observed) -> list[Action]:
    claim, volume = observed.claim, observed.volume
    if not claim.spec.volume_name:
        return _lose(
            claim, "ClaimLost", "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!"
        )
    if volume is None:
        return _lose(claim, "ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!")
    reference = volume.spec.claim_ref
    if reference is None or reference.uid == claim.metadata.uid:
        return _bind(claim, volume)
    text = "Two claims are bound to the same volume, this one is bound incorrectly"
    return _lose(claim, "ClaimMisbound", text)


def _lose(claim: Claim, reason: str, text: str) -> list[Action]:
    return _set_phase(claim, "Lost", _note(claim, reason, text, warning=True))


def _bind(claim: Claim, volume: PersistentVolume) -> list[Action]:
    """The next of: volume to claim, claim to volume, both statuses. None when all is as it should be."""
    reference = volume.spec.claim_ref
    if reference is None or reference.uid != claim.metadata.uid:
        return [_claim_volume(claim, volume)]
    if claim.spec.volume_name != volume.metadata.name or BIND_COMPLETED not in claim.metadata.annotations:
        return [_name_volume(claim, volume)]
    return _set_bound(claim, volume)


def _claim_volume(claim: Claim, volume: PersistentVolume) -> Patch:
    """Only at the version seen: another claim may want the same volume."""
    body: Json = {
        "spec": {
            "claimRef": {
                "apiVersion": PERSISTENTVOLUMECLAIMS.api_version,
                "kind": PERSISTENTVOLUMECLAIMS.kind,
                "namespace": claim.metadata.namespace,
                "name": claim.metadata.name,
                "uid": claim.metadata.uid,
                "resourceVersion": claim.metadata.resource_version,
            }
        }
    }
    if not refers_to(volume, claim):
        body["metadata"] = {"annotations": {BOUND_BY_CONTROLLER: "yes"}}
    return Patch(
        resource=PERSISTENTVOLUMES,
        name=volume.metadata.name,
        uid=volume.metadata.uid,
        resource_version=volume.metadata.resource_version,
        body=body,
    )


def _name_volume(claim: Claim, volume: PersistentVolume) -> Patch:
    annotations = {BIND_COMPLETED: "yes"}
    if claim.spec.volume_name != volume.metadata.name:
        annotations[BOUND_BY_CONTROLLER] = "yes"
    return _patch(claim, {"metadata": {"annotations": annotations}, "spec": {"volumeName": volume.metadata.name}})


def _set_bound(claim: Claim, volume: PersistentVolume) -> list[Action]:
    status = claim.status
    wanted: Json = {}
    if status.phase != "Bound":
        # Later on a claim may rightly be smaller than its volume, while it grows.
        wanted = {"phase": "Bound", "capacity": volume.spec.capacity}
        if volume.spec.volume_attributes_class_name:
            wanted["currentVolumeAttributesClassName"] = volume.spec.volume_attributes_class_name
    if status.access_modes != volume.spec.access_modes:
        wanted["accessModes"] = list(volume.spec.access_modes)
    return [_status(claim, wanted)] if wanted else []


def _set_phase(claim: Claim, phase: str, told: Note | None = None) -> list[Action]:
    status = claim.status
    if status.phase == phase and not status.access_modes and not amount(status.capacity):
        return []
    return [_status(claim, {"phase": phase, "accessModes": None, "capacity": None}, told)]


def _status(claim: Claim, status: dict[str, Any], told: Note | None = None) -> SetStatus:
    meta = claim.metadata
    return SetStatus(
        resource=PERSISTENTVOLUMECLAIMS,
        namespace=meta.namespace,
        name=meta.name,
        resource_version=meta.resource_version,
        status=status,
        succeeded=told,
    )


def _patch(claim: Claim, body: Json) -> Patch:
    meta = claim.metadata
    return Patch(
        resource=PERSISTENTVOLUMECLAIMS,
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        resource_version=meta.resource_version,
        body=body,
    )


def _note(claim: Claim, reason: str, message: str, *, warning: bool = False) -> Note:
    about = About.of(PERSISTENTVOLUMECLAIMS, claim)
    return Note(about=about, reason=reason, message=message, type="Warning" if warning else "Normal")


def _emit(claim: Claim, reason: str, message: str, *, warning: bool = False) -> Emit:
    return Emit(note=_note(claim, reason, message, warning=warning))


class ClaimBinder:
    name = "persistentvolume-binder"
    component = "persistentvolume-controller"

    def __init__(self) -> None:
        self.watches = (
            Watch(CLAIM_SOURCE, lambda claim, _: [key(claim)]),
            Watch(VOLUME_SOURCE, _claims_of_volume),
            Watch(CLASS_SOURCE, _claims_of_class),
            Watch(POD_SOURCE, _claims_of_pod),
        )

    async def observe(self, key: str, reader: Reader, moment: Moment) -> Observed | None:  # noqa: ARG002
        claim = reader.get(CLAIM_SOURCE, key)
        if claim is None:
            return None
        if claim.spec.volume_name or BIND_COMPLETED in claim.metadata.annotations:
            volume = await _volume(claim, reader)
            return Observed(claim=claim, volume=volume)
        return Observed(
            claim=claim,
            volumes=tuple(reader.list(VOLUME_SOURCE)),
            storage_class=reader.get(CLASS_SOURCE, class_of_claim(claim)) if class_of_claim(claim) else None,
            default_class=default_class(reader.list(CLASS_SOURCE)) if _has_no_class(claim) else "",
            waiting_pods=tuple(
                sorted(pod.metadata.name for pod in reader.by_index(POD_SOURCE, "claim", key) if not pod.spec.node_name)
            ),
        )

    def plan(self, observed: Observed) -> list[Action]:
        return plan(observed)


async def _volume(claim: Claim, reader: Reader) -> PersistentVolume | None:
    """A claim is not given up for lost on the word of a cache."""
    name = claim.spec.volume_name
    if not name:
        return None
    cached = reader.get(VOLUME_SOURCE, name)
    if cached is not None or claim.status.phase == "Lost":
        return cached
    return await reader.live_view(VOLUME_SOURCE, "", name)


def default_class(classes: Iterable[StorageClass]) -> str:
    """The newest class marked as default; of those of one age the first by name. Empty: there is none."""
    marked = [
        one.metadata
        for one in classes
        if any(one.metadata.annotations.get(mark) == "true" for mark in DEFAULT_CLASS_MARKS)
    ]
    newest = max((meta.creation_timestamp or "" for meta in marked), default="")
    return min((meta.name for meta in marked if (meta.creation_timestamp or "") == newest), default="")


def _claims_of_volume(volume: PersistentVolume, reader: Reader) -> Iterable[str]:
    yield from (key(claim) for claim in reader.by_index(CLAIM_SOURCE, "volume", volume.metadata.name))
    reference = volume.spec.claim_ref
    if reference is not None:
        yield object_key(reference.namespace, reference.name)
    elif volume.status.phase == "Available":
        yield from (key(claim) for claim in reader.by_index(CLAIM_SOURCE, "pending", PENDING))


def _claims_of_class(storage_class: StorageClass, reader: Reader) -> Iterable[str]:
    for claim in reader.by_index(CLAIM_SOURCE, "pending", PENDING):
        if class_of_claim(claim) in ("", storage_class.metadata.name):
            yield key(claim)


def _claims_of_pod(pod: Pod, reader: Reader) -> Iterable[str]:
    for name in claims_of(pod):
        claim = reader.get(CLAIM_SOURCE, object_key(pod.metadata.namespace, name))
        if claim is not None and BIND_COMPLETED not in claim.metadata.annotations:
            yield key(claim)
