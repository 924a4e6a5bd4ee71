"""Grows volumes that are folders: nothing holds a folder to its size, so it is enough to say so.

The steps and texts are those of external-resizer.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from apimachinery.objects import localpath
from apimachinery.objects.meta import format_time, key
from apimachinery.objects.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES
from engine.controllers.actions import About, Action, Json, Note, Patch, SetStatus
from engine.controllers.controller import Moment, Reader, Watch
from engine.controllers.storage.expansion import wants_more
from engine.controllers.storage.localpath import no_room
from engine.controllers.storage.views import (
    CLAIM_SOURCE,
    VOLUME_SOURCE,
    Claim,
    PersistentVolume,
    amount,
    requested,
)
from engine.controllers.views import NODE_SOURCE, Node

_IN_PROGRESS, _INFEASIBLE = "ControllerResizeInProgress", "ControllerResizeInfeasible"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """`now`: as the API writes times."""

    claim: Claim
    volume: PersistentVolume
    node: Node | None
    now: str


def plan(observed: Observed) -> list[Action]:
    claim, volume = observed.claim, observed.volume
    if not wants_more(claim) or volume.metadata.annotations.get(localpath.PROVISIONED_BY) != localpath.PROVISIONER:
        return []
    if amount(volume.spec.capacity) >= requested(claim):
        return [_done(claim)]
    problem = no_room(observed.node, requested(claim)) if observed.node is not None else ""
    state = claim.status.allocated_resource_statuses.get("storage")
    allocated = amount(claim.status.allocated_resources)
    if problem:
        told = state == _INFEASIBLE and allocated == requested(claim)
        return [] if told else [_refuse(claim, volume, problem)]
    if state != _IN_PROGRESS or allocated != requested(claim):
        return [_begin(claim, volume, observed.now)]
    return [
        Patch(
            resource=PERSISTENTVOLUMES,
            name=volume.metadata.name,
            uid=volume.metadata.uid,
            resource_version=volume.metadata.resource_version,
            body={"spec": {"capacity": {"storage": claim.spec.resources.requests["storage"]}}},
        )
    ]


def _begin(claim: Claim, volume: PersistentVolume, now: str) -> SetStatus:
    resizing = {"type": "Resizing", "status": "True", "lastTransitionTime": now, "lastProbeTime": None}
    text = f"External resizer is resizing volume {volume.metadata.name}"
    return _status(
        claim,
        {
            "allocatedResources": {"storage": claim.spec.resources.requests["storage"]},
            "allocatedResourceStatuses": {"storage": _IN_PROGRESS},
            "conditions": [resizing],
        },
        _note(claim, "Resizing", text),
    )


def _refuse(claim: Claim, volume: PersistentVolume, problem: str) -> SetStatus:
    text = f'resize volume "{volume.metadata.name}" by resizer "{localpath.PROVISIONER}" failed: {problem}'
    return _status(
        claim,
        {
            "allocatedResources": {"storage": claim.spec.resources.requests["storage"]},
            "allocatedResourceStatuses": {"storage": _INFEASIBLE},
            "conditions": [{"$patch": "delete", "type": "Resizing"}],
        },
        _note(claim, "VolumeResizeFailed", text, warning=True),
    )


def _done(claim: Claim) -> SetStatus:
    gone = [{"$patch": "delete", "type": kind} for kind in ("Resizing", "FileSystemResizePending")]
    wanted = claim.spec.resources.requests["storage"]
    return _status(
        claim,
        {
            "capacity": {"storage": wanted},
            "allocatedResources": {"storage": wanted},
            "allocatedResourceStatuses": None,
            "conditions": gone,
        },
        _note(claim, "VolumeResizeSuccessful", "Resize volume succeeded"),
    )


def _status(claim: Claim, status: Json, told: Note) -> SetStatus:
    meta = claim.metadata
    return SetStatus(
        resource=PERSISTENTVOLUMECLAIMS,
        namespace=meta.namespace,
        name=meta.name,
        resource_version=meta.resource_version,
        status=status,
        kind="strategic",
        succeeded=told,
    )


def _note(claim: Claim, reason: str, message: str, *, warning: bool = False) -> Note:
    about = About.of(PERSISTENTVOLUMECLAIMS, claim)
    return Note(about=about, reason=reason, message=message, type="Warning" if warning else "Normal")


class LocalPathResizer:
    name = "local-path-resizer"
    component = f"external-resizer {localpath.PROVISIONER}"

    def __init__(self) -> None:
        self.watches = (
            Watch(CLAIM_SOURCE, lambda claim, _: [key(claim)] if wants_more(claim) else []),
            Watch(VOLUME_SOURCE, _growing_claims_of_volume),
            Watch(NODE_SOURCE, lambda _node, _reader: ()),
        )

    async def observe(self, key: str, reader: Reader, moment: Moment) -> Observed | None:
        claim = reader.get(CLAIM_SOURCE, key)
        volume = reader.get(VOLUME_SOURCE, claim.spec.volume_name) if claim is not None else None
        if claim is None or volume is None:
            return None
        node = reader.get(NODE_SOURCE, volume.metadata.labels.get(localpath.MACHINE, ""))
        return Observed(claim=claim, volume=volume, node=node, now=format_time(moment.now))

    def plan(self, observed: Observed) -> list[Action]:
        return plan(observed)


def _growing_claims_of_volume(volume: PersistentVolume, reader: Reader) -> Iterable[str]:
    for claim in reader.by_index(CLAIM_SOURCE, "volume", volume.metadata.name):
        if wants_more(claim):
            yield key(claim)
