"""Calls to a driver over its socket. The only module that knows grpc's errors from drivers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from nodeagent.volumes.csi.messages import csi, registration

CALL_SECONDS = 120.0
_QUICK = 15.0


class DriverFailed(Exception):
    """A driver refused a call, or did not answer; the text is that of upstream's events."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"rpc error: code = {code} desc = {message}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeInfo:
    """What a driver says of this machine. `limit` 0: no limit."""

    node_id: str
    limit: int = 0
    topology: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """A plugin as its registration socket describes it."""

    type: str
    name: str
    endpoint: str
    versions: tuple[str, ...]


class Driver:
    """The node service of one driver. All methods raise DriverFailed."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel

    async def info(self) -> NodeInfo:
        answer = await self._call("NodeGetInfo", csi["NodeGetInfoRequest"](), timeout=_QUICK)
        return NodeInfo(
            node_id=answer.node_id,
            limit=answer.max_volumes_per_node,
            topology=dict(answer.accessible_topology.segments),
        )

    async def capabilities(self) -> frozenset[int]:
        answer = await self._call("NodeGetCapabilities", csi["NodeGetCapabilitiesRequest"](), timeout=_QUICK)
        return frozenset(capability.rpc.type for capability in answer.capabilities)

    async def stage(self, **fields: Any) -> None:
        await self._call("NodeStageVolume", csi["NodeStageVolumeRequest"](**fields))

    async def unstage(self, volume_id: str, staging_target_path: str) -> None:
        request = csi["NodeUnstageVolumeRequest"](volume_id=volume_id, staging_target_path=staging_target_path)
        await self._call("NodeUnstageVolume", request)

    async def publish(self, **fields: Any) -> None:
        await self._call("NodePublishVolume", csi["NodePublishVolumeRequest"](**fields))

    async def unpublish(self, volume_id: str, target_path: str) -> None:
        request = csi["NodeUnpublishVolumeRequest"](volume_id=volume_id, target_path=target_path)
        await self._call("NodeUnpublishVolume", request)

    async def expand(self, **fields: Any) -> int:
        """The size in bytes that the volume has now; 0 where the driver does not say."""
        answer = await self._call("NodeExpandVolume", csi["NodeExpandVolumeRequest"](**fields))
        return answer.capacity_bytes

    async def _call(self, method: str, request: Any, *, timeout: float = CALL_SECONDS) -> Any:
        response = csi[type(request).DESCRIPTOR.name.replace("Request", "Response")]
        return await _call(self._channel, f"/csi.v1.Node/{method}", request, response, timeout)


@asynccontextmanager
async def connected(socket: str | Path) -> AsyncIterator[grpc.aio.Channel]:
    """A channel for a few calls: drivers come and go, and a volume is mounted rarely."""
    options = [("grpc.default_authority", "localhost")]
    channel = grpc.aio.insecure_channel(f"unix://{socket}", options=options)
    try:
        yield channel
    finally:
        await channel.close()


async def announced(socket: Path) -> Announced:
    """What listens at a registration socket. Raises DriverFailed."""
    async with connected(socket) as channel:
        method = "/pluginregistration.Registration/GetInfo"
        answer = await _call(channel, method, registration["InfoRequest"](), registration["PluginInfo"], _QUICK)
    return Announced(
        type=answer.type, name=answer.name, endpoint=answer.endpoint, versions=tuple(answer.supported_versions)
    )


async def notify(socket: Path, *, problem: str) -> None:
    """Tell a plugin whether it is registered. Raises DriverFailed."""
    status = registration["RegistrationStatus"](plugin_registered=not problem, error=problem)
    async with connected(socket) as channel:
        method = "/pluginregistration.Registration/NotifyRegistrationStatus"
        await _call(channel, method, status, registration["RegistrationStatusResponse"], _QUICK)


async def _call(channel: grpc.aio.Channel, method: str, request: Any, response: Any, timeout: float) -> Any:
    call: Any = channel.unary_unary(
        method, request_serializer=type(request).SerializeToString, response_deserializer=response.FromString
    )
    try:
        return await call(request, timeout=timeout)
    except grpc.aio.AioRpcError as error:
        code = "".join(word.title() for word in error.code().name.split("_"))
        raise DriverFailed(code, error.details() or "") from error
