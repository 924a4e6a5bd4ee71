"""Runs the scheduler: pods without a machine in, bindings out."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable

import msgspec
import structlog

from apimachinery.aio.clock import Clock
from apimachinery.aio.tasks import TaskScope
from apimachinery.aio.workqueue import WorkQueue
from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.client.informer import Informer
from apimachinery.objects.errors import Conflict, NotFound, StatusError
from apimachinery.objects.meta import format_time, key
from engine.controllers.actions import About, Json, Note
from engine.runtime.events import Recorder
from engine.runtime.sharing import Pool
from engine.scheduler.placing import Placement, Unplaceable, place
from engine.scheduler.shape import Shape, shape_key, shape_of
from engine.scheduler.snapshot import Snapshot
from engine.scheduler.views import NODES, PODS, Node, Pod

log = structlog.get_logger(__name__)

COMPONENT = "default-scheduler"
BINDINGS_AT_ONCE = 64
PLACED_AT_ONCE = 200
"""Pods placed without letting other tasks run."""
SHAPES_KEPT = 2048
FIRST_BACKOFF, LAST_BACKOFF = 1.0, 10.0
"""Seconds before a pod that fitted nowhere is tried again, once something has changed that may help it."""
FLUSH = 300.0
"""Seconds after which pods that fit nowhere are tried again though nothing seems to have changed."""


class SchedulerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`name` is the `schedulerName` of the pods that we care for."""

    name: str = "default-scheduler"


DEFAULTS = SchedulerConfig()


async def run_scheduler(client: Client, clock: Clock, config: SchedulerConfig = DEFAULTS) -> None:
    """Schedule until cancelled. The API may come and go meanwhile."""
    recorder = Recorder(client, clock)
    scheduling = Scheduling(client, clock, recorder, config)
    async with TaskScope("scheduler") as scope:
        for informer in scheduling.informers:
            scope.supervise(f"informer/{informer.resource.qualified}", informer.run)
        scope.supervise("events", recorder.run)
        scope.supervise("flush", scheduling.flush)
        await scope.supervise("place", scheduling.run)


