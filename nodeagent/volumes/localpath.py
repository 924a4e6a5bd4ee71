"""Folders of this machine that are volumes: what is to be done about one (pure), and the doing.

The agent trusts no path that the API names: a folder is touched only when it lies directly in the agent's own root.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Literal

from apimachinery.objects import localpath
from nodeagent.volumes import trees
from nodeagent.volumes.persistent import PersistentVolume

Step = Literal["make", "remove", "let go", ""]


class NotOurs(Exception):
    """The volume names a folder that is not directly in our root."""


def next_step(volume: PersistentVolume) -> Step:
    """A folder is made once; it goes with its volume when that is to be deleted, and stays when it is to be kept."""
    meta = volume.metadata
    if meta.annotations.get(localpath.PROVISIONED_BY) != localpath.PROVISIONER or volume.spec.local is None:
        return ""
    if meta.deletion_timestamp is None:
        return "" if localpath.MADE in meta.annotations else "make"
    if localpath.FINALIZER not in meta.finalizers or volume.status.phase == "Bound":
        return ""
    return "remove" if volume.spec.reclaim_policy == "Delete" else "let go"


def folder_of(volume: PersistentVolume, root: Path) -> Path:
    """Raises NotOurs."""
    path = PurePosixPath(volume.spec.local.path if volume.spec.local is not None else "")
    if path.parent != PurePosixPath(root) or path.name in ("", ".", ".."):
        raise NotOurs(f"{path} is not directly in this machine's folder for volumes, {root}")
    return Path(path)


def make(folder: Path) -> None:
    """Open to every user inside of containers; the root keeps the machine's own users out. Raises OSError."""
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.parent.chmod(0o700)
    folder.mkdir(exist_ok=True)
    folder.chmod(0o777)


def remove(folder: Path) -> None:
    """Raises OSError while something is mounted in it."""
    trees.remove_files(folder)
