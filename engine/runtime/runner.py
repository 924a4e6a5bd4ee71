"""Runs one controller: a queue of keys; for each observe, plan, apply.

A key is never worked on twice at once, and not before the caches show its own last writes. What fails comes back
after a growing wait. One key's trouble never holds up another.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import structlog

from apimachinery.aio.clock import Clock
from apimachinery.aio.tasks import TaskScope
from apimachinery.aio.workqueue import WorkQueue
from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import StatusError
from apimachinery.objects.meta import Object
from apimachinery.objects.resources import Resource
from engine.controllers.actions import Failure
from engine.controllers.controller import Controller, Moment, Watch
from engine.runtime.applying import Applier
from engine.runtime.caches import Caches
from engine.runtime.expectations import PATIENCE, Expectations

log = structlog.get_logger(__name__)

WORKERS = 16


class Runner:
    """`settle` seconds pass between a change and the work on its key: changes that come together are one."""

    def __init__(
        self,
        controller: Controller[Any],
        caches: Caches,
        applier: Applier,
        clock: Clock,
        *,
        settle: float = 0.0,
        workers: int = WORKERS,
    ) -> None:
        self.controller = controller
        self._caches = caches
        self._applier = applier
        self._clock = clock
        self._settle = settle
        self._workers = workers
        self._queue: WorkQueue[str] = WorkQueue(max_delay=60.0)
        self._expectations = Expectations(caches)
        self._failures: dict[str, Failure] = {}
        self._watched: set[Resource] = set()
        for watch in controller.watches:
            self.watch(watch)

    @property
    def idle(self) -> bool:
        """No key waits or is being worked on."""
        return self._queue.idle

    async def run(self) -> None:
        """Work for ever, from when the caches are filled."""
        await self._caches.synced([watch.source.resource for watch in self.controller.watches])
        log.info("controller started", controller=self.controller.name)
        async with TaskScope(self.controller.name) as scope:
            tasks = [scope.spawn(f"worker-{number}", self._work()) for number in range(self._workers)]
            for task in tasks:
                await task

    def add(self, key: str) -> None:
        self._queue.add(key)

    def watch(self, watch: Watch[Any]) -> None:
        """Follow a kind; besides those that the controller names, kinds found later."""
        self._watched.add(watch.source.resource)
        self._caches.follow(watch.source, partial(self._changed, watch.source.resource, watch.keys))

    def _changed(
        self, resource: Resource, keys: Callable[[Any, Caches], Any], old: Object | None, new: Object | None
    ) -> None:
        for obj in (old, new):
            if obj is None:
                continue
            for key in keys(obj, self._caches):
                self._queue.add_after(key, self._settle)
        latest = new if new is not None else old
        if latest is not None:
            for key in self._expectations.woken(resource, latest):
                self._queue.add(key)

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            try:
                await self.turn(key)
            except (StatusError, ConnectionFailed) as error:
                log.info("observation failed; trying again", controller=self.controller.name, key=key, error=str(error))
                self._queue.add_rate_limited(key)
            except Exception:
                # One key that breaks a plan must not stop the others: this is the supervised edge.
                log.exception("controller failed on a key", controller=self.controller.name, key=key)
                self._queue.add_rate_limited(key)
            finally:
                self._queue.done(key)

    async def turn(self, key: str) -> None:
        """Work on one key, once."""
        steady = self._clock.monotonic()
        if not self._expectations.settled(key, steady):
            self._queue.add_after(key, PATIENCE + 0.1)
            return
        moment = Moment(now=self._clock.now(), steady=steady, failure=self._failures.get(key))
        observed = await self.controller.observe(key, self._caches, moment)
        if observed is None:
            self._done(key)
            return
        actions = self.controller.plan(observed)
        if not actions:
            self._done(key)
            return
        outcome = await self._applier.apply(actions)
        # What the controller does not read cannot mislead it.
        read_back = [write for write in outcome.written if write.resource in self._watched]
        self._expectations.expect(key, read_back, self._clock.monotonic())
        if outcome.failure is not None:
            self._failures[key] = outcome.failure
        if outcome.again:
            self._queue.add_rate_limited(key)
        else:
            self._done(key)
        if outcome.requeue_after is not None:
            self._queue.add_after(key, outcome.requeue_after)

    def _done(self, key: str) -> None:
        self._queue.forget(key)
        self._failures.pop(key, None)
