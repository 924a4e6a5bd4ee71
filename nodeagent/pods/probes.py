"""Probes of a pod's containers: a pure count of outcomes, and one task for each probe that asks.

A probe's verdict outlives single outcomes: it changes after successThreshold or failureThreshold of a kind in a row.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from apimachinery.aio.tasks import TaskScope, cancel_and_wait
from nodeagent.pods.handlers import Handlers, Outcome, Target
from nodeagent.pods.view import Container, Probe

EARLY_TRIES = (0.1, 0.2, 0.4)
"""Seconds between the first looks at a readiness probe without an initial delay: a program that is up after a
moment need not wait a whole period. Early failures are not told and do not count; exec probes cost too much for it."""


class Kind(enum.Enum):
    STARTUP = "Startup"
    LIVENESS = "Liveness"
    READINESS = "Readiness"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`healthy` is None until a first verdict."""

    healthy: bool | None = None
    in_a_row: int = 0
    last: bool | None = None


def judge(verdict: Verdict, probe: Probe, succeeded: bool) -> Verdict:
    """The verdict after one more outcome."""
    in_a_row = verdict.in_a_row + 1 if verdict.last is succeeded else 1
    threshold = probe.success_threshold if succeeded else probe.failure_threshold
    healthy = succeeded if in_a_row >= threshold else verdict.healthy
    return Verdict(healthy, in_a_row, succeeded)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A probe came to another verdict."""

    kind: Kind
    container_id: str
    healthy: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A running container and how long ago it started, in seconds. `started`: its startup probe has passed."""

    target: Target
    age: float
    started: bool


class Probes:
    """The probe tasks of one pod. `changed` and `unhealthy` are called from them.

    `unhealthy(container name, message)` is told of each single failure, for events.
    """

    def __init__(
        self,
        scope: TaskScope,
        handlers: Handlers,
        changed: Callable[[Change], None],
        unhealthy: Callable[[str, str], None],
    ) -> None:
        self._scope = scope
        self._handlers = handlers
        self._changed = changed
        self._unhealthy = unhealthy
        self._tasks: dict[tuple[str, Kind], asyncio.Task[None]] = {}

    async def watch(self, running: Mapping[str, Watched]) -> None:
        """Probe exactly these containers, by id: start what is new, end what is gone."""
        wanted = {(cid, kind): (probe, watched) for cid, watched in running.items() for kind, probe in _due(watched)}
        ended = [self._tasks.pop(key) for key in list(self._tasks) if key not in wanted]
        for key, (probe, watched) in wanted.items():
            if key not in self._tasks:
                name = f"{key[1].value.lower()}-{watched.target.container.name}"
                self._tasks[key] = self._scope.spawn(name, self._ask(key[1], probe, watched))
        if ended:
            await cancel_and_wait(*ended)

    async def _ask(self, kind: Kind, probe: Probe, watched: Watched) -> None:
        verdict = Verdict()
        wait = probe.initial_delay_seconds - watched.age
        if wait > 0:
            await asyncio.sleep(wait)
        elif kind is Kind.READINESS and probe.exec is None and await self._early(probe, watched):
            verdict = judge(verdict, probe, True)
            self._tell(kind, watched, Verdict(), verdict)
            await asyncio.sleep(probe.period_seconds)
        while True:
            outcome = await self._handlers.run(probe, watched.target, float(probe.timeout_seconds))
            if not outcome.succeeded:
                self._report(kind, watched.target.container, outcome)
            if not outcome.errored:
                before, verdict = verdict, judge(verdict, probe, outcome.succeeded)
                self._tell(kind, watched, before, verdict)
                over = kind is Kind.STARTUP or (kind is Kind.LIVENESS and verdict.healthy is False)
                if over and verdict.healthy is not None:
                    return
            await asyncio.sleep(probe.period_seconds)

    async def _early(self, probe: Probe, watched: Watched) -> bool:
        for pause in EARLY_TRIES:
            if pause >= probe.period_seconds:
                break
            outcome = await self._handlers.run(probe, watched.target, float(probe.timeout_seconds))
            if outcome.succeeded:
                return True
            await asyncio.sleep(pause)
        return False

    def _tell(self, kind: Kind, watched: Watched, before: Verdict, after: Verdict) -> None:
        if after.healthy is not None and after.healthy is not before.healthy:
            self._changed(Change(kind=kind, container_id=watched.target.container_id, healthy=after.healthy))

    def _report(self, kind: Kind, container: Container, outcome: Outcome) -> None:
        verb = "errored" if outcome.errored else "failed"
        self._unhealthy(container.name, f"{kind.value} probe {verb}: {outcome.output}")


def _due(watched: Watched) -> Iterator[tuple[Kind, Probe]]:
    """The probes whose time it is: until the startup probe has passed, it alone."""
    container = watched.target.container
    if container.startup_probe is not None and not watched.started:
        yield Kind.STARTUP, container.startup_probe
        return
    if container.liveness_probe is not None:
        yield Kind.LIVENESS, container.liveness_probe
    if container.readiness_probe is not None:
        yield Kind.READINESS, container.readiness_probe
