"""The pods of this machine: who should be here by the API or by memory, and one worker for each.

What the API said last is kept on disk, so that pods come back after a reboot with the engine out of reach. Pods
that only containerd knows are ended, but never before the API has been heard: absence of news is not news of absence.
Static pods come from a folder of the machine; the API has mirrors of them, which are not run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

import msgspec
import structlog

from apimachinery.aio.tasks import TaskScope
from apimachinery.client.informer import Informer
from apimachinery.objects.meta import ObjectMeta
from apimachinery.objects.resources import PODS
from nodeagent import disk
from nodeagent.cri.errors import RuntimeFailure
from nodeagent.cri.types import Container as Ran
from nodeagent.cri.types import Sandbox, State
from nodeagent.pods.env import env_references
from nodeagent.pods.machine import Machine
from nodeagent.pods.manifests import MIRROR, is_mirror
from nodeagent.pods.references import Key
from nodeagent.pods.statics import StaticPods
from nodeagent.pods.view import Container, Handler, Lifecycle, Pod, PodSpec, PodStatus
from nodeagent.pods.worker import Worker
from nodeagent.volumes.objects import SECRET
from nodeagent.volumes.payload import references as volume_references

log = structlog.get_logger(__name__)
RELIST_SECONDS = 10.0
HOUSEKEEPING_SECONDS = 300.0
AFTER_EVENT = (0.0, 0.15, 1.0)
"""Seconds after an event at which a pod is looked at: containerd's CRI part learns of it by the same stream as we."""


