"""All volumes of one pod: those that it holds in itself, and those behind claims and on other machines."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects import quantity
from apimachinery.objects.errors import StatusError
from nodeagent.pods.claims import Claims, claim_name
from nodeagent.pods.drivers import DriverVolumes
from nodeagent.pods.view import Container, Pod, VolumeMount
from nodeagent.volumes import nfs, subpath, trees
from nodeagent.volumes.fields import PodFacts
from nodeagent.volumes.group import hand_to_group
from nodeagent.volumes.keeper import FolderKeeper
from nodeagent.volumes.localpath import NotOurs
from nodeagent.volumes.objects import Contents
from nodeagent.volumes.persistent import Bound, PersistentVolume
from nodeagent.volumes.podvolumes import MountFailed, PodVolumes, host_path
from nodeagent.volumes.view import NfsSource, Volume

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provided:
    """A volume on this machine: a folder or file, or with `device` a block device."""

    path: Path
    read_only: bool = False
    device: bool = False


class PodStorage:
    """Every step may be repeated; nothing but `folder`, the pod's own, holds what is mounted."""

    def __init__(self, folder: Path, pod: Pod, claims: Claims, keeper: FolderKeeper, drivers: DriverVolumes) -> None:
        self._folder = folder
        self._claims = claims
        self._keeper = keeper
        self._drivers = drivers
        self._grown: list[Bound] = []
        security = pod.spec.security_context
        self._group = security.fs_group
        self._policy = security.fs_group_change_policy
        self._own = PodVolumes(folder, group=self._group, memory_limit=_memory_limit(pod))
        self._provided: dict[str, Provided] = {}

    @property
    def provided(self) -> Mapping[str, Provided]:
        """By the volume's name, once set up."""
        return self._provided

    async def set_up(self, pod: Pod, facts: PodFacts, contents: Contents, stamp: str) -> None:
        """Raises MountFailed, Unready."""
        outer = [volume for volume in pod.spec.volumes if _is_outer(pod, volume)]
        inner = [volume for volume in pod.spec.volumes if not _is_outer(pod, volume)]
        # First, as these need nobody else: the kubelet does not hold one volume up for another either.
        paths = self._own.set_up(inner, facts, contents, stamp)
        provided = {name: Provided(path=path) for name, path in paths.items()}
        bound = await self._claims.resolve(pod, outer)
        for volume in outer:
            try:
                provided[volume.name] = await self._outer(pod, volume, bound.get(volume.name))
            except (OSError, nfs.NfsFailed) as error:
                what = bound[volume.name].volume.metadata.name if volume.name in bound else volume.name
                raise MountFailed(f'MountVolume.SetUp failed for volume "{what}" : {error}') from error
        self._provided = provided
        self._grown = [one for one in bound.values() if one.volume.spec.csi is not None]

    async def grow(self, pod: Pod) -> None:
        """Let volumes of drivers that have grown be used whole."""
        for bound in self._grown:
            await self._drivers.grow(pod, bound)

    def refresh(self, pod: Pod, facts: PodFacts, contents: Contents, stamp: str) -> None:
        """Bring changed ConfigMaps, Secrets and labels into volumes that stand already. Raises MountFailed."""
        self._own.refresh([one for one in pod.spec.volumes if not _is_outer(pod, one)], facts, contents, stamp)

    async def overfull(self, pod: Pod) -> str:
        """What to evict the pod for; empty: nothing."""
        return await asyncio.to_thread(self._own.overfull, pod.spec.volumes)

    async def tear_down(self, uid: str) -> None:
        """Unmount and remove everything that is the pod's; what it got from elsewhere stays. Raises OSError."""
        await asyncio.to_thread(trees.remove, self._folder / "volume-subpaths")
        await self._drivers.take_back(uid)
        await asyncio.to_thread(self._own.tear_down)
        self._claims.release(uid)

    def part(self, container: Container, index: int, mount: VolumeMount, inside: str) -> Path:
        """A subPath of a volume. Raises MountFailed."""
        target = self._folder / "volume-subpaths" / mount.name / container.name / str(index)
        try:
            return subpath.provide(self._provided[mount.name].path, inside, target)
        except OSError as error:
            text = f'failed to prepare subPath for volumeMount "{mount.name}" of container "{container.name}"'
            raise MountFailed(text) from error

    async def _outer(self, pod: Pod, volume: Volume, bound: Bound | None) -> Provided:
        if bound is None and volume.csi is not None:
            return Provided(path=await self._drivers.provide(pod, volume, None), read_only=volume.csi.read_only)
        if bound is None:
            return await self._nfs(volume.name, volume.nfs or NfsSource(), ())
        persistent = bound.volume
        spec = persistent.spec
        name = persistent.metadata.name
        if spec.volume_mode == "Block" and spec.local is None:
            raise MountFailed(f'MapVolume.SetUp failed for volume "{name}" : no volume plugin matched')
        if spec.csi is not None:
            path = await self._drivers.provide(pod, volume, bound)
            return Provided(path=path, read_only=bound.read_only or spec.csi.read_only)
        if spec.local is not None:
            return await self._local(persistent, read_only=bound.read_only)
        if spec.host_path is not None:
            try:
                return Provided(path=host_path(spec.host_path), read_only=bound.read_only)
            except MountFailed as error:
                raise MountFailed(f'MountVolume.SetUp failed for volume "{name}" : {error}') from error
        if spec.nfs is not None:
            source = NfsSource(
                server=spec.nfs.server, path=spec.nfs.path, read_only=spec.nfs.read_only or bound.read_only
            )
            return await self._nfs(name, source, spec.mount_options)
        raise MountFailed(
            f"Unable to attach or mount volumes: unmounted volumes=[{volume.name}], unattached volumes=[],"
            f" failed to process volumes=[{volume.name}]: failed to get Plugin from volumeSpec for volume"
            f' "{name}" err=no volume plugin matched'
        )

    async def _local(self, persistent: PersistentVolume, *, read_only: bool) -> Provided:
        name = persistent.metadata.name
        path = Path(persistent.spec.local.path if persistent.spec.local is not None else "")
        try:
            await self._keeper.ensure(persistent)
        except NotOurs as error:
            raise MountFailed(f'MountVolume.NewMounter initialization failed for volume "{name}" : {error}') from error
        except (ConnectionFailed, StatusError) as error:
            # The folder is made; that it is will be written down later, by whoever looks next.
            log.info("folder of a volume not marked as made", volume=name, error=str(error))
        return await asyncio.to_thread(self._check_local, persistent, path, read_only)

    def _check_local(self, persistent: PersistentVolume, path: Path, read_only: bool) -> Provided:
        name = persistent.metadata.name
        if not path.exists():
            raise MountFailed(
                f'MountVolume.NewMounter initialization failed for volume "{name}" : path "{path}" does not exist'
            )
        if persistent.spec.volume_mode == "Block":
            if not stat.S_ISBLK(path.stat().st_mode):
                raise MountFailed(f'MapVolume.SetUp failed for volume "{name}" : path "{path}" is not a block device')
            return Provided(path=path, read_only=read_only, device=True)
        if self._group is not None and not read_only:
            hand_to_group(path, self._group, policy=self._policy, read_only=False)
        return Provided(path=path, read_only=read_only)

    async def _nfs(self, name: str, source: NfsSource, options: tuple[str, ...]) -> Provided:
        target = self._folder / "volumes" / "kubernetes.io~nfs" / name
        await nfs.mount(source, target, options)
        return Provided(path=target, read_only=source.read_only)


def is_recursive(mount: VolumeMount, *, supported: bool) -> bool:
    """Whether what is mounted under a read-only mount is to be read-only, too. Raises MountFailed."""
    if mount.recursive_read_only in ("", "Disabled"):
        return False
    asked = f'volume "{mount.name}" requested recursive read-only mode, but it is not'
    if not mount.read_only:
        raise MountFailed(f"{asked} read-only")
    if mount.mount_propagation not in ("", "None"):
        raise MountFailed(f'{asked} compatible with propagation "{mount.mount_propagation}"')
    if mount.recursive_read_only == "Enabled" and not supported:
        raise MountFailed(f"{asked} supported by the runtime")
    return supported


def _is_outer(pod: Pod, volume: Volume) -> bool:
    """Whether the volume comes from elsewhere than the pod itself."""
    return bool(claim_name(pod, volume)) or volume.nfs is not None or volume.csi is not None


def _memory_limit(pod: Pod) -> int | None:
    """What all containers may use together; None where one of them has no limit."""
    containers = [*pod.spec.containers, *pod.restartable_init]
    limits = [container.resources.limits.get("memory") for container in containers]
    known = [quantity.value(limit) for limit in limits if limit is not None]
    return sum(known) if known and len(known) == len(limits) else None
