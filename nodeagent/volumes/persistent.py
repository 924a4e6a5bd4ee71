"""What the agent reads of claims and of the volumes behind them."""

from __future__ import annotations

from typing import Any

import msgspec

from apimachinery.objects.meta import Object
from nodeagent.volumes.view import HostPathSource, LocalSource, NfsSource, View


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


class VolumeStatus(View, frozen=True):
    phase: str = ""


class PersistentVolume(Object, frozen=True, rename="camel"):
    spec: VolumeSpec = VolumeSpec()
    status: VolumeStatus = VolumeStatus()


class ClaimSpec(View, frozen=True):
    volume_name: str = ""


class ClaimStatus(View, frozen=True):
    phase: str = ""


class Claim(Object, frozen=True, rename="camel"):
    spec: ClaimSpec = ClaimSpec()
    status: ClaimStatus = ClaimStatus()


class Bound(View, frozen=True):
    """A claim of a pod and the volume that it holds: what has to be remembered of it."""

    claim_uid: str = ""
    claim: str = ""
    read_only: bool = False
    volume: PersistentVolume = PersistentVolume()
