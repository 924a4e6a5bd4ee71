"""What a worker remembers between looks: probe verdicts, failed steps, hooks that run. All of it may be lost."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from apimachinery.aio.backoff import Backoff
from nodeagent.cri.types import Container as Ran
from nodeagent.cri.types import State
from nodeagent.pods import restart
from nodeagent.pods.observed import ERR_IMAGE_PULL, Facts, Failure
from nodeagent.pods.probes import Change, Kind
from nodeagent.pods.view import Container, PodStatus

STEP_RETRY_SECONDS = 10.0
"""The longest wait before a failed step other than a pull is tried again."""


class Notes:
    """Keeps the facts about one pod that only the agent knows."""

    def __init__(self) -> None:
        self._facts = Facts()
        self._failures: dict[str, Failure] = {}
        self._backoffs: dict[str, Backoff] = {}

    @property
    def facts(self) -> Facts:
        """As they stand now."""
        return dataclasses.replace(self._facts, failures=dict(self._failures))

    @property
    def failures(self) -> Mapping[str, Failure]:
        """Failed steps by container; the empty name stands for the pod itself."""
        return self._failures

    def prepared(self) -> None:
        self._facts = dataclasses.replace(self._facts, prepared=True)

    def torn_down(self) -> None:
        self._facts = dataclasses.replace(self._facts, torn_down=True, prepared=False)

    def confirmed(self) -> None:
        self._facts = dataclasses.replace(self._facts, confirmed=True)

    def removed(self) -> None:
        self._facts = dataclasses.replace(self._facts, removed=True)

    def evicted(self, failure: Failure, grace: float | None = None) -> None:
        self._facts = dataclasses.replace(self._facts, evicted=failure, end_grace=grace)

    def hooking(self, container_id: str, running: bool) -> None:
        """A postStart hook has begun or ended."""
        others = self._facts.hooking - {container_id}
        self._facts = dataclasses.replace(self._facts, hooking=others | {container_id} if running else others)

    def seed(self, status: PodStatus, containers: Iterable[Ran]) -> None:
        """After a restart of the agent, what probes had found out holds until they say otherwise."""
        known = {s.container_id: s for s in (*status.container_statuses, *status.init_container_statuses)}
        running = (ran.id for ran in containers if ran.state is State.RUNNING)
        by_id = {cid: known[f"containerd://{cid}"] for cid in running if f"containerd://{cid}" in known}
        self._facts = dataclasses.replace(
            self._facts,
            ready=frozenset(cid for cid, s in by_id.items() if s.ready),
            started=frozenset(cid for cid, s in by_id.items() if s.started),
        )

    def judged(self, change: Change, container: Container) -> None:
        """A probe of a container came to another verdict."""
        cid, facts = change.container_id, self._facts
        if change.kind is Kind.READINESS:
            ready = facts.ready | {cid} if change.healthy else facts.ready - {cid}
            self._facts = dataclasses.replace(facts, ready=ready)
        elif not change.healthy:
            self._condemn(change, container)
        elif change.kind is Kind.STARTUP:
            self._facts = dataclasses.replace(facts, started=facts.started | {cid})

    def failed(self, name: str, reason: str, message: str, now: float) -> None:
        """A step for a container did not succeed: remember why, and when to try again."""
        wait = self.backoff(name, pull=reason == ERR_IMAGE_PULL).next()
        self._failures[name] = Failure(reason=reason, message=message, at=now, retry_at=now + wait)

    def succeeded(self, name: str) -> None:
        self._failures.pop(name, None)
        self._backoffs.pop(name, None)

    def backoff(self, key: str, *, pull: bool = False) -> Backoff:
        """How long to wait after failures; pulls wait as upstream's, other steps never long."""
        longest = restart.MAXIMUM if pull else STEP_RETRY_SECONDS
        known = self._backoffs.get(key)
        if known is None or known.maximum != longest:
            known = Backoff(initial=restart.INITIAL if pull else 1.0, maximum=longest, jitter=0.1)
            self._backoffs[key] = known
        return known

    def forget_backoff(self, key: str) -> None:
        self._backoffs.pop(key, None)

    def _condemn(self, change: Change, container: Container) -> None:
        startup = change.kind is Kind.STARTUP
        probe = container.startup_probe if startup else container.liveness_probe
        graces = dict(self._facts.kill_grace)
        if probe is not None and probe.termination_grace_period_seconds is not None:
            graces[change.container_id] = float(probe.termination_grace_period_seconds)
        message = f"Container {container.name} failed {change.kind.value.lower()} probe, will be restarted"
        unhealthy = {**self._facts.unhealthy, change.container_id: message}
        self._facts = dataclasses.replace(self._facts, unhealthy=unhealthy, kill_grace=graces)
