"""Machines that only pretend: they register, keep their Leases, and report pods as started and stopped."""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import structlog

from apimachinery.aio.clock import Clock
from apimachinery.aio.tasks import TaskScope
from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.client.informer import Informer
from apimachinery.objects.errors import AlreadyExists, Conflict, NotFound, StatusError
from apimachinery.objects.meta import Object, format_micro_time, format_time, key
from apimachinery.objects.resources import LEASES, NODES, PODS

log = structlog.get_logger(__name__)

PREFIX = "hollow-"
LABEL = "pilothouse.dev/hollow"
LEASE_NAMESPACE = "kube-node-lease"
LEASE_SECONDS = 40
RENEW_EVERY = 10.0
REPORT_EVERY = 300.0
AT_ONCE = 64
"""Requests under way at a time."""
ZONES = 10
Json = dict[str, Any]


class _Container(msgspec.Struct, frozen=True):
    name: str = ""
    image: str = ""


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    node_name: str = ""
    containers: tuple[_Container, ...] = ()


class _Condition(msgspec.Struct, frozen=True):
    type: str = ""
    status: str = ""


class _Status(msgspec.Struct, frozen=True):
    phase: str = "Pending"
    conditions: tuple[_Condition, ...] = ()


class HollowNode(Object, frozen=True):
    """What a pretended agent reads of its Node."""

    status: _Status = _Status()


class HollowPod(Object, frozen=True):
    """What a pretended agent reads of a pod."""

    spec: _Spec = _Spec()
    status: _Status = _Status()

    @property
    def ready(self) -> bool:
        return any(c.type == "Ready" and c.status == "True" for c in self.status.conditions)


Seen = Callable[[HollowPod | None, HollowPod | None], None]


