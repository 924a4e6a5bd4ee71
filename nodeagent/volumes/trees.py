"""Removing folders with root's rights: never through a mount, never through a link."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from nodeagent.volumes import kernel

_ATTEMPTS = 3


class StillMounted(OSError):
    """Something is mounted under the folder and does not come off: what it shows is not ours to remove."""


def remove(folder: Path) -> None:
    """Unmount everything under `folder`, then remove it; nothing there is fine. Raises OSError, StillMounted."""
    for mounted in kernel.mounts_below(folder):
        kernel.unmount(mounted)
    left = kernel.mounts_below(folder)
    if left:
        raise StillMounted(f"{left[0]} is still mounted")
    remove_files(folder)


def remove_files(folder: Path) -> None:
    """Remove a folder under which nothing may be mounted. Raises OSError, StillMounted."""
    mounted = kernel.mounts_below(folder)
    if mounted:
        raise StillMounted(f"{mounted[0]} is still mounted")
    try:
        parent = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        for _ in range(_ATTEMPTS):
            try:
                if _is_link(folder.name, parent):
                    os.unlink(folder.name, dir_fd=parent)
                else:
                    shutil.rmtree(folder.name, dir_fd=parent)
            except FileNotFoundError:
                # The folder, or a file in it that somebody else removed first.
                if not folder.exists():
                    return
            else:
                return
    finally:
        os.close(parent)


def _is_link(name: str, parent: int) -> bool:
    return (os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode & 0o170000) == 0o120000
