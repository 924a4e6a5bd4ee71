"""Files of a volume that change all at once: readers see the old set or the new one, never a mix.

The layout is upstream's pkg/volume/util/atomic_writer.go, which programs rely on when they watch for changes:
``..2026_01_02_x/`` holds the files, ``..data`` links to it, and each visible name links through ``..data``.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path, PurePosixPath

from nodeagent.volumes.payload import Payload

DATA = "..data"


def write(folder: Path, payload: Payload, stamp: str, *, group: int | None = None) -> bool:
    """Make `folder` show exactly `payload`; False when it already does. `stamp` names the new set of files.

    With `group` (a pod's fsGroup) the files belong to it and may be read by it.
    """
    current = _current(folder)
    if current is not None and _matches(current, payload):
        _link(folder, payload)
        return False
    fresh = Path(tempfile.mkdtemp(prefix=f"..{stamp}_", dir=folder))
    fresh.chmod(0o755)
    for name, file in payload.items():
        target = fresh / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.content)
        mode = file.mode | (0o440 if group is not None else 0)
        target.chmod(mode)
        if group is not None:
            os.chown(target, -1, group)
    pending = folder / "..data_tmp"
    pending.unlink(missing_ok=True)
    pending.symlink_to(fresh.name)
    pending.rename(folder / DATA)
    _link(folder, payload)
    _unlink_stale(folder, payload)
    if current is not None:
        shutil.rmtree(current, ignore_errors=True)
    return True


def _current(folder: Path) -> Path | None:
    link = folder / DATA
    return folder / link.readlink() if link.is_symlink() else None


def _matches(current: Path, payload: Payload) -> bool:
    """The same names, bytes and owner's mode as what is there."""
    present = {str(p.relative_to(current)): p for p in current.rglob("*") if not p.is_dir()}
    if present.keys() != payload.keys():
        return False
    return all(
        path.read_bytes() == payload[name].content
        and stat.S_IMODE(path.stat().st_mode) & ~0o440 == payload[name].mode & ~0o440
        for name, path in present.items()
    )


def _visible(payload: Payload) -> set[str]:
    return {PurePosixPath(name).parts[0] for name in payload}


def _link(folder: Path, payload: Payload) -> None:
    for name in _visible(payload):
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(f"{DATA}/{name}")


def _unlink_stale(folder: Path, payload: Payload) -> None:
    wanted = _visible(payload)
    for entry in folder.iterdir():
        if entry.is_symlink() and not entry.name.startswith("..") and entry.name not in wanted:
            entry.unlink()
