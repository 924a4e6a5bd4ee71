"""Runs the scheduler: what changes in, decisions carried out."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from apimachinery.aio.clock import Clock
from apimachinery.aio.tasks import TaskScope
from apimachinery.client.client import Client
from apimachinery.client.informer import Informer
from apimachinery.objects.meta import key
from engine.controllers.actions import About, Note
from engine.runtime.events import Recorder
from engine.runtime.schedulerwrites import Evicted, NotBound, SchedulerWrites
from engine.runtime.sharing import Pool
from engine.runtime.volumebinding import VolumeWriter
from engine.scheduler.configuration import DEFAULTS, SchedulerConfig
from engine.scheduler.scheduler import Bind, Decision, Evict, Scheduler, Wait
from engine.scheduler.views import (
    BUDGETS,
    CLAIMS,
    CSINODES,
    NAMESPACES,
    NODES,
    PODS,
    REPLICASETS,
    REPLICATIONCONTROLLERS,
    SERVICES,
    STATEFULSETS,
    STORAGECLASSES,
    VOLUMES,
    Budget,
    Claim,
    CsiNode,
    Namespace,
    Node,
    Owner,
    PersistentVolume,
    Pod,
    Service,
    StorageClass,
)

log = structlog.get_logger(__name__)

UNDER_WAY = 512
"""Decisions being carried out before no further pods are placed."""


async def run_scheduler(client: Client, clock: Clock, config: SchedulerConfig = DEFAULTS) -> None:
    """Schedule until cancelled. The API may come and go meanwhile."""
    recorder = Recorder(client, clock)
    scheduling = Scheduling(client, clock, recorder, config)
    async with TaskScope("scheduler") as scope:
        for informer in scheduling.informers:
            scope.supervise(f"informer/{informer.resource.qualified}", informer.run)
        scope.supervise("events", recorder.run)
        await scope.supervise("place", scheduling.run)


class Scheduling:
    def __init__(self, client: Client, clock: Clock, recorder: Recorder, config: SchedulerConfig) -> None:
        self._clock = clock
        self._recorder = recorder
        self._core = Scheduler(config)
        self._writes = SchedulerWrites(client, clock)
        self._volumes = VolumeWriter(client, self._core.storage)
        self._changed = asyncio.Event()
        self._slots = asyncio.Semaphore(UNDER_WAY)
        self._pods = Informer(client, PODS, view=Pod, refine=Pool().shared)
        self._pods.on_change(self._timed(self._core.pod_changed))
        self.informers: Sequence[Informer[Any]] = (self._pods, *self._others(client))

    def _others(self, client: Client) -> list[Informer[Any]]:
        core, owners, timed = self._core, self._core.owners, self._timed
        nodes = Informer(client, NODES, view=Node)
        nodes.on_change(timed(core.machine_changed))
        namespaces = Informer(client, NAMESPACES, view=Namespace)
        namespaces.on_change(timed(core.namespace_changed))
        services = Informer(client, SERVICES, view=Service)
        services.on_change(owners.service_changed)
        controllers = Informer(client, REPLICATIONCONTROLLERS, view=Service)
        controllers.on_change(owners.controller_changed)
        replica_sets = Informer(client, REPLICASETS, view=Owner)
        replica_sets.on_change(lambda old, new: owners.set_changed("ReplicaSet", old, new))
        stateful_sets = Informer(client, STATEFULSETS, view=Owner)
        stateful_sets.on_change(lambda old, new: owners.set_changed("StatefulSet", old, new))
        budgets = Informer(client, BUDGETS, view=Budget)
        budgets.on_change(core.budget_changed)
        claims = Informer(client, CLAIMS, view=Claim)
        claims.on_change(timed(core.claim_changed))
        claims.on_change(lambda _old, _new: self._volumes.look_again())
        volumes = Informer(client, VOLUMES, view=PersistentVolume)
        volumes.on_change(timed(core.volume_changed))
        classes = Informer(client, STORAGECLASSES, view=StorageClass)
        classes.on_change(timed(core.class_changed))
        csi_nodes = Informer(client, CSINODES, view=CsiNode)
        csi_nodes.on_change(timed(core.csi_node_changed))
        return [
            nodes, namespaces, services, controllers, replica_sets, stateful_sets,
            budgets, claims, volumes, classes, csi_nodes,
        ]  # fmt: skip

    def _timed(self, handler: Callable[[Any, Any, float], None]) -> Callable[[Any, Any], None]:
        """The core is told when a change came; afterwards somebody may have to be placed."""

        def changed(old: object, new: object) -> None:
            handler(old, new, self._clock.monotonic())
            self._changed.set()

        return changed

    async def run(self) -> None:
        """Place what waits, for ever."""
        await asyncio.gather(*(informer.synced.wait() for informer in self.informers))
        log.info("scheduler started")
        async with TaskScope("decisions") as scope:
            while True:
                self._changed.clear()
                for decisions in self._core.decide(self._clock.monotonic()):
                    for decision in decisions:
                        await self._slots.acquire()
                        scope.spawn(f"{type(decision).__name__}/{key(decision.pod)}", self._carry_out(decision))
                    await asyncio.sleep(0)
                if not len(self._core.queue):
                    await self._wait_for_work()

    async def _wait_for_work(self) -> None:
        now = self._clock.monotonic()
        due = self._core.queue.tick(now)
        if len(self._core.queue):
            return
        try:
            async with asyncio.timeout(max(0.0, due - now) if due is not None else None):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _carry_out(self, decision: Decision) -> None:
        try:
            match decision:
                case Bind():
                    await self._bind(decision)
                case Wait():
                    self._record(decision, "FailedScheduling", decision.message)
                    await self._writes.explain(decision.pod, decision.message, decision.nominated)
                case Evict():
                    await self._evict(decision)
        finally:
            self._slots.release()

    async def _bind(self, bind: Bind) -> None:
        pod, placement = bind.pod, bind.placement
        try:
            if not placement.volumes.empty:
                async with asyncio.timeout(bind.profile.bind_timeout):
                    await self._volumes.write(placement.volumes, placement.machine)
            await self._writes.bind(pod, placement.machine)
        except (NotBound, TimeoutError) as error:
            await self._not_bound(bind, error)
            return
        self._core.bound(bind)
        text = f"Successfully assigned {key(pod)} to {placement.machine}"
        about = About.of(PODS, pod)
        self._recorder.record(bind.profile.name, Note(about=about, reason="Scheduled", message=text))

    async def _not_bound(self, bind: Bind, error: Exception) -> None:
        pod = bind.pod
        current = self._pods.get(key(pod))
        if current is not None and current.metadata.uid != pod.metadata.uid:
            current = None
        self._core.not_bound(bind, current, self._clock.monotonic())
        self._changed.set()
        if isinstance(error, NotBound) and not error.worth_telling:
            return
        message = str(error) or 'running PreBind plugin "VolumeBinding": binding volumes: context deadline exceeded'
        log.warning("binding failed; trying again", pod=key(pod), node=bind.placement.machine, error=message)
        self._record(bind, "FailedScheduling", message)
        await self._writes.explain(pod, message, None, reason="SchedulerError")

    async def _evict(self, evict: Evict) -> None:
        preemption, pod = evict.preemption, evict.pod
        for one in preemption.displaced:
            await self._writes.no_longer_nominated(one)
        outcomes = await asyncio.gather(
            *(self._writes.evict(victim, evict.profile.name) for victim in preemption.victims)
        )
        for victim, outcome in zip(preemption.victims, outcomes, strict=True):
            if outcome is Evicted.YES:
                text = f"Preempted by pod {pod.metadata.uid} on node {preemption.machine}"
                about = About(
                    api_version="v1", kind="Pod", namespace=victim.namespace, name=victim.name, uid=victim.uid
                )
                self._recorder.record(evict.profile.name, Note(about=about, reason="Preempted", message=text))
        if Evicted.FAILED in outcomes:
            # The next try finds out anew who has to go.
            self._core.queue.activate(pod.metadata.uid, self._clock.monotonic())
            self._changed.set()

    def _record(self, decision: Decision, reason: str, message: str) -> None:
        note = Note(about=About.of(PODS, decision.pod), reason=reason, message=message, type="Warning")
        self._recorder.record(decision.profile.name, note)
