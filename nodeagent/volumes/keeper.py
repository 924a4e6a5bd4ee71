"""Makes and removes the folders of this machine that are volumes, as their PersistentVolumes come and go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from apimachinery.aio.tasks import TaskScope
from apimachinery.aio.workqueue import WorkQueue
from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.client.informer import Informer
from apimachinery.objects import localpath
from apimachinery.objects.errors import Conflict, NotFound, StatusError
from apimachinery.objects.resources import PERSISTENTVOLUMES
from nodeagent.volumes.localpath import NotOurs, folder_of, make, next_step, remove
from nodeagent.volumes.persistent import PersistentVolume

log = structlog.get_logger(__name__)
Tell = Callable[[PersistentVolume, str, str], None]
"""Records a warning about a volume: reason, message."""


class FolderKeeper:
    """`run` follows the volumes of this machine; `ensure` makes a folder for a pod that cannot wait for that."""

    def __init__(self, client: Client, machine: str, root: Path, tell: Tell) -> None:
        self._client = client
        self._root = root
        self._tell = tell
        self._queue: WorkQueue[str] = WorkQueue(base_delay=0.5, max_delay=60.0)
        self._informer = Informer(
            client, PERSISTENTVOLUMES, view=PersistentVolume, label_selector=f"{localpath.MACHINE}={machine}"
        )
        self._informer.on_change(self._changed)

    async def run(self) -> None:
        async with TaskScope("folders") as scope:
            scope.spawn("watch", self._informer.run())
            while True:
                name = await self._queue.get()
                try:
                    await self._turn(name)
                finally:
                    self._queue.done(name)

    async def ensure(self, volume: PersistentVolume) -> None:
        """Make the folder of a volume that never had one. Raises NotOurs, OSError, ConnectionFailed, StatusError."""
        if next_step(volume) == "make":
            await self._make(volume)

    def _changed(self, _old: PersistentVolume | None, new: PersistentVolume | None) -> None:
        if new is not None and next_step(new):
            self._queue.add(new.metadata.name)

    async def _turn(self, name: str) -> None:
        volume = self._informer.get(name)
        if volume is None:
            self._queue.forget(name)
            return
        try:
            await self._do(volume)
        except (NotFound, Conflict):
            self._queue.forget(name)
        except (ConnectionFailed, StatusError) as error:
            log.info("volume not updated; trying again", volume=name, error=str(error))
            self._queue.add_rate_limited(name)
        except (NotOurs, OSError) as error:
            log.warning("folder of a volume not changed; trying again", volume=name, error=str(error))
            going = volume.metadata.deletion_timestamp is not None
            self._tell(volume, "VolumeFailedDelete" if going else "ProvisioningFailed", str(error))
            self._queue.add_rate_limited(name)
        else:
            self._queue.forget(name)

    async def _do(self, volume: PersistentVolume) -> None:
        match next_step(volume):
            case "make":
                await self._make(volume)
            case "remove":
                folder = folder_of(volume, self._root)
                await asyncio.to_thread(remove, folder)
                log.info("folder of a volume removed", volume=volume.metadata.name, folder=str(folder))
                await self._let_go(volume)
            case "let go":
                await self._let_go(volume)
            case _:
                pass

    async def _make(self, volume: PersistentVolume) -> None:
        folder = folder_of(volume, self._root)
        await asyncio.to_thread(make, folder)
        await self._patch(volume, {"annotations": {localpath.MADE: "true"}})
        log.info("folder for a volume made", volume=volume.metadata.name, folder=str(folder))

    async def _let_go(self, volume: PersistentVolume) -> None:
        left = [one for one in volume.metadata.finalizers if one != localpath.FINALIZER]
        # At the version seen: finalizers that came in the meantime must not be lost.
        await self._patch(volume, {"finalizers": left, "resourceVersion": volume.metadata.resource_version})

    async def _patch(self, volume: PersistentVolume, metadata: dict[str, Any]) -> None:
        body = {"metadata": {**metadata, "uid": volume.metadata.uid}}
        await self._client.patch(PERSISTENTVOLUMES, volume.metadata.name, body, view=PersistentVolume)
