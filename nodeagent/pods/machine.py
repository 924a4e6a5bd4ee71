"""What all pods of this machine share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from apimachinery.aio.clock import Clock
from apimachinery.client.client import Client
from nodeagent.config import AgentConfig
from nodeagent.cri.runtime import Runtime
from nodeagent.cri.types import Dns
from nodeagent.pods.cgroups import Cgroups
from nodeagent.pods.claims import Claims
from nodeagent.pods.drivers import DriverVolumes
from nodeagent.pods.handlers import Handlers
from nodeagent.pods.images import Images
from nodeagent.pods.recorder import Recorder
from nodeagent.pods.references import References
from nodeagent.pods.tokens import Tokens
from nodeagent.pods.view import Pod
from nodeagent.volumes.keeper import FolderKeeper


@dataclass(frozen=True, kw_only=True)
class Machine:
    """`services` gives the service variables for a pod; `dns` the machine's own resolver settings.

    `refusal` says why a pod that is new here may not start now, if it may not.
    `isolate` returns once a pod that just got this address is shut off as the network policies ask, `withdrawn` once
    no Service leads to the address of an ending pod, which has so many seconds.
    """

    config: AgentConfig
    client: Client
    runtime: Runtime
    recorder: Recorder
    references: References
    tokens: Tokens
    claims: Claims
    keeper: FolderKeeper
    drivers: DriverVolumes
    cgroups: Cgroups
    images: Images
    handlers: Handlers
    clock: Clock
    host_ips: tuple[str, ...]
    allocatable: Mapping[str, str | int | float]
    memory_capacity: int
    services: Callable[[Pod], Mapping[str, str]]
    dns: Callable[[], Dns]
    refusal: Callable[[Pod], str]
    isolate: Callable[[Pod, str], Awaitable[None]]
    withdrawn: Callable[[str, float], Awaitable[None]]

    def now(self) -> float:
        return self.clock.now().timestamp()

    def pod_folder(self, uid: str) -> Path:
        return Path(self.config.pod_dir) / uid
