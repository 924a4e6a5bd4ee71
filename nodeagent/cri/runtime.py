"""The runtime as the rest of the agent sees it: a protocol, so that decisions can be run against a small double."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from nodeagent.cri.types import (
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEvent:
    """A container's main process ended, or the kernel killed for memory. `container_id` may be a sandbox's."""

    container_id: str
    topic: str


class Runtime(Protocol):
    """Every method raises errors of nodeagent.cri.errors and nothing else."""

    async def info(self) -> RuntimeInfo: ...

    async def sandboxes(self, uid: str = "") -> list[Sandbox]:
        """Sandboxes of one pod, or all; without addresses."""
        ...

    async def containers(self, uid: str = "") -> list[Container]:
        """Containers of one pod, or all; only what a listing knows (no exit codes)."""
        ...

    async def sandbox(self, sandbox_id: str) -> Sandbox:
        """One sandbox with its addresses."""
        ...

    async def container(self, container_id: str) -> Container:
        """One container with everything known about it."""
        ...

    async def run_sandbox(self, spec: SandboxSpec) -> str:
        """Create and start a sandbox, network included; its id."""
        ...

    async def stop_sandbox(self, sandbox_id: str) -> None: ...

    async def remove_sandbox(self, sandbox_id: str) -> None: ...

    async def create_container(self, sandbox_id: str, spec: ContainerSpec, sandbox: SandboxSpec) -> str: ...

    async def start_container(self, container_id: str) -> None: ...

    async def stop_container(self, container_id: str, grace: float) -> None:
        """Send the stop signal, wait `grace` seconds, kill; returns when it has exited."""
        ...

    async def remove_container(self, container_id: str) -> None: ...

    async def reopen_log(self, container_id: str) -> None: ...

    async def exec_sync(self, container_id: str, command: Sequence[str], timeout: float) -> ExecResult: ...

    async def exec_url(
        self, container_id: str, command: Sequence[str], *, stdin: bool, stdout: bool, stderr: bool, tty: bool
    ) -> str: ...

    async def attach_url(self, container_id: str, *, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> str: ...

    async def port_forward_url(self, sandbox_id: str) -> str: ...

    async def image(self, reference: str) -> Image | None: ...

    async def images(self) -> list[Image]: ...

    async def pull(self, reference: str, auth: RegistryAuth | None = None) -> str:
        """Fetch an image; its id. Raises ImageRefused."""
        ...

    async def remove_image(self, reference: str) -> None: ...

    async def image_bytes(self) -> tuple[str, int]:
        """Where images lie and how many bytes they take."""
        ...

    async def usages(self) -> list[Usage]:
        """CPU, memory and writable layer of each container."""
        ...

    def events(self) -> AsyncIterator[TaskEvent]:
        """Ends of processes, as they happen; fails when containerd goes away."""
        ...
