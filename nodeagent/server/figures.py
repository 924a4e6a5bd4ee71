"""What the pods of a roster use besides what the runtime counts: their networks, volumes and logs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

from apimachinery.aio.clock import Clock
from nodeagent.config import AgentConfig
from nodeagent.pods.build import log_directory
from nodeagent.pods.cgroups import Cgroups
from nodeagent.pods.worker import Worker
from nodeagent.stats import network
from nodeagent.stats.filesystems import Space, VolumeUse, measure
from nodeagent.stats.summary import PodFigures
from nodeagent.volumes.usage import used_bytes

KEPT_SECONDS = 60.0
"""How long a look at a pod's disk is good for: counting the files of a volume may take a while."""


class Figures:
    """Asked when somebody wants to know; nothing is measured for nobody."""

    def __init__(self, config: AgentConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._cgroups = Cgroups(config.cgroup_root)
        self._disks: dict[str, tuple[float, tuple[VolumeUse, ...], dict[str, int]]] = {}

    async def of(self, workers: Iterable[Worker]) -> list[PodFigures]:
        listed = list(workers)
        for gone in self._disks.keys() - {worker.uid for worker in listed}:
            del self._disks[gone]
        return [await self._of(worker) for worker in listed]

    def node(self) -> Space | None:
        """The file system that pods live on."""
        return measure(Path(self._config.pod_dir))

    async def _of(self, worker: Worker) -> PodFigures:
        now = self._clock.monotonic()
        kept = self._disks.get(worker.uid)
        if kept is None or now - kept[0] >= KEPT_SECONDS:
            volumes, logs = await asyncio.to_thread(self._look, worker)
            kept = self._disks[worker.uid] = (now, volumes, logs)
        pid = None if worker.pod.spec.host_network else self._cgroups.some_process(worker.uid)
        return PodFigures(
            name=worker.pod.metadata.name,
            namespace=worker.pod.metadata.namespace,
            uid=worker.uid,
            started_at=worker.api_view().status.start_time,
            interfaces=tuple(network.of_process(pid)) if pid is not None else (),
            volumes=kept[1],
            logs=kept[2],
        )

    def _look(self, worker: Worker) -> tuple[tuple[VolumeUse, ...], dict[str, int]]:
        pod, found = worker.pod, list[VolumeUse]()
        provided = worker.volumes
        for volume in pod.spec.volumes:
            if volume.name not in provided or volume.host_path is not None or provided[volume.name].device:
                continue
            path = provided[volume.name].path
            claim = volume.persistent_volume_claim.claim_name if volume.persistent_volume_claim is not None else ""
            claim = claim or (f"{pod.metadata.name}-{volume.name}" if volume.ephemeral is not None else "")
            own = not claim and volume.nfs is None and volume.csi is None
            space = measure(path, used_bytes(path) if own else None)
            if space is not None:
                found.append(VolumeUse(name=volume.name, claim=claim, space=space))
        logs = Path(log_directory(self._config.log_dir, pod))
        return tuple(found), {one.name: used_bytes(logs / one.name) for one in pod.all_containers()}
