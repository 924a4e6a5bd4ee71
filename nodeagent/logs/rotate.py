"""Rotation of container logs: the runtime writes without end, the disk has one."""

from __future__ import annotations

import asyncio
import gzip
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

from apimachinery.aio.clock import Clock
from nodeagent.cri.errors import RuntimeFailure
from nodeagent.cri.runtime import Runtime

log = structlog.get_logger(__name__)
INTERVAL = 10.0
SETTLE_SECONDS = 30.0
_COMPRESSED, _UNFINISHED = ".gz", ".tmp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """A log may grow to `max_size` bytes before it is put aside; `max_files` counts the one being written."""

    max_size: int
    max_files: int


async def rotate(runtime: Runtime, container_id: str, current: Path, limits: Limits, now: float) -> bool:
    """Put the log aside when it is too large, have a new one opened, drop the oldest. False: nothing to do."""
    aside = _put_aside(current, limits, now)
    if aside is None:
        return False
    try:
        await runtime.reopen_log(container_id)
    except RuntimeFailure as error:
        # Without a reopened log the runtime goes on writing to the old file: give it its name back.
        aside.rename(current)
        log.warning("log not rotated", file=str(current), error=str(error))
        return False
    _drop_oldest(current, limits)
    await asyncio.to_thread(_compress_older, current, now)
    return True


def _put_aside(current: Path, limits: Limits, now: float) -> Path | None:
    try:
        if current.stat().st_size < limits.max_size:
            return None
    except FileNotFoundError:
        return None
    return current.rename(current.with_name(f"{current.name}.{_stamp(now)}"))


def _stamp(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y%m%d-%H%M%S.%f")


def _drop_oldest(current: Path, limits: Limits) -> None:
    aside = _rotated(current)
    for stale in aside[: max(0, len(aside) - (limits.max_files - 1))]:
        stale.unlink(missing_ok=True)


def _compress_older(current: Path, now: float) -> None:
    """All but the newest of those put aside, and none of the last moments: who follows may be in there still."""
    for scrap in current.parent.glob(f"{current.name}.*{_UNFINISHED}"):
        scrap.unlink(missing_ok=True)
    settled = f"{current.name}.{_stamp(now - SETTLE_SECONDS)}"
    for plain in _rotated(current)[:-1]:
        if plain.suffix == _COMPRESSED or plain.name > settled:
            continue
        packed = plain.with_name(plain.name + _COMPRESSED)
        scrap = packed.with_name(packed.name + _UNFINISHED)
        try:
            with plain.open("rb") as source, gzip.open(scrap, "wb", compresslevel=6) as target:
                shutil.copyfileobj(source, target, 256 * 1024)
            scrap.chmod(plain.stat().st_mode)
            scrap.rename(packed)
            plain.unlink(missing_ok=True)
        except FileNotFoundError:  # its container was removed meanwhile
            continue
        except OSError as error:
            log.warning("log not compressed", file=str(plain), error=str(error))


def _rotated(current: Path) -> list[Path]:
    """What was put aside, oldest first."""
    return sorted(file for file in current.parent.glob(f"{current.name}.*") if file.suffix != _UNFINISHED)


async def rotate_all(runtime: Runtime, running: Iterable[tuple[str, Path]], limits: Limits, clock: Clock) -> None:
    """One round over (container id, log file) of what runs."""
    for container_id, current in running:
        await rotate(runtime, container_id, current, limits, clock.now().timestamp())
