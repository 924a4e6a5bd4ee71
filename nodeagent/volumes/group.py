"""fsGroup: a volume's files belong to the pod's group. Source: pkg/volume/volume_linux.go."""

from __future__ import annotations

import os
import stat
from pathlib import Path

_MAY_WRITE, _MAY_READ, _MAY_ENTER = 0o660, 0o440, 0o110


def hand_to_group(volume: Path, group: int, *, policy: str, read_only: bool) -> None:
    """Give all under `volume` to the group. With policy OnRootMismatch only when the top is not right already.

    Raises OSError.
    """
    if policy == "OnRootMismatch" and _is_right(volume, group, read_only=read_only):
        return
    for folder, folders, files in os.walk(volume, topdown=False, followlinks=False):
        for name in (*files, *(one for one in folders if Path(folder, one).is_symlink())):
            _hand_over(Path(folder, name), group, read_only=read_only)
        # The top comes last: whether it is right tells whether all of it was done.
        _hand_over(Path(folder), group, read_only=read_only)


def _is_right(volume: Path, group: int, *, read_only: bool) -> bool:
    found = volume.stat()
    wanted = _wanted(found.st_mode, read_only=read_only)
    return found.st_gid == group and stat.S_IMODE(found.st_mode) & wanted == wanted


def _wanted(mode: int, *, read_only: bool) -> int:
    wanted = _MAY_READ if read_only else _MAY_WRITE
    return wanted | _MAY_ENTER | stat.S_ISGID if stat.S_ISDIR(mode) else wanted


def _hand_over(path: Path, group: int, *, read_only: bool) -> None:
    try:
        found = path.lstat()
        os.lchown(path, -1, group)
        if not stat.S_ISLNK(found.st_mode):
            path.chmod(stat.S_IMODE(found.st_mode) | _wanted(found.st_mode, read_only=read_only))
    except FileNotFoundError:
        # Another pod that shares the volume may remove files meanwhile.
        return
