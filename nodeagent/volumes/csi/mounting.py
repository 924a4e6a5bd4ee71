"""Mounting and unmounting the volumes of drivers: stage once on the machine, publish once for each pod.

Folders are where drivers expect them, below the kubelet's: their own pods see nothing else of the machine. What was
mounted is written down beside it first, so that it can be taken back after any restart. Source: pkg/volume/csi.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import structlog

from nodeagent import disk
from nodeagent.volumes import kernel, trees
from nodeagent.volumes.csi.client import DriverFailed
from nodeagent.volumes.csi.messages import (
    EXPAND_VOLUME,
    SINGLE_NODE_MULTI_WRITER,
    STAGE_UNSTAGE_VOLUME,
    VOLUME_MOUNT_GROUP,
)
from nodeagent.volumes.csi.registry import Drivers

log = structlog.get_logger(__name__)
_RECORD = "vol_data.json"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A volume of a driver as one pod wants it. `name`: the PersistentVolume's, or the pod's volume's."""

    driver: str
    handle: str
    name: str
    inline: bool = False
    read_only: bool = False
    fs_type: str = ""
    options: tuple[str, ...] = ()
    access_modes: tuple[str, ...] = ()
    context: dict[str, str] = {}
    publish_context: dict[str, str] = {}
    stage_secrets: dict[str, str] = {}
    publish_secrets: dict[str, str] = {}
    group: int | None = None


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What lies on disk beside a published volume: all that is needed to take it back."""

    driver: str
    handle: str
    staging: str = ""


class StageFailed(Exception):
    """The volume cannot be had on this machine at all."""


class Mounter:
    """`root` is the kubelet's folder. One volume is staged or unstaged by one task at a time."""

    def __init__(self, drivers: Drivers, root: Path) -> None:
        self._drivers = drivers
        self._root = root
        self._locks: dict[str, asyncio.Lock] = {}

    async def publish(self, uid: str, wanted: Wanted) -> tuple[Path, bool]:
        """Mount for a pod. The path, and whether the driver gave it to the pod's group.

        Raises StageFailed where the machine cannot have the volume, DriverFailed where the pod cannot; OSError.
        """
        home = self._home(uid, wanted.name)
        target = home / "mount"
        if await asyncio.to_thread(self.is_published, uid, wanted.name):
            # By an agent before us; it has the group as well.
            return target, True
        async with self._lock(wanted.handle), self._drivers.driver(wanted.driver) as driver:
            able = await driver.capabilities()
            stages = STAGE_UNSTAGE_VOLUME in able and not wanted.inline
            staging = self._staging(wanted.driver, wanted.handle) if stages else None
            record = Published(
                driver=wanted.driver, handle=wanted.handle, staging=str(staging) if staging is not None else ""
            )
            await asyncio.to_thread(_write, home, record)
            capability = _capability(wanted, able)
            if staging is not None:
                await asyncio.to_thread(staging.mkdir, 0o750, True, True)
                try:
                    await driver.stage(
                        volume_id=wanted.handle,
                        publish_context=wanted.publish_context,
                        staging_target_path=str(staging),
                        volume_capability=capability,
                        secrets=wanted.stage_secrets,
                        volume_context=wanted.context,
                    )
                except DriverFailed as error:
                    raise StageFailed(str(error)) from error
            await driver.publish(
                volume_id=wanted.handle,
                publish_context=wanted.publish_context,
                staging_target_path=record.staging,
                target_path=str(target),
                volume_capability=capability,
                readonly=wanted.read_only,
                secrets=wanted.publish_secrets,
                volume_context=wanted.context,
            )
        return target, VOLUME_MOUNT_GROUP in able and wanted.group is not None

    def is_published(self, uid: str, name: str) -> bool:
        home = self._home(uid, name)
        return _read(home) is not None and kernel.is_mounted(home / "mount")

    async def expand(self, uid: str, wanted: Wanted, size: int) -> None:
        """Let the driver grow what it has mounted; nothing where it need not. Raises DriverFailed."""
        async with self._lock(wanted.handle), self._drivers.driver(wanted.driver) as driver:
            able = await driver.capabilities()
            if EXPAND_VOLUME not in able:
                return
            stages = STAGE_UNSTAGE_VOLUME in able
            await driver.expand(
                volume_id=wanted.handle,
                volume_path=str(self._home(uid, wanted.name) / "mount"),
                capacity_range={"required_bytes": size},
                staging_target_path=str(self._staging(wanted.driver, wanted.handle)) if stages else "",
                volume_capability=_capability(wanted, able),
            )

    async def take_back(self, uid: str) -> None:
        """Unmount all that a pod has of drivers, and unstage what no pod has any more. Raises DriverFailed, OSError."""
        for home in await asyncio.to_thread(_homes, self._pod(uid)):
            record = await asyncio.to_thread(_read, home)
            if record is not None:
                await self._take_back(home, record)
            await asyncio.to_thread(trees.remove_files, home)
        await asyncio.to_thread(_remove_empty, self._pod(uid))

    async def _take_back(self, home: Path, record: Published) -> None:
        async with self._lock(record.handle), self._drivers.driver(record.driver) as driver:
            await driver.unpublish(record.handle, str(home / "mount"))
            await asyncio.to_thread((home / _RECORD).unlink, missing_ok=True)
            if record.staging and not await asyncio.to_thread(self._is_used, record):
                await driver.unstage(record.handle, record.staging)
                await asyncio.to_thread(_remove_staging, Path(record.staging))

    def _is_used(self, record: Published) -> bool:
        return any(_read(home) == record for home in (self._root / "pods").glob("*/volumes/kubernetes.io~csi/*"))

    def _lock(self, handle: str) -> asyncio.Lock:
        return self._locks.setdefault(handle, asyncio.Lock())

    def _pod(self, uid: str) -> Path:
        return self._root / "pods" / uid

    def _home(self, uid: str, name: str) -> Path:
        return self._pod(uid) / "volumes" / "kubernetes.io~csi" / name

    def _staging(self, driver: str, handle: str) -> Path:
        digest = hashlib.sha256(handle.encode()).hexdigest()
        return self._root / "plugins" / "kubernetes.io" / "csi" / driver / digest / "globalmount"


