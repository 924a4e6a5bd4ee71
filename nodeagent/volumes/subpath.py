"""A folder or file inside a volume, given to a container so that nobody can swap it for a link out of the volume.

Containers of the pod may write in the volume while this is looked up. So the way is walked by descriptors that follow
no link, and what is found is bound to a place of ours, which is what the runtime then mounts. Source:
pkg/volume/util/subpath/subpath_linux.go.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from nodeagent.volumes import kernel

_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class Escapes(OSError):
    """The way leads out of the volume, or is being changed under our feet."""


def provide(volume: Path, inside: str, target: Path) -> Path:
    """Bind `inside` of `volume`, made as a folder if missing, at `target`. Safe to repeat. Raises OSError, Escapes."""
    if kernel.is_mounted(target):
        return target
    root = volume.resolve(strict=True)
    found = (root / inside).resolve()
    if not found.is_relative_to(root):
        raise Escapes(f"{inside!r} leaves the volume")
    descriptor = _walk(root, found.relative_to(root))
    try:
        target.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            target.mkdir(mode=0o750, exist_ok=True)
        else:
            target.touch(mode=0o640, exist_ok=True)
        kernel.bind(descriptor, target)
    finally:
        os.close(descriptor)
    return target


def _walk(root: Path, way: Path) -> int:
    """A descriptor of what is at the end of the way; folders that are missing get the rights of the volume's top."""
    current = os.open(root, _LOOK | os.O_DIRECTORY)
    top = os.fstat(current)
    try:
        for index, part in enumerate(way.parts):
            fresh = _step(current, part, top)
            os.close(current)
            current = fresh
            mode = os.fstat(current).st_mode
            if stat.S_ISLNK(mode) or (index + 1 < len(way.parts) and not stat.S_ISDIR(mode)):
                raise Escapes(f"{part!r} is no folder")
    except BaseException:
        os.close(current)
        raise
    return current


def _step(folder: int, name: str, top: os.stat_result) -> int:
    try:
        return os.open(name, _LOOK, dir_fd=folder)
    except FileNotFoundError:
        os.mkdir(name, dir_fd=folder)
    made = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.fchown(made, -1, top.st_gid)
        os.fchmod(made, stat.S_IMODE(top.st_mode))
    finally:
        os.close(made)
    return os.open(name, _LOOK, dir_fd=folder)
