"""The runtime protocol over containerd's socket. The only module that knows grpc's errors from containerd."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio
from cri_api.v1 import api_pb2 as pb
from cri_api.v1 import api_pb2_grpc

from nodeagent.cri import envelope, errors, wire
from nodeagent.cri.runtime import TaskEvent
from nodeagent.cri.types import (
    LABEL_POD_UID,
    Container,
    ContainerSpec,
    ExecResult,
    Image,
    RegistryAuth,
    RuntimeInfo,
    Sandbox,
    SandboxSpec,
    Usage,
)

_QUICK = 30.0
"""Seconds for calls that only look."""
_SLOW = 240.0
"""Seconds for a sandbox or a container: CNI plugins and slow disks are in it. kubelet gives 4 minutes, too."""
_PULL = 3600.0

_CODES = {
    grpc.StatusCode.NOT_FOUND: errors.NotFound,
    grpc.StatusCode.ALREADY_EXISTS: errors.AlreadyExists,
    grpc.StatusCode.UNAVAILABLE: errors.RuntimeUnreachable,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.DeadlineExceeded,
}


class Containerd:
    """A client of one containerd; use as an async context manager. Implements nodeagent.cri.runtime.Runtime."""

    def __init__(self, socket: str) -> None:
        self.socket = socket
        self._channel = grpc.aio.insecure_channel(
            f"unix://{socket}",
            options=[
                ("grpc.max_receive_message_length", 16 * 1024 * 1024),
                # containerd answers 'localhost' only; a path as authority is refused by newer servers.
                ("grpc.default_authority", "localhost"),
                ("grpc.max_reconnect_backoff_ms", 2000),
            ],
        )
        self._pods: Any = api_pb2_grpc.RuntimeServiceStub(self._channel)
        self._images: Any = api_pb2_grpc.ImageServiceStub(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._channel.close()

    async def info(self) -> RuntimeInfo:
        version = await self._call(self._pods.Version, pb.VersionRequest())
        status = await self._call(self._pods.Status, pb.StatusRequest())
        conditions = {condition.type: condition for condition in status.status.conditions}
        unmet = [c.message or c.reason for c in conditions.values() if not c.status]
        return RuntimeInfo(
            name=version.runtime_name,
            version=version.runtime_version,
            ready="RuntimeReady" in conditions and conditions["RuntimeReady"].status,
            network_ready="NetworkReady" in conditions and conditions["NetworkReady"].status,
            message="; ".join(unmet),
            recursive_read_only=any(
                handler.features.recursive_read_only_mounts for handler in status.runtime_handlers if not handler.name
            ),
        )

    async def sandboxes(self, uid: str = "") -> list[Sandbox]:
        request = pb.ListPodSandboxRequest()
        if uid:
            request.filter.label_selector[LABEL_POD_UID] = uid
        answer = await self._call(self._pods.ListPodSandbox, request)
        return [wire.sandbox_from(item) for item in answer.items]

    async def containers(self, uid: str = "") -> list[Container]:
        request = pb.ListContainersRequest()
        if uid:
            request.filter.label_selector[LABEL_POD_UID] = uid
        answer = await self._call(self._pods.ListContainers, request)
        return [wire.listed_container(item) for item in answer.containers]

    async def sandbox(self, sandbox_id: str) -> Sandbox:
        answer = await self._call(self._pods.PodSandboxStatus, pb.PodSandboxStatusRequest(pod_sandbox_id=sandbox_id))
        return wire.sandbox_from(answer.status)

    async def container(self, container_id: str) -> Container:
        answer = await self._call(self._pods.ContainerStatus, pb.ContainerStatusRequest(container_id=container_id))
        return wire.detailed_container(answer.status)

    async def run_sandbox(self, spec: SandboxSpec) -> str:
        request = pb.RunPodSandboxRequest(config=wire.sandbox_config(spec), runtime_handler=spec.runtime_handler)
        return (await self._call(self._pods.RunPodSandbox, request, timeout=_SLOW)).pod_sandbox_id

    async def stop_sandbox(self, sandbox_id: str) -> None:
        await self._call(self._pods.StopPodSandbox, pb.StopPodSandboxRequest(pod_sandbox_id=sandbox_id), timeout=_SLOW)

    async def remove_sandbox(self, sandbox_id: str) -> None:
        request = pb.RemovePodSandboxRequest(pod_sandbox_id=sandbox_id)
        await self._call(self._pods.RemovePodSandbox, request, timeout=_SLOW)

    async def create_container(self, sandbox_id: str, spec: ContainerSpec, sandbox: SandboxSpec) -> str:
        request = pb.CreateContainerRequest(
            pod_sandbox_id=sandbox_id,
            config=wire.container_config(spec, sandbox),
            sandbox_config=wire.sandbox_config(sandbox),
        )
        return (await self._call(self._pods.CreateContainer, request, timeout=_SLOW)).container_id

    async def start_container(self, container_id: str) -> None:
        request = pb.StartContainerRequest(container_id=container_id)
        await self._call(self._pods.StartContainer, request, timeout=_SLOW)

    async def stop_container(self, container_id: str, grace: float) -> None:
        request = pb.StopContainerRequest(container_id=container_id, timeout=max(0, round(grace)))
        await self._call(self._pods.StopContainer, request, timeout=grace + _SLOW)

    async def remove_container(self, container_id: str) -> None:
        await self._call(self._pods.RemoveContainer, pb.RemoveContainerRequest(container_id=container_id))

    async def reopen_log(self, container_id: str) -> None:
        await self._call(self._pods.ReopenContainerLog, pb.ReopenContainerLogRequest(container_id=container_id))

    async def exec_sync(self, container_id: str, command: Sequence[str], timeout: float) -> ExecResult:
        request = pb.ExecSyncRequest(container_id=container_id, cmd=command, timeout=max(1, round(timeout)))
        answer = await self._call(self._pods.ExecSync, request, timeout=timeout + _QUICK)
        return ExecResult(exit_code=answer.exit_code, stdout=answer.stdout, stderr=answer.stderr)

    async def exec_url(
        self, container_id: str, command: Sequence[str], *, stdin: bool, stdout: bool, stderr: bool, tty: bool
    ) -> str:
        request = pb.ExecRequest(
            container_id=container_id, cmd=command, stdin=stdin, stdout=stdout, stderr=stderr and not tty, tty=tty
        )
        return (await self._call(self._pods.Exec, request)).url

    async def attach_url(self, container_id: str, *, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> str:
        request = pb.AttachRequest(
            container_id=container_id, stdin=stdin, stdout=stdout, stderr=stderr and not tty, tty=tty
        )
        return (await self._call(self._pods.Attach, request)).url

    async def port_forward_url(self, sandbox_id: str) -> str:
        return (await self._call(self._pods.PortForward, pb.PortForwardRequest(pod_sandbox_id=sandbox_id))).url

    async def image(self, reference: str) -> Image | None:
        request = pb.ImageStatusRequest(image=pb.ImageSpec(image=reference))
        answer = await self._call(self._images.ImageStatus, request)
        return wire.image_from(answer.image) if answer.HasField("image") else None

    async def images(self) -> list[Image]:
        answer = await self._call(self._images.ListImages, pb.ListImagesRequest())
        return [wire.image_from(item) for item in answer.images]

    async def pull(self, reference: str, auth: RegistryAuth | None = None) -> str:
        request = pb.PullImageRequest(image=pb.ImageSpec(image=reference))
        if auth is not None:
            request.auth.CopyFrom(
                pb.AuthConfig(
                    username=auth.username,
                    password=auth.password,
                    auth=auth.auth,
                    server_address=auth.server,
                    identity_token=auth.identity_token,
                )
            )
        try:
            return (await self._call(self._images.PullImage, request, timeout=_PULL)).image_ref
        except errors.RuntimeUnreachable:
            raise
        except errors.RuntimeFailure as error:
            raise errors.ImageRefused(error.message, error.code) from error

    async def remove_image(self, reference: str) -> None:
        await self._call(self._images.RemoveImage, pb.RemoveImageRequest(image=pb.ImageSpec(image=reference)))

    async def image_bytes(self) -> tuple[str, int]:
        answer = await self._call(self._images.ImageFsInfo, pb.ImageFsInfoRequest())
        for filesystem in answer.image_filesystems:
            return filesystem.fs_id.mountpoint, filesystem.used_bytes.value
        return "", 0

    async def usages(self) -> list[Usage]:
        answer = await self._call(self._pods.ListContainerStats, pb.ListContainerStatsRequest())
        return [wire.usage_from(item) for item in answer.stats]

    async def events(self) -> AsyncIterator[TaskEvent]:
        subscribe: Any = self._channel.unary_stream(
            envelope.METHOD,
            request_serializer=envelope.subscription,
            response_deserializer=envelope.task_event,
        )
        stream = subscribe(envelope.TOPICS)
        try:
            async for event in stream:
                if event is not None:
                    yield event
        except grpc.aio.AioRpcError as error:
            raise _translated(error) from error
        finally:
            stream.cancel()

    async def _call(self, method: Any, request: Any, *, timeout: float = _QUICK) -> Any:
        try:
            return await method(request, timeout=timeout)
        except grpc.aio.AioRpcError as error:
            raise _translated(error) from error


def _translated(error: grpc.aio.AioRpcError) -> errors.RuntimeFailure:
    code = error.code()
    kind = _CODES.get(code, errors.RuntimeFailure)
    name = "".join(part.capitalize() for part in code.name.split("_"))
    return kind(error.details() or code.name, name)
