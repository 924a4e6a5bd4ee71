"""Asks for volumes of drivers to be attached to the machines of their pods, and takes that back when no pod is left.

Only for drivers that attach; the driver's own attacher does it and reports on the VolumeAttachment. Source:
pkg/controller/volume/attachdetach.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from apimachinery.objects.meta import Object, object_key
from apimachinery.objects.resources import CSIDRIVERS, PODS, VOLUMEATTACHMENTS
from engine.controllers.actions import About, Action, Create, Delete, Emit, Note
from engine.controllers.controller import Moment, Reader, Source, Watch
from engine.controllers.podstate import is_terminal
from engine.controllers.storage.views import (
    BIND_COMPLETED,
    CLAIM_SOURCE,
    VOLUME_SOURCE,
    Claim,
    CsiSource,
    PersistentVolume,
)
from engine.controllers.views import POD_SOURCE, Pod, claims_of


class DriverSpec(msgspec.Struct, frozen=True, rename="camel"):
    attach_required: bool = True


class CsiDriver(Object, frozen=True):
    spec: DriverSpec = DriverSpec()


class AttachmentSource(msgspec.Struct, frozen=True, rename="camel"):
    persistent_volume_name: str = ""


class AttachmentSpec(msgspec.Struct, frozen=True, rename="camel"):
    attacher: str = ""
    node_name: str = ""
    source: AttachmentSource = AttachmentSource()


class AttachError(msgspec.Struct, frozen=True):
    message: str = ""


class AttachmentStatus(msgspec.Struct, frozen=True, rename="camel"):
    attached: bool = False
    attach_error: AttachError | None = None


class VolumeAttachment(Object, frozen=True):
    spec: AttachmentSpec = AttachmentSpec()
    status: AttachmentStatus = AttachmentStatus()


def _by_volume(attachment: VolumeAttachment) -> list[str]:
    return [attachment.spec.source.persistent_volume_name]


DRIVER_SOURCE = Source(CSIDRIVERS, CsiDriver)
ATTACHMENT_SOURCE = Source(VOLUMEATTACHMENTS, VolumeAttachment, {"volume": _by_volume})
_EXCLUSIVE = frozenset({"ReadWriteOnce", "ReadWriteOncePod"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """One volume. `pods`: those that use its claim; `attachments`: those of the volume, to whatever machine."""

    volume: PersistentVolume
    attach_required: bool = True
    pods: tuple[Pod, ...] = ()
    attachments: tuple[VolumeAttachment, ...] = ()


def plan(observed: Observed) -> list[Action]:
    source = observed.volume.spec.csi
    if source is None:
        return []
    users: dict[str, list[Pod]] = {}
    for pod in observed.pods:
        if pod.spec.node_name and not is_terminal(pod) and observed.attach_required:
            users.setdefault(pod.spec.node_name, []).append(pod)
    actions: list[Action] = []
    held = {one.spec.node_name: one for one in observed.attachments}
    for node, attachment in held.items():
        if node not in users and attachment.metadata.deletion_timestamp is None:
            meta = attachment.metadata
            actions.append(Delete(resource=VOLUMEATTACHMENTS, name=meta.name, uid=meta.uid))
    for node, pods in sorted(users.items()):
        if node in held:
            actions += _troubles(observed.volume, held[node], pods)
        elif _is_exclusive(observed.volume) and held:
            actions += (_failed(pod, _elsewhere(observed.volume)) for pod in pods)
        else:
            actions.append(_attach(observed.volume, source, node))
    return actions


def attachment_name(source: CsiSource, node: str) -> str:
    """The name that all agree on for the attachment of a volume to a machine."""
    return f"csi-{hashlib.sha256(f'{source.volume_handle}{source.driver}{node}'.encode()).hexdigest()}"


def _attach(volume: PersistentVolume, source: CsiSource, node: str) -> Create:
    return Create(
        resource=VOLUMEATTACHMENTS,
        body={
            "apiVersion": VOLUMEATTACHMENTS.api_version,
            "kind": VOLUMEATTACHMENTS.kind,
            "metadata": {"name": attachment_name(source, node)},
            "spec": {
                "attacher": source.driver,
                "nodeName": node,
                "source": {"persistentVolumeName": volume.metadata.name},
            },
        },
    )


def _troubles(volume: PersistentVolume, attachment: VolumeAttachment, pods: Iterable[Pod]) -> list[Action]:
    error = attachment.status.attach_error
    if attachment.status.attached or error is None:
        return []
    text = f'AttachVolume.Attach failed for volume "{volume.metadata.name}" : {error.message}'
    return [_failed(pod, text) for pod in pods]


def _elsewhere(volume: PersistentVolume) -> str:
    return (
        f'Multi-Attach error for volume "{volume.metadata.name}" Volume is already exclusively attached to one node'
        " and can't be attached to another"
    )


def _is_exclusive(volume: PersistentVolume) -> bool:
    return set(volume.spec.access_modes) <= _EXCLUSIVE


def _failed(pod: Pod, text: str) -> Emit:
    return Emit(note=Note(about=About.of(PODS, pod), reason="FailedAttachVolume", message=text, type="Warning"))


class AttachDetach:
    name = "persistentvolume-attach-detach"
    component = "attachdetach-controller"

    def __init__(self) -> None:
        self.watches = (
            Watch(VOLUME_SOURCE, lambda volume, _: [volume.metadata.name] if volume.spec.csi is not None else []),
            Watch(POD_SOURCE, _volumes_of_pod),
            Watch(CLAIM_SOURCE, _volume_of_claim),
            Watch(ATTACHMENT_SOURCE, lambda one, _: _by_volume(one)),
            Watch(DRIVER_SOURCE, _volumes_of_driver),
        )

    async def observe(self, key: str, reader: Reader, moment: Moment) -> Observed | None:  # noqa: ARG002
        volume = reader.get(VOLUME_SOURCE, key)
        if volume is None or volume.spec.csi is None:
            return None
        claim = volume.spec.claim_ref
        bound = reader.get(CLAIM_SOURCE, object_key(claim.namespace, claim.name)) if claim is not None else None
        pods: tuple[Pod, ...] = ()
        if claim is not None and bound is not None and BIND_COMPLETED in bound.metadata.annotations:
            pods = tuple(reader.by_index(POD_SOURCE, "claim", object_key(claim.namespace, claim.name)))
        driver = reader.get(DRIVER_SOURCE, volume.spec.csi.driver)
        return Observed(
            volume=volume,
            attach_required=driver is None or driver.spec.attach_required,
            pods=pods,
            attachments=tuple(reader.by_index(ATTACHMENT_SOURCE, "volume", key)),
        )

    def plan(self, observed: Observed) -> list[Action]:
        return plan(observed)


def _volumes_of_pod(pod: Pod, reader: Reader) -> Iterable[str]:
    for name in claims_of(pod):
        claim = reader.get(CLAIM_SOURCE, object_key(pod.metadata.namespace, name))
        if claim is not None:
            yield from _volume_of_claim(claim, reader)


def _volume_of_claim(claim: Claim, reader: Reader) -> Iterable[str]:
    volume = reader.get(VOLUME_SOURCE, claim.spec.volume_name) if claim.spec.volume_name else None
    if volume is not None and volume.spec.csi is not None:
        yield volume.metadata.name


def _volumes_of_driver(driver: CsiDriver, reader: Reader) -> Iterable[str]:
    for volume in reader.list(VOLUME_SOURCE):
        if volume.spec.csi is not None and volume.spec.csi.driver == driver.metadata.name:
            yield volume.metadata.name