class Roster:
    """`run` keeps the workers; the other methods answer questions about them."""

    def __init__(self, machine: Machine, state_dir: Path) -> None:
        self._machine = machine
        self._folder = state_dir / "pods"
        self.informer: Informer[Pod] = Informer(
            machine.client, PODS, view=Pod, field_selector=f"spec.nodeName={machine.config.node_name}"
        )
        self._workers: dict[str, Worker] = {}
        self._static: set[str] = set()  # uids of pods from the folder of manifests
        self._statics = StaticPods(machine, self._assign, self._known_pods, self._repeat_status)
        self._done: set[str] = set()  # uids that have ended here while the API still shows them
        self._unsaved: dict[str, Pod | None] = {}
        self._save_wake = asyncio.Event()
        self._scope: TaskScope | None = None

    def workers(self) -> Iterable[Worker]:
        return self._workers.values()

    def find(self, namespace: str, name: str) -> Worker | None:
        """The worker of a pod by name; of two with one name the one that is not ending."""
        found = [
            w for w in self._workers.values()
            if w.pod.metadata.name == name and w.pod.metadata.namespace == namespace
        ]  # fmt: skip
        return min(found, key=lambda w: w.pod.deleting, default=None)

    async def run(self) -> None:
        async with TaskScope("pods") as scope:
            self._scope = scope
            remembered = self._load()
            for pod in remembered:
                self._add(pod)
            self._statics.look()
            self.informer.on_change(self._on_pod)
            scope.supervise("watch", self.informer.run)
            scope.supervise("static", self._statics.watch_folder)
            scope.supervise("mirrors", self._statics.keep_mirrors)
            scope.supervise("save", self._save)
            scope.supervise("events", self._follow_events)
            scope.supervise("relist", self._relist)
            scope.supervise("housekeeping", self._keep_house)
            await self.informer.synced.wait()
            known = {pod.uid for pod in self.informer.list()}
            for uid, worker in list(self._workers.items()):
                if uid not in known | self._static:
                    worker.update(None)
            self._statics.poke()
            await asyncio.Event().wait()

    def _on_pod(self, old: Pod | None, new: Pod | None) -> None:
        if old is not None and is_mirror(old):
            self._statics.poke()
            old = None
        if new is not None and is_mirror(new):
            self._on_mirror(new)
            new = None
        if old is not None and (new is None or new.uid != old.uid):
            self._done.discard(old.uid)
            worker = self._workers.get(old.uid)
            if worker is not None:
                worker.update(old)  # its last state tells the grace of a deletion
                worker.update(None)
        if new is None:
            return
        worker = self._workers.get(new.uid)
        if worker is not None:
            if _durable(worker.pod) != _durable(new):
                self._remember(new)
            worker.update(new)
        elif new.uid not in self._done:
            self._remember(new)
            self._add(new)

    def _on_mirror(self, mirror: Pod) -> None:
        """Of a mirror nothing counts but what others wrote into its status."""
        worker = self._workers.get(mirror.metadata.annotations[MIRROR])
        if worker is not None:
            worker.update(msgspec.structs.replace(worker.pod, status=mirror.status))
        self._statics.poke()

    def _assign(self, pods: Iterable[Pod]) -> None:
        """Run these static pods and no other; one that follows another of its name waits for the other's end."""
        wanted = {pod.uid: pod for pod in pods}
        for uid in self._static - wanted.keys():
            if uid in self._workers:
                self._workers[uid].update(None)
        self._static = set(wanted)
        taken = {_name(worker.pod) for worker in self._workers.values()}
        for uid, pod in wanted.items():
            if uid not in self._workers and _name(pod) not in taken:
                self._add(pod)

    def _known_pods(self) -> Iterable[Pod] | None:
        return self.informer.list() if self.informer.synced.is_set() else None

    def _repeat_status(self, uid: str) -> None:
        if uid in self._workers:
            self._workers[uid].repeat_status()

    def _add(self, pod: Pod) -> None:
        if self._scope is None or pod.uid in self._workers:
            return
        worker = self._workers[pod.uid] = Worker(self._machine, pod)
        self._scope.spawn(f"{pod.metadata.namespace}/{pod.metadata.name}", self._tend(worker))

    async def _tend(self, worker: Worker) -> None:
        """Run a worker to its end; one that fails is started again, since all it knows can be found anew."""
        while True:
            try:
                await worker.run()
            except Exception as error:
                log.exception("pod worker failed; starting it again", pod=worker.pod.full_name, error=str(error))
                await asyncio.sleep(5.0)
                fresh = Worker(self._machine, worker.pod)
                if worker.removed:
                    fresh.update(None)
                worker = self._workers[worker.uid] = fresh
                continue
            break
        del self._workers[worker.uid]
        known = self.informer.get(worker.pod.metadata.name, worker.pod.metadata.namespace)
        if known is not None and known.uid == worker.uid:
            self._done.add(worker.uid)
        self._remember(worker.pod, forget=True)

    # Memory on disk

    def _load(self) -> list[Pod]:
        pods: list[Pod] = []
        if not self._folder.is_dir():
            return pods
        for file in sorted(self._folder.glob("*.json")):
            try:
                pods.append(msgspec.json.decode(file.read_bytes(), type=Pod))
            except (OSError, msgspec.MsgspecError) as error:
                log.warning("remembered pod is unreadable", file=str(file), error=str(error))
                file.unlink(missing_ok=True)
        return pods

    def _remember(self, pod: Pod, *, forget: bool = False) -> None:
        self._unsaved[pod.uid] = None if forget else pod
        self._save_wake.set()

    async def _save(self) -> None:
        while True:
            await self._save_wake.wait()
            self._save_wake.clear()
            pending, self._unsaved = self._unsaved, {}
            await asyncio.to_thread(self._write, pending)

    def _write(self, pending: dict[str, Pod | None]) -> None:
        for uid, pod in pending.items():
            file = self._folder / f"{uid}.json"
            if pod is None:
                file.unlink(missing_ok=True)
            else:
                disk.write_private(file, msgspec.json.encode(_durable(pod)))

    # Watching containerd

    async def _follow_events(self) -> None:
        loop = asyncio.get_running_loop()
        for worker in self._workers.values():
            worker.poke()  # what happened while nobody listened
        async for event in self._machine.runtime.events():
            # Looked up anew each time: a container may end before its worker has seen it start.
            for delay in AFTER_EVENT:
                loop.call_later(delay, self._poke_owner, event.container_id)

    def _poke_owner(self, container_id: str) -> None:
        worker = self._owner(container_id)
        if worker is not None:
            worker.poke()

    def _owner(self, container_id: str) -> Worker | None:
        for worker in self._workers.values():
            if any(container_id == known.id for known in (*worker.containers, *worker.sandboxes)):
                return worker
        return None

    async def _relist(self) -> None:
        """The safety net under the event stream, and the search for pods that nobody asked for."""
        while True:
            await asyncio.sleep(RELIST_SECONDS)
            try:
                sandboxes = await self._machine.runtime.sandboxes()
                containers = await self._machine.runtime.containers()
            except RuntimeFailure as error:
                log.debug("relist failed", error=str(error))
                continue
            for worker in list(self._workers.values()):
                if _fingerprint(worker.uid, sandboxes, containers) != _known_fingerprint(worker):
                    worker.poke()
            if self.informer.synced.is_set():
                self._end_orphans(sandboxes, containers)

    def _end_orphans(self, sandboxes: list[Sandbox], containers: list[Ran]) -> None:
        known = {pod.uid for pod in self.informer.list()} | self._workers.keys()
        for sandbox in sandboxes:
            if sandbox.uid in known or sandbox.uid in self._workers:
                continue
            log.info("ending a pod that the API does not know", pod=f"{sandbox.namespace}/{sandbox.name}")
            self._add(orphan(sandbox, [ran for ran in containers if ran.sandbox_id == sandbox.id]))
            self._workers[sandbox.uid].update(None)

    async def _keep_house(self) -> None:
        """Folders, cgroups and remembered objects that belong to no pod any more."""
        while True:
            await asyncio.sleep(HOUSEKEEPING_SECONDS)
            if not self.informer.synced.is_set():
                continue
            self._machine.references.keep_only({key for w in self._workers.values() for key in _references(w.pod)})
            self._machine.tokens.keep_only(self._workers)
            for uid in self._machine.cgroups.uids() - self._workers.keys():
                self._machine.cgroups.remove(uid)