class HollowMachines:
    """`start_delay` bounds the seconds that a pod takes to start; as long it takes to stop.

    One watch serves all machines. Requests that fail for want of a connection are tried again.
    """

    def __init__(
        self, client: Client, clock: Clock, count: int, *, start_delay: tuple[float, float] = (0.1, 0.5), cpu: int = 32
    ) -> None:
        self._client = client
        self._clock = clock
        self.names = [f"{PREFIX}{number:04}" for number in range(count)]
        self._own = frozenset(self.names)
        self._delay = start_delay
        self._cpu = cpu
        self._slots = asyncio.Semaphore(AT_ONCE)
        # A machine's heartbeat does not wait for what other machines' pods need.
        self._heartbeat_slots = asyncio.Semaphore(AT_ONCE)
        self._random = random.Random(1)  # noqa: S311 - delays, not secrets
        self._handled: set[tuple[str, str]] = set()
        self._addresses = 0
        self._scope: TaskScope | None = None
        self.pods = Informer(client, PODS, view=HollowPod)
        self.pods.on_change(self._pod_changed)
        self._nodes = Informer(client, NODES, view=HollowNode)
        self._nodes.on_change(self._node_changed)
        self.latencies: list[float] = []
        """Seconds that each of our requests took."""

    async def register(self) -> None:
        """Make the Node objects and say that the machines are ready."""
        await asyncio.gather(*(self._register(number, name) for number, name in enumerate(self.names)))

    async def run(self) -> None:
        """Be the machines' agents until cancelled."""
        async with TaskScope("hollow") as scope:
            self._scope = scope
            scope.supervise("pods", self.pods.run)
            scope.supervise("nodes", self._nodes.run)
            await scope.supervise("heartbeats", self._heartbeats)

    async def remove(self) -> None:
        """Take the Node objects and Leases away again."""
        await asyncio.gather(*(self._remove(name) for name in self.names))

    async def _register(self, number: int, name: str) -> None:
        labels = {
            "kubernetes.io/hostname": name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": "amd64",
            "topology.kubernetes.io/zone": f"zone-{number % ZONES}",
            LABEL: "true",
        }
        node: Json = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}
        with contextlib.suppress(AlreadyExists):
            await self._timed(self._client.create(NODES, node))
        await self._report(name)
        await self._renew(name)

    async def _report(self, name: str) -> None:
        now = format_time(self._clock.now())
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "hollow machine is ready"}
        kinds = ("MemoryPressure", "DiskPressure", "PIDPressure")
        others = [{"type": kind, "status": "False", "reason": "KubeletHasNoPressure"} for kind in kinds]
        conditions = [{**one, "lastHeartbeatTime": now, "lastTransitionTime": now} for one in (ready, *others)]
        capacity = {"cpu": str(self._cpu), "memory": "128Gi", "pods": "250", "ephemeral-storage": "100Gi"}
        status = {"capacity": capacity, "allocatable": capacity, "conditions": conditions}
        await self._beat(self._client.patch(NODES, name, {"status": status}, kind="strategic", subresource="status"))

    async def _heartbeats(self) -> None:
        """Spread over the time between two of one machine, as those of real machines are."""
        reported = self._clock.monotonic()
        async with TaskScope("heartbeats") as scope:
            while True:
                for number, name in enumerate(self.names):
                    scope.spawn(f"lease/{name}", self._surviving(self._renew(name)))
                    if number % 10 == 9:
                        await asyncio.sleep(RENEW_EVERY * 10 / len(self.names))
                if len(self.names) < 10:
                    await asyncio.sleep(RENEW_EVERY)
                if self._clock.monotonic() - reported > REPORT_EVERY:
                    reported = self._clock.monotonic()
                    await asyncio.gather(*(self._surviving(self._report(name)) for name in self.names))

    async def _renew(self, name: str) -> None:
        spec = {"holderIdentity": name, "renewTime": format_micro_time(self._clock.now())}
        try:
            await self._beat(self._client.patch(LEASES, name, {"spec": spec}, LEASE_NAMESPACE))
        except NotFound:
            lease: Json = {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": name, "namespace": LEASE_NAMESPACE},
                "spec": {**spec, "leaseDurationSeconds": LEASE_SECONDS},
            }
            await self._beat(self._client.create(LEASES, lease))

    async def _remove(self, name: str) -> None:
        for resource, namespace in ((NODES, None), (LEASES, LEASE_NAMESPACE)):
            try:
                await self._timed(self._client.delete(resource, name, namespace))
            except NotFound:
                continue

    def _pod_changed(self, old: HollowPod | None, new: HollowPod | None) -> None:
        one = new or old
        if one is None or one.spec.node_name not in self._own or self._scope is None:
            return
        uid = one.metadata.uid
        if new is None:
            self._handled.discard((uid, "start"))
            self._handled.discard((uid, "stop"))
            return
        if new.metadata.deletion_timestamp is not None:
            self._once("stop", new, self._stop)
        elif new.status.phase == "Pending" or not new.ready:
            # A machine that was given up for lost has its pods marked as not ready: it says again how they are.
            self._once("start", new, self._start)

    def _node_changed(self, _old: HollowNode | None, new: HollowNode | None) -> None:
        """As an agent does: who was given up for lost says that it is there."""
        if new is None or new.metadata.name not in self._own or self._scope is None:
            return
        if any(c.type == "Ready" and c.status == "Unknown" for c in new.status.conditions):
            self._scope.spawn(f"report/{new.metadata.name}", self._surviving(self._report(new.metadata.name)))

    def _once(self, what: str, pod: HollowPod, work: Callable[[HollowPod], Coroutine[Any, Any, None]]) -> None:
        wanted = (pod.metadata.uid, what)
        if wanted in self._handled or self._scope is None:
            return
        self._handled.add(wanted)
        self._scope.spawn(f"{what}/{key(pod)}", self._later(work, pod))

    async def _later(self, work: Callable[[HollowPod], Coroutine[Any, Any, None]], pod: HollowPod) -> None:
        await asyncio.sleep(self._random.uniform(*self._delay))
        while True:
            try:
                await work(pod)
                break
            except NotFound:
                break
            except Conflict:
                current = self.pods.get(key(pod))
                if current is None or current.metadata.uid != pod.metadata.uid:
                    break
                await asyncio.sleep(1)
            except (ConnectionFailed, StatusError) as error:
                log.warning("request failed; trying again", pod=key(pod), error=str(error))
                await asyncio.sleep(1)
        self._handled.discard((pod.metadata.uid, "start"))

    async def _start(self, pod: HollowPod) -> None:
        meta = pod.metadata
        self._addresses += 1
        number = self._addresses
        address = f"10.{64 + number // 62500 % 64}.{number // 250 % 250}.{number % 250 + 1}"
        now = format_time(self._clock.now())
        kinds = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady")
        containers = [
            {
                "name": one.name,
                "image": one.image,
                "imageID": "",
                "ready": True,
                "started": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": now}},
            }
            for one in pod.spec.containers
        ]
        status: Json = {
            "phase": "Running",
            "startTime": now,
            "podIP": address,
            "podIPs": [{"ip": address}],
            "conditions": [{"type": kind, "status": "True", "lastTransitionTime": now} for kind in kinds],
            "containerStatuses": containers,
        }
        body = {"metadata": {"uid": meta.uid}, "status": status}
        await self._timed(
            self._client.patch(PODS, meta.name, body, meta.namespace, kind="strategic", subresource="status")
        )

    async def _stop(self, pod: HollowPod) -> None:
        meta = pod.metadata
        await self._timed(self._client.delete(PODS, meta.name, meta.namespace, uid=meta.uid, grace_period_seconds=0))

    async def _beat(self, work: Coroutine[Any, Any, Any]) -> None:
        await self._timed(work, self._heartbeat_slots)

    async def _timed(self, work: Coroutine[Any, Any, Any], slots: asyncio.Semaphore | None = None) -> None:
        async with slots or self._slots:
            started = time.perf_counter()
            try:
                await work
            finally:
                self.latencies.append(time.perf_counter() - started)

    async def _surviving(self, work: Coroutine[Any, Any, None]) -> None:
        """A heartbeat that fails is made up for by the next."""
        try:
            await work
        except (ConnectionFailed, StatusError) as error:
            log.warning("heartbeat failed", error=str(error))
