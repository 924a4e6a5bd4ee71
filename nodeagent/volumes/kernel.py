"""mount(2) and umount2(2): two calls, not worth a subprocess each on a small machine."""

from __future__ import annotations

import ctypes
import os
import re
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_MNT_DETACH = 2
_MS_NOSUID, _MS_NODEV, _MS_BIND = 2, 4, 4096
_ESCAPED = re.compile(r"\\([0-7]{3})")


def mount_tmpfs(folder: Path, *, size: int = 0, mode: int = 0o777) -> None:
    """A memory file system on `folder`, unless there is one. Raises OSError."""
    if is_mounted(folder):
        return
    options = f"mode={mode:o}" + (f",size={size}" if size else "")
    _mount(b"tmpfs", folder, b"tmpfs", _MS_NOSUID | _MS_NODEV, options.encode())


def bind(descriptor: int, target: Path) -> None:
    """Show at `target` what an open descriptor stands for, whatever its name leads to by now. Raises OSError."""
    _mount(f"/proc/self/fd/{descriptor}".encode(), target, None, _MS_BIND, None)


def unmount(folder: Path) -> None:
    """Take everything off `folder`; nothing there is fine. Lazily: a busy mount must not hold up a pod's end."""
    _libc.umount2(os.fsencode(folder), _MNT_DETACH)


def is_mounted(folder: Path) -> bool:
    """Whether something is mounted exactly there. The name alone is asked about: a dead NFS server answers nothing."""
    return str(folder) in _mount_points()


def mounts_below(folder: Path) -> list[Path]:
    """Where something is mounted at or under `folder`, the innermost first."""
    top = str(folder)
    found = [point for point in _mount_points() if point == top or point.startswith(f"{top}/")]
    return [Path(point) for point in sorted(found, reverse=True)]


def _mount_points() -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    return [_ESCAPED.sub(lambda match: chr(int(match[1], 8)), line.split(" ")[4]) for line in lines]


def _mount(source: bytes, target: Path, kind: bytes | None, flags: int, options: bytes | None) -> None:
    if _libc.mount(source, os.fsencode(target), kind, ctypes.c_ulong(flags), options) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(target))
