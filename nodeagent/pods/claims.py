"""The claims of pods and the volumes behind them: asked for once for each pod, and kept on disk.

What a claim is bound to never changes, so a pod that was set up needs no answer from the engine to be set up again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
import structlog

from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import StatusError
from apimachinery.objects.meta import controller_of
from apimachinery.objects.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES
from nodeagent import disk
from nodeagent.pods.view import Pod
from nodeagent.volumes.persistent import Bound, Claim, PersistentVolume
from nodeagent.volumes.view import Volume

log = structlog.get_logger(__name__)
_ONLY_POD = "ReadWriteOncePod"
PATIENCE, LOOK_SECONDS = 3.0, 0.25
"""How long a claim may take to be bound before that is an event; most take far less than a second."""


class Unready(Exception):
    """A claim cannot be used, now at least; the text is upstream's."""


class Claims:
    """`folder` holds one file for each pod that uses claims."""

    def __init__(self, client: Client, folder: Path) -> None:
        self._client = client
        self._folder = folder
        self._alone: dict[str, str] = {}
        """Claims that one pod at a time may use, by uid, and the uid of the pod that does."""

    async def resolve(self, pod: Pod, volumes: Iterable[Volume]) -> Mapping[str, Bound]:
        """What the claims among the volumes are bound to, by volume. Raises Unready."""
        wanted = {volume.name: name for volume in volumes if (name := claim_name(pod, volume))}
        if not wanted:
            return {}
        known = self._remembered(pod.uid)
        if known.keys() != wanted.keys():
            known = {volume.name: await self._bound(pod, volume) for volume in volumes if volume.name in wanted}
        for volume, bound in known.items():
            self._take(pod, volume, bound)
        disk.write_private(self._file(pod.uid), msgspec.json.encode(known))
        return known

    def release(self, uid: str) -> None:
        """The pod uses no claim any more."""
        for claim in [claim for claim, user in self._alone.items() if user == uid]:
            del self._alone[claim]
        self._file(uid).unlink(missing_ok=True)

    async def _bound(self, pod: Pod, volume: Volume) -> Bound:
        name = claim_name(pod, volume)
        where = f"{pod.metadata.namespace}/{name}"
        loop = asyncio.get_running_loop()
        until = loop.time() + PATIENCE
        while True:
            claim = await self._claim(pod, volume, name)
            if claim.metadata.deletion_timestamp is not None:
                raise _unprocessed(volume.name, f"error processing PVC {where}: PVC is being deleted")
            if claim.status.phase == "Bound" and claim.spec.volume_name:
                break
            if loop.time() >= until:
                raise _unprocessed(volume.name, f"error processing PVC {where}: PVC is not bound")
            await asyncio.sleep(LOOK_SECONDS)
        read_only = volume.persistent_volume_claim is not None and volume.persistent_volume_claim.read_only
        held = await self._volume(volume.name, where, claim)
        return Bound(claim_uid=claim.metadata.uid, claim=name, read_only=read_only, volume=held)

    async def _claim(self, pod: Pod, volume: Volume, name: str) -> Claim:
        namespace = pod.metadata.namespace
        try:
            claim = await self._client.get(PERSISTENTVOLUMECLAIMS, name, namespace, view=Claim)
        except (StatusError, ConnectionFailed) as error:
            text = f"error processing PVC {namespace}/{name}: failed to fetch PVC from API server: {error}"
            raise _unprocessed(volume.name, text) from error
        if volume.ephemeral is not None:
            owner = controller_of(claim.metadata)
            if owner is None or owner.uid != pod.uid:
                raise _unprocessed(
                    volume.name,
                    f"PVC {namespace}/{name} was not created for pod {namespace}/{pod.metadata.name}"
                    " (pod is not owner)",
                )
        return claim

    async def _volume(self, volume: str, where: str, claim: Claim) -> PersistentVolume:
        name = claim.spec.volume_name
        try:
            return await self._client.get(PERSISTENTVOLUMES, name, view=PersistentVolume)
        except (StatusError, ConnectionFailed) as error:
            text = f"error processing PVC {where}: failed to fetch PV {name} from API server: {error}"
            raise _unprocessed(volume, text) from error

    def _take(self, pod: Pod, volume: str, bound: Bound) -> None:
        if _ONLY_POD not in bound.volume.spec.access_modes:
            return
        if self._alone.setdefault(bound.claim_uid, pod.uid) != pod.uid:
            text = "volume uses the ReadWriteOncePod access mode and is already in use by another pod"
            raise _unprocessed(volume, text)

    def _remembered(self, uid: str) -> dict[str, Bound]:
        raw = disk.read_if_there(self._file(uid))
        if raw is None:
            return {}
        try:
            return msgspec.json.decode(raw, type=dict[str, Bound])
        except msgspec.MsgspecError as error:
            log.warning("remembered claims are unreadable", file=str(self._file(uid)), error=str(error))
            return {}

    def _file(self, uid: str) -> Path:
        return self._folder / f"{uid}.json"


def claim_name(pod: Pod, volume: Volume) -> str:
    """The claim behind a volume; empty for a volume that is none."""
    if volume.persistent_volume_claim is not None:
        return volume.persistent_volume_claim.claim_name
    return f"{pod.metadata.name}-{volume.name}" if volume.ephemeral is not None else ""


def _unprocessed(volume: str, problem: str) -> Unready:
    return Unready(
        f"Unable to attach or mount volumes: unmounted volumes=[{volume}], unattached volumes=[],"
        f" failed to process volumes=[{volume}]: {problem}"
    )
