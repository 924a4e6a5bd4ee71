"""What containerd has of one pod, kept up to date with few questions."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable
from typing import TypeVar

from nodeagent.cri.errors import NotFound
from nodeagent.cri.runtime import Runtime
from nodeagent.cri.types import Container as Ran
from nodeagent.cri.types import Sandbox

T = TypeVar("T")


class Look:
    """Sandboxes and containers of a pod as last seen, by id."""

    def __init__(self, runtime: Runtime, uid: str) -> None:
        self._runtime = runtime
        self._uid = uid
        self.sandboxes: dict[str, Sandbox] = {}
        self.containers: dict[str, Ran] = {}

    async def again(self) -> None:
        """Look; details are asked for only where a state has changed. Raises RuntimeFailure."""
        listed_sandboxes, listed = await asyncio.gather(
            self._runtime.sandboxes(self._uid), self._runtime.containers(self._uid)
        )
        sandboxes = {sandbox.id: await self._sandbox(sandbox) for sandbox in listed_sandboxes}
        containers = {ran.id: await self._container(ran) for ran in listed}
        self.sandboxes, self.containers = sandboxes, containers

    def ips(self) -> tuple[str, ...]:
        """The addresses of the newest sandbox."""
        newest = max(self.sandboxes.values(), key=lambda s: s.attempt, default=None)
        return newest.ips if newest is not None else ()

    async def _sandbox(self, listed: Sandbox) -> Sandbox:
        known = self.sandboxes.get(listed.id)
        if known is not None and (known.ips or not listed.ready):
            return dataclasses.replace(listed, ips=known.ips)
        return await _detail(self._runtime.sandbox(listed.id), listed) if listed.ready else listed

    async def _container(self, listed: Ran) -> Ran:
        known = self.containers.get(listed.id)
        if known is not None and known.state is listed.state:
            return known
        full = await _detail(self._runtime.container(listed.id), listed)
        return dataclasses.replace(full, sandbox_id=listed.sandbox_id)


async def _detail(call: Awaitable[T], listed: T) -> T:
    """A detailed answer, or what the listing said when the thing vanished in between."""
    try:
        return await call
    except NotFound:
        return listed
