"""Tasks with a name, an owner and an end.

A plain TaskGroup waits for its children on leave; services loop for ever, so a scope cancels them instead.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

import structlog

from apimachinery.aio.backoff import Backoff

T = TypeVar("T")
log = structlog.get_logger(__name__)

HEALTHY_SPELL = 60.0
"""Seconds a supervised task must run before its next failure counts as the first again."""


@dataclass(slots=True)
class Health:
    """How a supervised task fares: `last_error` is empty while it runs well."""

    restarts: int = 0
    last_error: str = ""


class TaskScope:
    """Owns tasks for the length of an `async with`; on leave they are cancelled and awaited, newest first.

    A child that crashes cancels the body and its siblings, and its exception is raised on leave.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._owner: asyncio.Task[Any] | None = None
        self._crash: BaseException | None = None
        self._health: dict[str, Health] = {}
        self._closing = False

    async def __aenter__(self) -> Self:
        self._owner = asyncio.current_task()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._closing = True
        while self._tasks:
            for task in reversed(list(self._tasks)):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._crash is not None:
            if isinstance(error, asyncio.CancelledError) and self._owner is not None:
                # The cancellation was our own doing (see _reap): it must not look like one from outside.
                self._owner.uncancel()
            raise self._crash
        return False

    def spawn(self, name: str, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a task that ends with this scope."""
        if self._closing:
            work.close()
            raise RuntimeError(f"task scope {self.name} is closing")
        task = asyncio.get_running_loop().create_task(work, name=f"{self.name}/{name}")
        self._tasks[task] = None
        task.add_done_callback(self._reap)
        return task

    def supervise(
        self, name: str, work: Callable[[], Awaitable[None]], *, backoff: Backoff | None = None
    ) -> asyncio.Task[None]:
        """Run `work` for ever: when it fails or returns, wait and start it again. Failures show in `health()`."""
        health = self._health.setdefault(name, Health())
        return self.spawn(name, _supervised(f"{self.name}/{name}", work, backoff or Backoff(), health))

    def health(self) -> dict[str, Health]:
        """The state of each supervised task, by name."""
        return dict(self._health)

    def _reap(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)
        if task.cancelled():
            return
        crash = task.exception()
        if crash is None or self._crash is not None:
            return
        if self._closing:
            log.error("task failed while stopping", task=task.get_name(), error=repr(crash))
            return
        self._crash = crash
        if self._owner is not None:
            self._owner.cancel(f"task {task.get_name()} failed")


async def _supervised(name: str, work: Callable[[], Awaitable[None]], backoff: Backoff, health: Health) -> None:
    loop = asyncio.get_running_loop()
    while True:
        started = loop.time()
        try:
            await work()
            error = "ended"
            log.warning("supervised task ended; starting it again", task=name)
        except Exception as failure:
            error = f"{type(failure).__name__}: {failure}"
            log.warning("supervised task failed; starting it again", task=name, error=error, exc_info=failure)
        if loop.time() - started > HEALTHY_SPELL:
            backoff.reset()
        health.restarts += 1
        health.last_error = error
        await asyncio.sleep(backoff.next())
        health.last_error = ""


async def cancel_and_wait(*tasks: asyncio.Task[Any]) -> None:
    """Cancel these tasks and wait until each has ended; their errors are swallowed, ours is not."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def finished(work: Iterable[Awaitable[T]]) -> list[T]:
    """What all of it returns, in its order. The first failure is raised, but not before everything has ended."""
    outcomes = await asyncio.gather(*work, return_exceptions=True)
    found: list[T] = []
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
        found.append(outcome)
    return found
