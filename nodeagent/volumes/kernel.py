"""mount(2) and umount2(2): two calls, not worth a subprocess each on a small machine."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_MNT_DETACH = 2
_MS_NOSUID, _MS_NODEV = 2, 4


def mount_tmpfs(folder: Path, *, size: int = 0, mode: int = 0o777) -> None:
    """A memory file system on `folder`, unless there is one. Raises OSError."""
    if is_mounted(folder):
        return
    options = f"mode={mode:o}" + (f",size={size}" if size else "")
    flags = ctypes.c_ulong(_MS_NOSUID | _MS_NODEV)
    if _libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", flags, options.encode()) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(folder))


def unmount(folder: Path) -> None:
    """Take everything off `folder`; nothing there is fine. Lazily: a busy mount must not hold up a pod's end."""
    _libc.umount2(os.fsencode(folder), _MNT_DETACH)


def is_mounted(folder: Path) -> bool:
    """Whether something is mounted exactly there."""
    try:
        return folder.lstat().st_dev != folder.parent.lstat().st_dev
    except OSError:
        return False
