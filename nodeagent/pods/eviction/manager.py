"""Looks at the machine every few seconds and ends pods before it runs out of something."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from nodeagent.cri.errors import RuntimeFailure
from nodeagent.pods.build import log_directory
from nodeagent.pods.eviction import ranking
from nodeagent.pods.eviction.ranking import ContainerUse, PodUse
from nodeagent.pods.eviction.thresholds import CONDITIONS, RESOURCES, Judge, Observation, Threshold, refusal
from nodeagent.pods.machine import Machine
from nodeagent.pods.resources import BEST_EFFORT, qos_class
from nodeagent.pods.view import Pod, Toleration
from nodeagent.pods.worker import Worker
from nodeagent.volumes.usage import used_bytes

log = structlog.get_logger(__name__)
AT_ONCE = 1
"""Seconds of grace where something is short already."""
CLEANUP_SECONDS = 30.0
_STEP = 0.2
_MEMORY_TAINT = "node.kubernetes.io/memory-pressure"
Observe = Callable[[], Awaitable[Mapping[str, Observation]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    interval: float
    longest_grace: int
    """The most that a pod gets where a soft threshold is met."""


class EvictionManager:
    """`observe` looks at the machine; `reclaim` frees of the disk what no pod has to go for;
    `changed` is called when the conditions are others."""

    def __init__(
        self,
        machine: Machine,
        workers: Callable[[], Iterable[Worker]],
        judge: Judge,
        settings: Settings,
        *,
        observe: Observe,
        reclaim: Callable[[], Awaitable[object]],
        changed: Callable[[], None],
    ) -> None:
        self._machine = machine
        self._workers = workers
        self._judge = judge
        self._settings = settings
        self._observe = observe
        self._reclaim = reclaim
        self._changed = changed
        self.conditions: frozenset[str] = frozenset()

    async def run(self) -> None:
        while True:
            try:
                evicted = await self.look()
            except RuntimeFailure as error:
                log.debug("pods not measured", error=str(error))
                evicted = None
            if evicted is None:
                await asyncio.sleep(self._settings.interval)
            else:
                await self._until_cleaned_up(evicted)

    async def look(self) -> Worker | None:
        """One round; the pod that was ended, if one had to be. Raises RuntimeFailure."""
        observed = await self._observe()
        verdict = self._judge.judge(observed, self._machine.clock.monotonic())
        if verdict.conditions != self.conditions:
            log.info("pressure changed", conditions=sorted(verdict.conditions))
            self.conditions = verdict.conditions
            self._changed()
        active = [worker for worker in self._workers() if not worker.over and not worker.pod.deleting]
        evicted = await self._enforce_limits(active)
        if evicted is not None or not verdict.starved:
            return evicted
        threshold = verdict.starved[0]
        self._machine.recorder.node(
            "Warning", "EvictionThresholdMet", f"Attempting to reclaim {RESOURCES[threshold.signal]}"
        )
        if CONDITIONS[threshold.signal] == "DiskPressure":
            await self._reclaim()
            observed = await self._observe()
            if threshold not in self._judge.judge(observed, self._machine.clock.monotonic()).starved:
                return None
        return await self._evict_one(active, threshold, observed.get(threshold.signal))

    def refusal(self, pod: Pod) -> str:
        """Why a pod that is new here may not start now; empty: it may."""
        return refusal(
            self.conditions,
            is_critical=ranking.is_critical(pod),
            is_best_effort=qos_class(pod) == BEST_EFFORT,
            tolerates_memory=any(_tolerates_memory(toleration) for toleration in pod.spec.tolerations),
        )

    async def _evict_one(
        self, active: Sequence[Worker], threshold: Threshold, observed: Observation | None
    ) -> Worker | None:
        by_uid = {worker.uid: worker for worker in active}
        for use in ranking.rank(await self._measure(active), threshold):
            grace = AT_ONCE
            if threshold.grace is not None:
                grace = min(self._settings.longest_grace, use.pod.spec.termination_grace_period_seconds)
            by_uid[use.pod.uid].evict(ranking.message(use, threshold, observed), grace)
            return by_uid[use.pod.uid]
        log.warning("nothing can be evicted", short_of=RESOURCES[threshold.signal])
        return None

    async def _enforce_limits(self, active: Sequence[Worker]) -> Worker | None:
        """End pods that hold more of the disk than they may; the last of them."""
        limited = [worker for worker in active if ranking.has_limit(worker.pod)]
        ended: Worker | None = None
        for use in await self._measure(limited) if limited else ():
            worker = next(one for one in limited if one.uid == use.pod.uid)
            text = await worker.overfull() or ranking.over_limit(use)
            if text:
                worker.evict(text, AT_ONCE)
                ended = worker
        return ended

    async def _measure(self, workers: Sequence[Worker]) -> list[PodUse]:
        usages = await self._machine.runtime.usages()
        measured: list[PodUse] = []
        for worker in workers:
            memory = {usage.name: usage.memory_working_set for usage in usages if usage.uid == worker.uid}
            layers = {usage.name: usage.writable_bytes for usage in usages if usage.uid == worker.uid}
            logs, volumes = await asyncio.to_thread(self._on_disk, worker.pod)
            measured.append(
                PodUse(
                    pod=worker.pod,
                    containers={
                        name: ContainerUse(memory=memory.get(name, 0), disk=layers.get(name, 0) + logs.get(name, 0))
                        for name in memory.keys() | logs.keys()
                    },
                    volumes=volumes,
                    processes=self._machine.cgroups.processes(worker.uid),
                )
            )
        return measured

    def _on_disk(self, pod: Pod) -> tuple[dict[str, int], int]:
        """Bytes of logs by container, and of all emptyDirs that are not in memory."""
        folder = Path(log_directory(self._machine.config.log_dir, pod))
        logs = {container.name: used_bytes(folder / container.name) for container in pod.all_containers()}
        home = self._machine.pod_folder(pod.uid) / "volumes" / "kubernetes.io~empty-dir"
        kept = [volume for volume in pod.spec.volumes if volume.empty_dir is not None and not volume.empty_dir.medium]
        return logs, sum(used_bytes(home / volume.name) for volume in kept)

    async def _until_cleaned_up(self, worker: Worker) -> None:
        """What its end brings is to be seen before anybody else has to go."""
        for _ in range(int(CLEANUP_SECONDS / _STEP)):
            if worker.torn_down:
                return
            await asyncio.sleep(_STEP)
        log.warning("an evicted pod does not end", pod=worker.pod.full_name)


def _tolerates_memory(toleration: Toleration) -> bool:
    exists = toleration.operator == "Exists"
    names = toleration.key == _MEMORY_TAINT or (exists and not toleration.key)
    return names and toleration.effect in ("", "NoSchedule") and (exists or not toleration.value)
