"""Keeps the static pods of a folder running, and their mirrors in the API."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

import structlog

from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import AlreadyExists, Conflict, NotFound, StatusError
from apimachinery.objects.meta import Object, format_time
from apimachinery.objects.resources import NODES, PODS
from nodeagent.pods import manifests
from nodeagent.pods.machine import Machine
from nodeagent.pods.manifests import DeleteMirror, Manifest, ManifestRefused
from nodeagent.pods.view import Pod

log = structlog.get_logger(__name__)
LOOK_SECONDS = 2.0
MIRROR_SECONDS = 10.0
RETRY_SECONDS = 1.0
_Signature = tuple[tuple[str, int, int, int], ...]


class StaticPods:
    """`assign` is given the pods of the folder, over and over; `known` are the API's, None before they are known;
    `shown` hears which of ours have a new mirror."""

    def __init__(
        self,
        machine: Machine,
        assign: Callable[[Iterable[Pod]], None],
        known: Callable[[], Iterable[Pod] | None],
        shown: Callable[[str], None],
    ) -> None:
        self._machine = machine
        self._folder = Path(machine.config.static_pod_dir)
        self._assign = assign
        self._known = known
        self._shown = shown
        self._signature: _Signature | None = None
        self._manifests: dict[str, Manifest] = {}
        self._wake = asyncio.Event()

    async def watch_folder(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(LOOK_SECONDS)

    def look(self) -> None:
        """Read the folder if it has changed, and say what should run."""
        signature = _signature(self._folder)
        if signature != self._signature:
            self._signature = signature
            self._read()
            self._wake.set()
        self._assign(manifest.pod for manifest in self._manifests.values())

    def poke(self) -> None:
        """Something may have happened to a mirror."""
        self._wake.set()

    async def keep_mirrors(self) -> None:
        while True:
            self._wake.clear()
            try:
                done = await self._align()
            except (ConnectionFailed, StatusError) as error:
                log.info("mirrors of static pods not brought up to date; trying again", error=str(error))
                done = False
            try:
                async with asyncio.timeout(MIRROR_SECONDS if done else RETRY_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _read(self) -> None:
        found: dict[str, Manifest] = {}
        seen_at = format_time(self._machine.clock.now())
        for name, *_ in self._signature or ():
            file = self._folder / name
            try:
                manifest = manifests.parse(file.read_bytes(), file, self._machine.config.node_name, seen_at)
            except (OSError, ManifestRefused) as error:
                log.warning("manifest of a static pod is of no use", file=str(file), error=str(error))
                continue
            found[manifest.pod.uid] = self._manifests.get(manifest.pod.uid, manifest)
        self._manifests = found

    async def _align(self) -> bool:
        """Whether nothing is left to do."""
        known = self._known()
        if known is None:
            return True
        steps = manifests.align(self._manifests, known)
        client = self._machine.client
        for step in steps:
            if isinstance(step, DeleteMirror):
                try:
                    await client.delete(PODS, step.name, step.namespace, uid=step.uid, grace_period_seconds=0)
                except (NotFound, Conflict):
                    log.debug("mirror was gone already", pod=f"{step.namespace}/{step.name}")
                continue
            await self._create(client, step)
        return not steps

    async def _create(self, client: Client, step: manifests.CreateMirror) -> None:
        name = self._machine.config.node_name
        try:
            node = await client.get(NODES, name, view=Object)
            document = manifests.owned(step.document, name, node.metadata.uid)
            await client.create(PODS, document, document["metadata"]["namespace"], view=Object)
        except NotFound as error:  # the node or the namespace, which may come yet
            log.info("static pod is not shown in the API yet", error=str(error))
        except AlreadyExists:
            log.debug("mirror stands already, or another pod has its name", pod=step.document["metadata"]["name"])
        else:
            self._shown(step.uid)


def _signature(folder: Path) -> _Signature:
    """What changes whenever a file does."""
    try:
        files = sorted(file for file in folder.iterdir() if manifests.is_manifest(file))
        stats = [(file.name, file.stat()) for file in files]
    except OSError:  # no folder, or a file went at this moment
        return ()
    return tuple((name, found.st_mtime_ns, found.st_size, found.st_ino) for name, found in stats)
