"""The drivers of this machine: they announce themselves by sockets in a folder; the API learns of them by CSINode."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import AlreadyExists, NotFound, StatusError
from apimachinery.objects.meta import Object
from apimachinery.objects.resources import CSINODES, NODES
from nodeagent.volumes.csi.client import Announced, Driver, DriverFailed, NodeInfo, announced, connected, notify

log = structlog.get_logger(__name__)
LOOK_SECONDS = 2.0
NODE_IDS = "csi.volume.kubernetes.io/nodeid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A driver that may be asked. `made`: what tells its registration socket from a later one of that name."""

    announced: Announced
    info: NodeInfo
    made: float


class Drivers:
    """`run` keeps the list; `folder` is where drivers put their registration sockets."""

    def __init__(self, client: Client, node: str, folder: Path) -> None:
        self._client = client
        self._node = node
        self._folder = folder
        self._by_socket: dict[Path, Registered] = {}
        self._failed: dict[Path, float] = {}
        self._published: list[dict[str, Any]] | None = None

    async def run(self) -> None:
        # Drivers' pods mount these from the machine, and are refused where one is missing.
        for name in ("plugins", "plugins_registry", "pods"):
            await asyncio.to_thread((self._folder.parent / name).mkdir, 0o750, True, True)
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Take in drivers that came, forget those that went, and tell the API."""
        sockets = await asyncio.to_thread(_sockets, self._folder)
        for socket in self._by_socket.keys() - sockets.keys():
            gone = self._by_socket.pop(socket)
            log.info("storage driver gone", driver=gone.announced.name)
        fresh: list[Path] = []
        for socket, made in sockets.items():
            known = self._by_socket.get(socket)
            if known is not None and known.made == made:
                continue
            if await self._register(socket, made):
                fresh.append(socket)
        try:
            await self._publish()
        except (ConnectionFailed, StatusError) as error:
            log.info("drivers not told to the API; trying again", error=str(error))
            return
        for socket in fresh:
            await _tell(socket, "")

    @asynccontextmanager
    async def driver(self, name: str) -> AsyncIterator[Driver]:
        """Raises DriverFailed when no such driver is registered here."""
        endpoint = next((one.announced.endpoint for one in self._by_socket.values() if one.announced.name == name), "")
        if not endpoint:
            raise DriverFailed("Unavailable", f"driver name {name} not found in the list of registered CSI drivers")
        async with connected(endpoint) as channel:
            yield Driver(channel)

    async def _register(self, socket: Path, made: float) -> bool:
        try:
            plugin = await announced(socket)
            problem = _problem(plugin)
            if problem:
                if self._failed.get(socket) != made:
                    log.warning("plugin not registered", socket=str(socket), error=problem)
                    await _tell(socket, problem)
                self._failed[socket] = made
                return False
            async with connected(plugin.endpoint or socket) as channel:
                info = await Driver(channel).info()
        except DriverFailed as error:
            log.info("plugin does not answer; trying again", socket=str(socket), error=str(error))
            return False
        with_endpoint = Announced(
            type=plugin.type, name=plugin.name, endpoint=plugin.endpoint or str(socket), versions=plugin.versions
        )
        self._by_socket[socket] = Registered(announced=with_endpoint, info=info, made=made)
        log.info("storage driver registered", driver=plugin.name)
        return True

    async def _publish(self) -> None:
        wanted = csi_drivers(self._by_socket.values())
        if wanted == self._published or (not wanted and self._published is None):
            return
        await self._write_csi_node(wanted)
        ids = {one.announced.name: one.info.node_id for one in self._by_socket.values()}
        labels = {key: value for one in self._by_socket.values() for key, value in one.info.topology.items()}
        annotations = {NODE_IDS: json.dumps(ids, separators=(",", ":")) if ids else None}
        body = {"metadata": {"annotations": annotations, "labels": labels}}
        await self._client.patch(NODES, self._node, body, view=Object)
        self._published = wanted

    async def _write_csi_node(self, drivers: list[dict[str, Any]]) -> None:
        body = {"spec": {"drivers": drivers}}
        try:
            await self._client.patch(CSINODES, self._node, body, view=Object)
        except NotFound:
            node = await self._client.get(NODES, self._node, view=Object)
            owner = {"apiVersion": "v1", "kind": "Node", "name": self._node, "uid": node.metadata.uid}
            made = {"metadata": {"name": self._node, "ownerReferences": [owner]}, **body}
            try:
                await self._client.create(CSINODES, {"apiVersion": CSINODES.api_version, "kind": "CSINode", **made})
            except AlreadyExists:
                await self._client.patch(CSINODES, self._node, body, view=Object)


def csi_drivers(registered: Any) -> list[dict[str, Any]]:
    """The drivers as CSINode lists them."""
    listed: list[dict[str, Any]] = []
    for one in sorted(registered, key=lambda driver: driver.announced.name):
        entry: dict[str, Any] = {
            "name": one.announced.name,
            "nodeID": one.info.node_id,
            "topologyKeys": sorted(one.info.topology),
        }
        if one.info.limit > 0:
            entry["allocatable"] = {"count": one.info.limit}
        listed.append(entry)
    return listed


def _problem(plugin: Announced) -> str:
    if plugin.type != "CSIPlugin":
        return f"no handler registered for plugin type: {plugin.type} at socket {plugin.endpoint}"
    if not any(version.lstrip("v").split(".")[0] == "1" for version in plugin.versions):
        versions = ", ".join(plugin.versions)
        return f"none of the CSI versions reported by this driver are supported: {versions}"
    return ""


def _sockets(folder: Path) -> Mapping[Path, float]:
    """Sockets directly in the folder and when they were made; hidden ones do not count."""
    found: dict[Path, float] = {}
    if not folder.is_dir():
        return found
    for path in folder.iterdir():
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue
        if stat.S_ISSOCK(status.st_mode) and not path.name.startswith("."):
            found[path] = status.st_ctime
    return found


async def _tell(socket: Path, problem: str) -> None:
    try:
        await notify(socket, problem=problem)
    except DriverFailed as error:
        log.info("plugin does not hear whether it is registered", socket=str(socket), error=str(error))
