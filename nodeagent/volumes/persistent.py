"""What the agent reads of claims and of the volumes behind them."""

from __future__ import annotations

from typing import Any

import msgspec

from apimachinery.objects.meta import Object
from nodeagent.volumes.view import CsiSource, HostPathSource, LocalSource, NfsSource, View


class NodeSelector(View, frozen=True):
    node_selector_terms: tuple[dict[str, Any], ...] = ()


class NodeAffinity(View, frozen=True):
    required: NodeSelector | None = None


class VolumeSpec(View, frozen=True):
    access_modes: tuple[str, ...] = ()
    volume_mode: str = "Filesystem"
    mount_options: tuple[str, ...] = ()
    reclaim_policy: str = msgspec.field(default="Retain", name="persistentVolumeReclaimPolicy")
    node_affinity: NodeAffinity | None = None
    local: LocalSource | None = None
    host_path: HostPathSource | None = None
    nfs: NfsSource | None = None
    csi: CsiSource | None = None
    capacity: dict[str, str] = {}


class VolumeStatus(View, frozen=True):
    phase: str = ""


class PersistentVolume(Object, frozen=True, rename="camel"):
    spec: VolumeSpec = VolumeSpec()
    status: VolumeStatus = VolumeStatus()


class ClaimSpec(View, frozen=True):
    volume_name: str = ""


class ClaimCondition(View, frozen=True):
    type: str = ""
    status: str = ""


class ClaimStatus(View, frozen=True):
    phase: str = ""
    capacity: dict[str, str] = {}
    conditions: tuple[ClaimCondition, ...] = ()


class Claim(Object, frozen=True, rename="camel"):
    spec: ClaimSpec = ClaimSpec()
    status: ClaimStatus = ClaimStatus()


class Bound(View, frozen=True):
    """A claim of a pod and the volume that it holds: what has to be remembered of it."""

    claim_uid: str = ""
    claim: str = ""
    read_only: bool = False
    volume: PersistentVolume = PersistentVolume()


class DriverSpec(View, frozen=True):
    attach_required: bool = True
    pod_info_on_mount: bool = False
    fs_group_policy: str = "ReadWriteOnceWithFSType"
    volume_lifecycle_modes: tuple[str, ...] = ("Persistent",)


class CsiDriver(Object, frozen=True, rename="camel"):
    """What the cluster was told of a driver."""

    spec: DriverSpec = DriverSpec()


class AttachmentStatus(View, frozen=True):
    attached: bool = False
    attachment_metadata: dict[str, str] = {}


class VolumeAttachment(Object, frozen=True, rename="camel"):
    status: AttachmentStatus = AttachmentStatus()
