"""Images that nobody uses any more, removed when the disk fills up: the kubelet's rule and its defaults.

Above the high threshold images go, the longest unused first, until the disk would be at the low one; none that is in
use, pinned, or was seen here first only a moment ago.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from apimachinery.aio.clock import Clock
from nodeagent.cri.errors import RuntimeFailure
from nodeagent.cri.pause import IMAGE as PAUSE
from nodeagent.cri.runtime import Runtime
from nodeagent.cri.types import Container, Image

log = structlog.get_logger(__name__)
INTERVAL = 300.0
MINIMUM_AGE = 120.0
Tell = Callable[[str, str, str], None]
"""(type, reason, message) of an event about the node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Percent of the disk in use."""

    high: int
    low: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    capacity: int
    available: int

    @property
    def percent(self) -> int:
        return 100 - self.available * 100 // self.capacity if self.capacity else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Since when an image is here, and when it was in use last; seconds on one clock."""

    detected: float
    used: float


def to_free(disk: Disk, thresholds: Thresholds) -> int:
    """Bytes to get back; 0 below the high threshold."""
    if disk.percent < thresholds.high:
        return 0
    return max(0, disk.capacity * (100 - thresholds.low) // 100 - disk.available)


def remember(
    known: Mapping[str, Known], images: Sequence[Image], used: Collection[str], now: float
) -> dict[str, Known]:
    """What is known of the images that are here, with this look."""
    found: dict[str, Known] = {}
    for image in images:
        before = known.get(image.id, Known(detected=now, used=0.0))
        found[image.id] = Known(detected=before.detected, used=now if image.id in used else before.used)
    return found


def choose(images: Sequence[Image], known: Mapping[str, Known], wanted: int, now: float) -> list[Image]:
    """Which images to remove for `wanted` bytes, in order. `known` is from this same look."""
    idle = [image for image in images if known[image.id].used < now and not image.pinned]
    idle.sort(key=lambda image: (known[image.id].used, known[image.id].detected))
    chosen: list[Image] = []
    for image in idle:
        if wanted <= 0:
            break
        if now - known[image.id].detected >= MINIMUM_AGE:
            chosen.append(image)
            wanted -= image.size
    return chosen


def in_use(images: Sequence[Image], containers: Sequence[Container]) -> set[str]:
    """Ids of images that a container, running or not, was made of; every sandbox is made of the pause image."""
    named = {PAUSE} | {name for ran in containers for name in (ran.image, ran.image_ref)}
    return {image.id for image in images if named & {image.id, *image.tags, *image.digests}}


class ImageCollector:
    """`folder` lies on the disk that holds the images."""

    def __init__(self, runtime: Runtime, folder: Path, thresholds: Thresholds, clock: Clock, tell: Tell) -> None:
        self._runtime = runtime
        self._folder = folder
        self._thresholds = thresholds
        self._clock = clock
        self._tell = tell
        self._known: dict[str, Known] = {}
        self._looked_at = 0.0

    async def run(self) -> None:
        while True:
            try:
                await self.collect()
            except RuntimeFailure as error:
                log.debug("images not looked at", error=str(error))
            await asyncio.sleep(INTERVAL)

    async def remove_unused(self) -> int:
        """All that may go, however full the disk is: before a pod has to. Raises RuntimeFailure."""
        return await self._remove(await self._look(), sys.maxsize)

    async def collect(self) -> int:
        """One round; how many bytes came free. Raises RuntimeFailure."""
        images = await self._look()
        wanted = to_free(self._disk(), self._thresholds)
        freed = await self._remove(images, wanted)
        if wanted > freed:
            text = (
                f"Failed to garbage collect required amount of images. Attempted to free {wanted} bytes, but only "
                f"found {freed} bytes eligible to free."
            )
            self._tell("Warning", "FreeDiskSpaceFailed", text)
        return freed

    async def _look(self) -> list[Image]:
        images, containers = await self._runtime.images(), await self._runtime.containers()
        self._looked_at = self._clock.monotonic()
        self._known = remember(self._known, images, in_use(images, containers), self._looked_at)
        return images

    async def _remove(self, images: Sequence[Image], wanted: int) -> int:
        freed = 0
        for image in choose(images, self._known, wanted, self._looked_at):
            try:
                for name in (*image.tags, image.id):
                    await self._runtime.remove_image(name)
            except RuntimeFailure as error:
                log.warning("image not removed", image=image.id, error=str(error))
                continue
            log.info("image removed to free disk space", image=image.tags[0] if image.tags else image.id)
            freed += image.size
        return freed

    def _disk(self) -> Disk:
        found = os.statvfs(self._folder if self._folder.exists() else "/")
        return Disk(capacity=found.f_blocks * found.f_frsize, available=found.f_bavail * found.f_frsize)
