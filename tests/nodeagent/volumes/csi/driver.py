"""A storage driver for tests: its volumes are folders, mounted by bind, its calls remembered."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from nodeagent.volumes.csi.messages import EXPAND_VOLUME, STAGE_UNSTAGE_VOLUME, csi, registration

NAME = "folders.csi.example"


@dataclass
class FolderDriver:
    """`disks` holds a folder for each volume. `refuses`: calls that fail, and with which text."""

    root: Path
    capabilities: tuple[int, ...] = (STAGE_UNSTAGE_VOLUME, EXPAND_VOLUME)
    versions: tuple[str, ...] = ("1.0.0",)
    kind: str = "CSIPlugin"
    calls: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    refuses: dict[str, str] = field(default_factory=dict[str, str])
    notified: list[tuple[bool, str]] = field(default_factory=list[tuple[bool, str]])

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    def last(self, name: str) -> Any:
        return next(request for called, request in reversed(self.calls) if called == name)

    async def answer(self, name: str, request: Any) -> Any:
        self.calls.append((name, request))
        match name:
            case "NodeGetInfo":
                zone = {"topology.folders.csi.example/zone": "attic"}
                return csi["NodeGetInfoResponse"](
                    node_id="folders-m1", max_volumes_per_node=7, accessible_topology={"segments": zone}
                )
            case "NodeGetCapabilities":
                listed = [{"rpc": {"type": number}} for number in self.capabilities]
                return csi["NodeGetCapabilitiesResponse"](capabilities=listed)
            case "NodeStageVolume":
                disk = self.root / "disks" / request.volume_id
                await self._mount(disk, Path(request.staging_target_path))
            case "NodePublishVolume":
                source = request.staging_target_path or str(self.root / "disks" / request.volume_id)
                await self._mount(Path(source), Path(request.target_path))
            case "NodeUnstageVolume":
                await run("umount", request.staging_target_path)
            case "NodeUnpublishVolume":
                await run("umount", request.target_path)
                await run("rmdir", request.target_path)
            case "NodeExpandVolume":
                return csi["NodeExpandVolumeResponse"](capacity_bytes=request.capacity_range.required_bytes)
            case _:
                raise AssertionError(name)
        return csi[f"{name}Response"]()

    async def _mount(self, source: Path, target: Path) -> None:
        await asyncio.to_thread(bind, source, target)


def bind(source: Path, target: Path) -> None:
    source.mkdir(parents=True, exist_ok=True)
    target.mkdir(exist_ok=True)
    if str(target) not in Path("/proc/self/mountinfo").read_text():
        subprocess.run(["mount", "--bind", str(source), str(target)], check=True, capture_output=True)


async def run(*words: str) -> None:
    await asyncio.to_thread(subprocess.run, words, check=True, capture_output=True)


@asynccontextmanager
async def serving(driver: FolderDriver, registry: Path) -> AsyncIterator[FolderDriver]:
    """Listen as a driver does with its registrar: one socket for calls, one to be found by."""
    for folder in (driver.root, registry):
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    endpoint, found = driver.root / "csi.sock", registry / f"{NAME}-reg.sock"
    calls, registrar = grpc.aio.server(), grpc.aio.server()
    calls.add_generic_rpc_handlers((_node_service(driver),))
    registrar.add_generic_rpc_handlers((_registration_service(driver, endpoint),))
    calls.add_insecure_port(f"unix://{endpoint}")
    registrar.add_insecure_port(f"unix://{found}")
    await calls.start()
    await registrar.start()
    try:
        yield driver
    finally:
        await registrar.stop(0)
        await calls.stop(0)
        found.unlink(missing_ok=True)
        endpoint.unlink(missing_ok=True)


def _node_service(driver: FolderDriver) -> Any:
    def handler(name: str) -> Any:
        async def answer(request: Any, context: Any) -> Any:
            if name in driver.refuses:
                await context.abort(grpc.StatusCode.INTERNAL, driver.refuses[name])
            return await driver.answer(name, request)

        request = csi[f"{name}Request"]
        return grpc.unary_unary_rpc_method_handler(
            answer, request_deserializer=request.FromString, response_serializer=lambda m: m.SerializeToString()
        )

    names = [name.removesuffix("Request") for name in csi if name.startswith("Node") and name.endswith("Request")]
    return grpc.method_handlers_generic_handler("csi.v1.Node", {name: handler(name) for name in names})


def _registration_service(driver: FolderDriver, endpoint: Path) -> Any:
    async def info(_request: Any, _context: Any) -> Any:
        return registration["PluginInfo"](
            type=driver.kind, name=NAME, endpoint=str(endpoint), supported_versions=driver.versions
        )

    async def notified(request: Any, _context: Any) -> Any:
        driver.notified.append((request.plugin_registered, request.error))
        return registration["RegistrationStatusResponse"]()

    handlers = {
        name: grpc.unary_unary_rpc_method_handler(
            answer,
            request_deserializer=registration[kind].FromString,
            response_serializer=lambda m: m.SerializeToString(),
        )
        for name, kind, answer in (
            ("GetInfo", "InfoRequest", info),
            ("NotifyRegistrationStatus", "RegistrationStatus", notified),
        )
    }
    return grpc.method_handlers_generic_handler("pluginregistration.Registration", handlers)