def _name(pod: Pod) -> tuple[str, str]:
    return pod.metadata.namespace, pod.metadata.name


def orphan(sandbox: Sandbox, containers: list[Ran]) -> Pod:
    """As much of a forgotten pod as containerd remembers: its name, its grace and its preStop hooks."""
    graces = [int(r.annotations.get("io.kubernetes.pod.terminationGracePeriod", "30") or 30) for r in containers]
    return Pod(
        metadata=ObjectMeta(name=sandbox.name, namespace=sandbox.namespace, uid=sandbox.uid),
        spec=PodSpec(
            termination_grace_period_seconds=max(graces, default=30),
            containers=tuple(_orphan_container(ran) for ran in containers if ran.state is State.RUNNING),
        ),
    )


def _orphan_container(ran: Ran) -> Container:
    hook = ran.annotations.get("io.kubernetes.container.preStopHandler", "")
    pre_stop = msgspec.json.decode(hook, type=Handler) if hook else None
    return Container(name=ran.name, image=ran.image, lifecycle=Lifecycle(pre_stop=pre_stop))


def _durable(pod: Pod) -> Pod:
    """What is worth a write: not the versions and statuses that change all the time, but that a pod has ended."""
    ended = pod.status.phase if pod.status.phase in ("Succeeded", "Failed") else ""
    meta = msgspec.structs.replace(pod.metadata, resource_version="")
    status = PodStatus(phase=ended, start_time=pod.status.start_time)
    return msgspec.structs.replace(pod, metadata=meta, status=status)


def _references(pod: Pod) -> set[Key]:
    wanted = volume_references(pod.spec.volumes) | env_references(pod.all_containers())
    wanted |= {(SECRET, secret.name) for secret in pod.spec.image_pull_secrets}
    return {(pod.metadata.namespace, kind, name) for kind, name in wanted}


def _fingerprint(uid: str, sandboxes: list[Sandbox], containers: list[Ran]) -> frozenset[tuple[str, object]]:
    mine: list[tuple[str, object]] = [(s.id, s.ready) for s in sandboxes if s.uid == uid]
    return frozenset(mine + [(c.id, c.state) for c in containers if c.uid == uid])


def _known_fingerprint(worker: Worker) -> frozenset[tuple[str, object]]:
    mine: list[tuple[str, object]] = [(s.id, s.ready) for s in worker.sandboxes]
    return frozenset(mine + [(c.id, c.state) for c in worker.containers])
