"""The volumes of one pod as folders on this machine: set up, refreshed, torn down. Every step may be repeated."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from apimachinery.objects import quantity
from nodeagent.volumes import atomic, kernel, trees
from nodeagent.volumes.fields import FieldError, PodFacts
from nodeagent.volumes.objects import Contents, MissingReference
from nodeagent.volumes.payload import payload
from nodeagent.volumes.usage import used_bytes
from nodeagent.volumes.view import EmptyDirSource, HostPathSource, Volume


class MountFailed(Exception):
    """A volume cannot be provided; the text is that of the FailedMount event."""


class PodVolumes:
    """`folder` is the pod's own; volumes lie under it by plugin name, as the kubelet lays them out."""

    def __init__(self, folder: Path, *, group: int | None = None, memory_limit: int | None = None) -> None:
        """`memory_limit`: what the pod's containers may use together, in bytes; more cannot lie in memory volumes."""
        self._folder = folder / "volumes"
        self._group = group
        self._memory_limit = memory_limit

    def set_up(self, volumes: Sequence[Volume], pod: PodFacts, contents: Contents, stamp: str) -> dict[str, Path]:
        """Host path of each volume by name. Raises MountFailed."""
        return {volume.name: self._set_up(volume, pod, contents, stamp) for volume in volumes}

    def refresh(self, volumes: Sequence[Volume], pod: PodFacts, contents: Contents, stamp: str) -> None:
        """Bring changed ConfigMaps, Secrets and labels into volumes that stand already. Raises MountFailed."""
        for volume in volumes:
            if volume.is_projection:
                self._set_up(volume, pod, contents, stamp)

    def overfull(self, volumes: Sequence[Volume]) -> str:
        """What to evict the pod for: an emptyDir on disk that holds more than it may. Empty: nothing."""
        for volume in volumes:
            source = volume.empty_dir
            if source is None or source.size_limit is None or not volume.is_bounded:
                continue
            limit = quantity.value(source.size_limit)
            if 0 < limit < used_bytes(self._folder / "kubernetes.io~empty-dir" / volume.name):
                return f'Usage of EmptyDir volume "{volume.name}" exceeds the limit "{source.size_limit}". '
        return ""

    def tear_down(self) -> None:
        """Unmount and remove everything; hostPaths are not ours and stay. Raises OSError."""
        trees.remove(self._folder)

    def _set_up(self, volume: Volume, pod: PodFacts, contents: Contents, stamp: str) -> Path:
        try:
            if volume.host_path is not None:
                return self._host_path(volume.name, volume.host_path)
            if volume.empty_dir is not None:
                return self._empty_dir(volume.name, volume.empty_dir)
            files = payload(volume, pod, contents)
            if files is None:
                raise MountFailed(f'no volume plugin matched name: "{volume.name}"')
            folder = self._home(volume)
            # Secrets never touch the disk: neither an SD card's wear levelling nor a stolen card keeps them.
            if volume.secret is not None or volume.projected is not None:
                kernel.mount_tmpfs(folder, mode=0o755)
            atomic.write(folder, files, stamp, group=self._group)
        except (MissingReference, FieldError) as error:
            raise MountFailed(f'MountVolume.SetUp failed for volume "{volume.name}" : {error}') from error
        except OSError as error:
            raise MountFailed(f'MountVolume.SetUp failed for volume "{volume.name}" : {error}') from error
        return folder

    def _host_path(self, name: str, source: HostPathSource) -> Path:
        try:
            return host_path(source)
        except MountFailed as error:
            raise MountFailed(f'MountVolume.SetUp failed for volume "{name}" : {error}') from error

    def _home(self, volume: Volume) -> Path:
        plugin = (
            "configmap" if volume.config_map else "secret" if volume.secret else
            "projected" if volume.projected else "downward-api"
        )  # fmt: skip
        folder = self._folder / f"kubernetes.io~{plugin}" / volume.name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _empty_dir(self, name: str, source: EmptyDirSource) -> Path:
        folder = self._folder / "kubernetes.io~empty-dir" / name
        fresh = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        if source.medium not in ("", "Memory"):
            raise MountFailed(
                f'MountVolume.SetUp failed for volume "{name}" : unknown storage medium "{source.medium}"'
            )
        if source.medium == "Memory":
            limits = [self._memory_limit] if self._memory_limit is not None else []
            if source.size_limit is not None:
                limits.append(quantity.value(source.size_limit))
            fresh = not kernel.is_mounted(folder)
            kernel.mount_tmpfs(folder, size=min((limit for limit in limits if limit > 0), default=0))
        if fresh:
            folder.chmod(0o777)
            if self._group is not None:
                os.chown(folder, -1, self._group)
                folder.chmod(0o2777)
        return folder


def host_path(source: HostPathSource) -> Path:
    """Check a hostPath against its type, making what `...OrCreate` asks for. Raises MountFailed."""
    path = Path(source.path)
    match source.type:
        case "":
            # As the runtimes do for an absent source: a bind mount needs something there.
            if not path.exists():
                path.mkdir(parents=True, exist_ok=True)
        case "DirectoryOrCreate":
            if not path.exists():
                path.mkdir(mode=0o755, parents=True, exist_ok=True)
            _require(path, path.is_dir(), "a directory")
        case "FileOrCreate":
            if not path.exists():
                path.touch(mode=0o644)
            _require(path, path.is_file(), "a file")
        case "Directory":
            _require(path, path.is_dir(), "a directory")
        case "File":
            _require(path, path.is_file(), "a file")
        case "Socket":
            _require(path, path.is_socket(), "a socket file")
        case "CharDevice":
            _require(path, path.exists() and stat.S_ISCHR(path.stat().st_mode), "a character device")
        case "BlockDevice":
            _require(path, path.exists() and stat.S_ISBLK(path.stat().st_mode), "a block device")
        case unknown:
            raise MountFailed(f"hostPath type check failed: {path} has unknown type {unknown}")
    return path


def _require(path: Path, holds: bool, what: str) -> None:
    if not holds:
        raise MountFailed(f"hostPath type check failed: {path} is not {what}")
