"""Everything that a decision about one pod may look at, and the few questions it asks of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from nodeagent.cri.types import Container as Ran
from nodeagent.cri.types import Sandbox, State
from nodeagent.pods.operations import Operation
from nodeagent.pods.view import Container, Pod

ERR_IMAGE_PULL, IMAGE_PULL_BACKOFF = "ErrImagePull", "ImagePullBackOff"
EVICTED = "Evicted"
PULL_ERROR_SHOWN = 3.0
"""Seconds for which a failed pull shows as ErrImagePull before it shows as ImagePullBackOff."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A step that did not succeed: what the status shows, and when to try again (seconds since the epoch)."""

    reason: str
    message: str
    at: float
    retry_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the agent knows and containerd does not. All of it may be lost at a restart without harm."""

    prepared: bool = False
    torn_down: bool = False
    confirmed: bool = False
    failures: Mapping[str, Failure] = field(default_factory=dict[str, Failure])  # by container; "" is the pod itself
    ready: frozenset[str] = frozenset()  # ids of containers whose readiness probe succeeds
    started: frozenset[str] = frozenset()  # ids of containers whose startup probe succeeded
    unhealthy: Mapping[str, str] = field(default_factory=dict[str, str])  # id -> message of the Killing event
    hooking: frozenset[str] = frozenset()  # ids of containers whose postStart hook has not ended
    kill_grace: Mapping[str, float] = field(default_factory=dict[str, float])  # id -> a probe's own grace
    removed: bool = False  # the pod is no longer in the API, or was replaced by one of the same name
    evicted: Failure | None = None
    end_grace: float | None = None  # seconds that an evicted pod gets, where they are not its own


@dataclass(frozen=True, kw_only=True)
class Observed:
    """One moment of one pod."""

    pod: Pod
    sandboxes: tuple[Sandbox, ...] = ()
    containers: tuple[Ran, ...] = ()
    facts: Facts = Facts()
    in_flight: Mapping[str, Operation] = field(default_factory=dict[str, Operation])
    hashes: Mapping[str, str] = field(default_factory=dict[str, str])  # container -> hash of its definition
    now: float = 0.0

    @cached_property
    def newest_sandbox(self) -> Sandbox | None:
        return max(self.sandboxes, key=lambda s: (s.attempt, s.created_at), default=None)

    @cached_property
    def current_sandbox(self) -> Sandbox | None:
        """The sandbox that containers may run in: the newest, if it lives and has an address."""
        sandbox = self.newest_sandbox
        usable = sandbox is not None and sandbox.ready and (sandbox.ips or self.pod.spec.host_network)
        return sandbox if usable else None

    @cached_property
    def runs(self) -> Mapping[str, tuple[Ran, ...]]:
        """The containers made for each name, newest first."""
        by_name: dict[str, list[Ran]] = {}
        for ran in self.containers:
            by_name.setdefault(ran.name, []).append(ran)
        return {
            name: tuple(sorted(listed, key=lambda r: (r.attempt, r.created_at), reverse=True))
            for name, listed in by_name.items()
        }

    def newest(self, name: str) -> Ran | None:
        runs = self.runs.get(name)
        return runs[0] if runs else None

    def here(self, name: str) -> Ran | None:
        """The newest container of that name, if it belongs to the current sandbox."""
        ran, sandbox = self.newest(name), self.current_sandbox
        return ran if ran is not None and sandbox is not None and ran.sandbox_id == sandbox.id else None

    def running(self, name: str) -> Ran | None:
        ran = self.here(name)
        return ran if ran is not None and ran.state is State.RUNNING else None

    def has_started(self, container: Container, ran: Ran) -> bool:
        """Running, its postStart hook over and its startup probe passed."""
        if ran.state is not State.RUNNING or ran.id in self.facts.hooking:
            return False
        return container.startup_probe is None or ran.id in self.facts.started

    def is_ready(self, container: Container, ran: Ran) -> bool:
        if not self.has_started(container, ran):
            return False
        return container.readiness_probe is None or ran.id in self.facts.ready

    @cached_property
    def initialised(self) -> bool:
        """Init containers are over: an app container has been made in this sandbox, or each init has done its part."""
        if any(self.here(c.name) is not None for c in self.pod.spec.containers):
            return True
        return all(self.init_done(c) for c in self.pod.spec.init_containers)

    def init_done(self, container: Container) -> bool:
        """Ended well, or for a sidecar: started."""
        ran = self.here(container.name)
        if ran is None:
            return False
        if container.is_sidecar:
            return self.has_started(container, ran)
        return ran.state is State.EXITED and ran.exit_code == 0