class Scheduling:
    def __init__(self, client: Client, clock: Clock, recorder: Recorder, config: SchedulerConfig) -> None:
        self._client = client
        self._clock = clock
        self._recorder = recorder
        self._config = config
        self._snapshot = Snapshot()
        self._shapes: OrderedDict[bytes, Shape] = OrderedDict()
        self._pending: dict[str, Pod] = {}
        self._unplaced: dict[str, tuple[int, float]] = {}
        """Attempts and time of the last, for pods that fitted nowhere."""
        self._queue: WorkQueue[str] = WorkQueue(base_delay=0.1, max_delay=10.0)
        self._pods = Informer(client, PODS, view=Pod, refine=Pool().shared)
        self._nodes = Informer(client, NODES, view=Node)
        self._pods.on_change(self._pod_changed)
        self._nodes.on_change(self._node_changed)
        self._slots = asyncio.Semaphore(BINDINGS_AT_ONCE)

    @property
    def informers(self) -> tuple[Informer[Node], Informer[Pod]]:
        return self._nodes, self._pods

    async def run(self) -> None:
        """Place what waits, for ever."""
        await asyncio.gather(self._nodes.synced.wait(), self._pods.synced.wait())
        log.info("scheduler started")
        async with TaskScope("bindings") as scope:
            while True:
                uids = [await self._queue.get()]
                while len(self._queue) and len(uids) < PLACED_AT_ONCE:
                    uids.append(await self._queue.get())
                try:
                    for outcome in self._place(uids):
                        pod = self._pending[outcome.uid]
                        if isinstance(outcome, Placement):
                            scope.spawn(f"bind/{key(pod)}", self._bind(pod, outcome.machine))
                        else:
                            scope.spawn(f"explain/{key(pod)}", self._explain(pod, outcome))
                finally:
                    for uid in uids:
                        self._queue.done(uid)
                await asyncio.sleep(0)

    async def flush(self) -> None:
        """Now and then try again what fits nowhere: no list of helpful events is ever complete."""
        while True:
            await self._clock.sleep(FLUSH)
            self._retry_unplaced()

    def _place(self, uids: Iterable[str]) -> list[Placement | Unplaceable]:
        """Highest priority first, in order of arrival; neighbours of one shape together."""
        waiting = [uid for uid in uids if uid in self._pending and not self._snapshot.has_placed(uid)]
        waiting.sort(key=lambda uid: -self._pending[uid].spec.priority)
        outcomes: list[Placement | Unplaceable] = []
        batch: list[str] = []
        shape: Shape | None = None
        for uid in waiting:
            own = self._shape(self._pending[uid])
            if shape is not None and own is not shape:
                outcomes += place(self._snapshot, shape, batch)
                batch = []
            shape = own
            batch.append(uid)
        if shape is not None:
            outcomes += place(self._snapshot, shape, batch)
        return outcomes

    def _shape(self, pod: Pod) -> Shape:
        wanted = shape_key(pod)
        shape = self._shapes.get(wanted)
        if shape is None:
            shape = self._shapes[wanted] = shape_of(pod)
            if len(self._shapes) > SHAPES_KEPT:
                self._shapes.popitem(last=False)
        return shape

    async def _bind(self, pod: Pod, machine: str) -> None:
        meta = pod.metadata
        target = {"apiVersion": "v1", "kind": "Node", "name": machine}
        body: Json = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid},
            "target": target,
        }
        path = PODS.path(meta.namespace, meta.name, "binding")
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        try:
            async with self._slots:
                await self._client.call("POST", path, headers=headers, body=msgspec.json.encode(body))
        except (NotFound, Conflict):
            # Deleted, or bound by somebody else: the watch tells which.
            self._undo(pod)
            return
        except (StatusError, ConnectionFailed) as error:
            log.warning("binding failed; trying again", pod=key(pod), node=machine, error=str(error))
            self._undo(pod)
            return
        self._queue.forget(meta.uid)
        self._unplaced.pop(meta.uid, None)
        text = f"Successfully assigned {key(pod)} to {machine}"
        self._recorder.record(COMPONENT, Note(about=About.of(PODS, pod), reason="Scheduled", message=text))

    def _undo(self, pod: Pod) -> None:
        """Take back the assumption, unless the pod has a machine by now."""
        uid = pod.metadata.uid
        self._snapshot.pod_gone(uid)
        current = self._pods.get(key(pod))
        if current is not None and current.metadata.uid == uid and current.spec.node_name:
            self._snapshot.pod_changed(current, self._shape(current))
        else:
            self._queue.add_rate_limited(uid)

    async def _explain(self, pod: Pod, outcome: Unplaceable) -> None:
        """Say on the pod why it waits, and remember to try it again when something changes."""
        attempts, _ = self._unplaced.get(outcome.uid, (0, 0.0))
        self._unplaced[outcome.uid] = (attempts + 1, self._clock.monotonic())
        note = Note(about=About.of(PODS, pod), reason="FailedScheduling", message=outcome.message, type="Warning")
        self._recorder.record(COMPONENT, note)
        current = next((c for c in pod.status.conditions if c.type == "PodScheduled"), None)
        if current is not None and (current.status, current.reason, current.message) == (
            "False", "Unschedulable", outcome.message,
        ):  # fmt: skip
            return
        condition: Json = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": outcome.message,
        }
        if current is None or current.status != "False":
            condition["lastTransitionTime"] = format_time(self._clock.now())
        body = {"metadata": {"uid": pod.metadata.uid}, "status": {"conditions": [condition]}}
        try:
            async with self._slots:
                await self._client.patch(
                    PODS, pod.metadata.name, body, pod.metadata.namespace, kind="strategic", subresource="status"
                )
        except (NotFound, Conflict):
            return
        except (StatusError, ConnectionFailed) as error:
            log.info("condition not written", pod=key(pod), error=str(error))

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        pod = new if new is not None else old
        if pod is None:
            return
        uid = pod.metadata.uid
        if new is None or new.status.phase in ("Succeeded", "Failed"):
            freed = self._snapshot.has_placed(uid)
            self._snapshot.pod_gone(uid)
            self._forget(uid)
            if freed:
                self._retry_unplaced()
        elif new.spec.node_name:
            if old is not None and old.spec.node_name and old.spec != new.spec:
                # Resized in place.
                self._snapshot.pod_gone(uid)
                self._retry_unplaced()
            if self._snapshot.machine_of(uid) != new.spec.node_name:
                self._snapshot.pod_changed(new, self._shape(new))
            self._forget(uid)
        elif self._is_ours(new):
            first = uid not in self._pending
            self._pending[uid] = new
            if first or (old is not None and old.spec != new.spec):
                self._queue.add(uid)
        else:
            self._forget(uid)

    def _is_ours(self, pod: Pod) -> bool:
        return (
            pod.spec.scheduler_name == self._config.name
            and not pod.spec.scheduling_gates
            and pod.metadata.deletion_timestamp is None
        )

    def _forget(self, uid: str) -> None:
        self._pending.pop(uid, None)
        self._unplaced.pop(uid, None)
        self._queue.forget(uid)

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        if new is None:
            if old is not None:
                self._snapshot.node_gone(old.metadata.name)
            return
        self._snapshot.node_changed(new)
        if old is None or _offers(old) != _offers(new):
            self._retry_unplaced()

    def _retry_unplaced(self) -> None:
        now = self._clock.monotonic()
        for uid, (attempts, tried_at) in self._unplaced.items():
            wait = min(LAST_BACKOFF, FIRST_BACKOFF * 2 ** min(attempts - 1, 10))
            self._queue.add_after(uid, tried_at + wait - now)


def _offers(node: Node) -> tuple[object, ...]:
    """All by which a machine may become fit for a pod."""
    return node.status.allocatable, node.spec, node.metadata.labels
