"""How full file systems are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """Bytes and inodes of a file system; `used` may be what one folder in it takes."""

    capacity: int
    available: int
    used: int
    inodes: int
    inodes_free: int
    inodes_used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeUse:
    """A volume of a pod. `claim` is empty for those that a pod holds in itself."""

    name: str
    claim: str
    space: Space


def measure(path: Path, used: int | None = None) -> Space | None:
    """Of the file system that `path` is on; None where there is none. `used`: what of it is meant, if not all."""
    try:
        found = os.statvfs(path)
    except OSError:
        return None
    return Space(
        capacity=found.f_blocks * found.f_frsize,
        available=found.f_bavail * found.f_frsize,
        used=(found.f_blocks - found.f_bfree) * found.f_frsize if used is None else used,
        inodes=found.f_files,
        inodes_free=found.f_ffree,
        inodes_used=found.f_files - found.f_ffree,
    )