def _capability(wanted: Wanted, able: frozenset[int]) -> Mapping[str, Any]:
    mount: dict[str, Any] = {"fs_type": wanted.fs_type, "mount_flags": list(wanted.options)}
    if VOLUME_MOUNT_GROUP in able and wanted.group is not None:
        mount["volume_mount_group"] = str(wanted.group)
    return {"mount": mount, "access_mode": {"mode": access_mode(wanted.access_modes, able)}}


def access_mode(modes: tuple[str, ...], able: frozenset[int]) -> int:
    """CSI's word for the strongest of a volume's access modes."""
    several = SINGLE_NODE_MULTI_WRITER in able
    if "ReadWriteMany" in modes:
        return 5
    if "ReadOnlyMany" in modes and "ReadWriteOnce" in modes:
        return 4
    if "ReadOnlyMany" in modes:
        return 3
    if "ReadWriteOncePod" in modes:
        return 6 if several else 1
    return 7 if several and "ReadWriteOnce" in modes else 1


def _write(home: Path, record: Published) -> None:
    home.mkdir(mode=0o750, parents=True, exist_ok=True)
    disk.write_private(home / _RECORD, msgspec.json.encode(record))


def _read(home: Path) -> Published | None:
    raw = disk.read_if_there(home / _RECORD)
    try:
        return None if raw is None else msgspec.json.decode(raw, type=Published)
    except msgspec.MsgspecError as error:
        log.warning("record of a mounted volume is unreadable", folder=str(home), error=str(error))
        return None


def _homes(pod: Path) -> list[Path]:
    return sorted((pod / "volumes" / "kubernetes.io~csi").glob("*"))


def _remove_staging(staging: Path) -> None:
    if kernel.is_mounted(staging):
        raise trees.StillMounted(f"{staging} is still mounted")
    for folder in (staging, staging.parent):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _remove_empty(pod: Path) -> None:
    for folder in (pod / "volumes" / "kubernetes.io~csi", pod / "volumes", pod):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
