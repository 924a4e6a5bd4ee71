"""Deployments on hollow machines: created, rolled, deleted, and how long that took."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import AlreadyExists, NotFound, StatusError
from apimachinery.objects.resources import DEPLOYMENTS, NAMESPACES, NODES, PODS
from pilothouse.hollow import objectives
from pilothouse.hollow.machines import LABEL, HollowMachines, HollowPod

Json = dict[str, Any]
NAMESPACE_COUNT = 10
SINGLE_NAMESPACE = "hollow-load-single"
REPLICAS = 100
"""Of each Deployment."""
STEADY_EVERY = 0.2
STEADY_PODS = 150
"""Pods made one by one, that often in seconds, while all others stand: how upstream measures how long a pod takes."""
PROBE_EVERY = 0.1
_STALLED = 180.0
"""Seconds without any progress after which a phase is given up."""


class Stalled(Exception):
    """Nothing moved for too long; the message says how far it came."""


@dataclass(slots=True)
class Phase:
    """Seconds, and per pod: from `since` (seen, or asked for) to machine, and to ready."""

    name: str
    since: str = "seen"
    seconds: float = 0.0
    bound: list[float] = field(default_factory=list[float])
    ready: list[float] = field(default_factory=list[float])
    busiest: float = 0.0
    """Pods bound a second, over the busiest ten seconds."""
    probes: list[float] = field(default_factory=list[float])
    """Seconds that a GET took which somebody else made meanwhile."""
    requests: list[float] = field(default_factory=list[float])
    answered: objectives.Buckets = field(default_factory=dict[objectives.Series, dict[float, float]])
    """By the server's own account."""
    cpu: float = 0.0
    memory_mb: float = 0.0


class Load:
    """`pid` of the engine, where it runs on this computer: what it uses is read from the kernel."""

    def __init__(self, client: Client, machines: HollowMachines, pods: int, *, pid: int | None = None) -> None:
        self._client = client
        self._machines = machines
        self._pods = pods
        self._pid = pid
        self._seen: dict[str, float] = {}
        self._bound_at: list[float] = []
        self._phase = Phase("")
        self._alive: dict[str, bool] = {}
        """By uid whether it is ready, of the pods that are not being deleted."""
        self._leaving: set[str] = set()
        self._single: dict[str, float] = {}
        """When the pods made one by one were asked for, by name, of those that are not ready yet."""
        self._single_count = min(STEADY_PODS, max(1, pods // 10))
        self._single_there: set[str] = set()
        self._placed: set[str] = set()
        self._moved_at = 0.0
        machines.pods.on_change(self._pod_changed)

    async def run(self, told: Callable[[str], None]) -> list[Phase]:
        """Create, roll, delete. Raises Stalled."""
        phases: list[Phase] = []
        for namespace in self._namespaces():
            await self._ignoring(self._client.create(NAMESPACES, _namespace(namespace)))
        await self._serving()
        for name, act, done in (
            ("create", self._create, self._all_ready),
            ("steady", self._make_single_pods, self._single_pods_ready),
            ("roll", self._roll, self._all_ready),
            ("delete", self._delete, self._none_left),
        ):
            what = f"{self._pods} pods in {len(self._deployments())} Deployments"
            told(f"{name}: {self._single_count} pods one by one" if name == "steady" else f"{name}: {what}")
            async with self._measured(name) as phase:
                await act()
                await self._until(done, name)
            phases.append(phase)
            told(f"{name}: done after {phase.seconds:.1f} s")
        for namespace in self._namespaces():
            await self._ignoring(self._client.delete(NAMESPACES, namespace))
        return phases

    @asynccontextmanager
    async def _measured(self, name: str) -> AsyncIterator[Phase]:
        phase = self._phase = Phase(name, "asked for" if name == "steady" else "seen")
        self._bound_at = []
        self._machines.latencies = phase.requests
        answered = await self._answered()
        started, cpu = time.perf_counter(), self._cpu()
        probing = asyncio.ensure_future(self._probe(phase))
        try:
            yield phase
        finally:
            probing.cancel()
            await asyncio.gather(probing, return_exceptions=True)
        phase.seconds = time.perf_counter() - started
        phase.cpu = self._cpu() - cpu
        phase.memory_mb = self._memory()
        phase.busiest = busiest(self._bound_at)
        phase.answered = objectives.since(answered, await self._answered())

    async def _create(self) -> None:
        for number, (namespace, name) in enumerate(self._deployments()):
            replicas = min(REPLICAS, self._pods - number * REPLICAS)
            await self._client.create(DEPLOYMENTS, _deployment(name, replicas), namespace)

    async def _make_single_pods(self) -> None:
        for number in range(self._single_count):
            name = f"single-{number:03}"
            self._single[name] = time.perf_counter()
            await self._client.create(PODS, _pod(name), SINGLE_NAMESPACE)
            await asyncio.sleep(STEADY_EVERY)

    def _single_pods_ready(self) -> bool:
        return not self._single

    async def _roll(self) -> None:
        changed = {"spec": {"template": {"metadata": {"annotations": {"example.com/rolled": "yes"}}}}}
        self._leaving |= self._alive.keys()
        for namespace, name in self._deployments():
            await self._client.patch(DEPLOYMENTS, name, changed, namespace)

    async def _delete(self) -> None:
        for namespace, name in self._deployments():
            await self._client.delete(DEPLOYMENTS, name, namespace)
        await self._client.delete_collection(PODS, SINGLE_NAMESPACE)

    def _all_ready(self) -> bool:
        """Also those of an earlier kind are gone."""
        fresh = [uid for uid in self._alive if uid not in self._leaving]
        return len(fresh) == len(self._alive) == self._pods and all(self._alive.values())

    def _none_left(self) -> bool:
        return not self._seen and not self._single_there

    async def _until(self, done: Callable[[], bool], name: str) -> None:
        self._moved_at = time.perf_counter()
        while not done():
            if time.perf_counter() - self._moved_at > _STALLED:
                ready = sum(self._alive.values())
                raise Stalled(f"{name}: nothing moved for {_STALLED:.0f} s, {ready} of {len(self._seen)} pods ready")
            await asyncio.sleep(0.1)

    def _pod_changed(self, old: HollowPod | None, new: HollowPod | None) -> None:
        one = new or old
        if one is None or not one.metadata.namespace.startswith("hollow-load-"):
            return
        now = time.perf_counter()
        self._moved_at = now
        uid = one.metadata.uid
        if one.metadata.namespace == SINGLE_NAMESPACE:
            (self._single_there.discard if new is None else self._single_there.add)(uid)
            self._single_changed(new, now)
            return
        if new is None:
            self._seen.pop(uid, None)
            self._alive.pop(uid, None)
            self._leaving.discard(uid)
            return
        since = self._seen.setdefault(uid, now)
        if new.metadata.deletion_timestamp is not None:
            self._alive.pop(uid, None)
            return
        if new.spec.node_name and not (old is not None and old.spec.node_name):
            self._bound_at.append(now)
            self._phase.bound.append(now - since)
        if new.ready and not (old is not None and old.ready):
            self._phase.ready.append(now - since)
        self._alive[uid] = new.ready

    def _single_changed(self, new: HollowPod | None, now: float) -> None:
        name = new.metadata.name if new is not None else ""
        asked = self._single.get(name)
        if new is None or asked is None:
            return
        if new.spec.node_name and name not in self._placed:
            self._placed.add(name)
            self._bound_at.append(now)
            self._phase.bound.append(now - asked)
        if new.ready:
            del self._single[name]
            self._phase.ready.append(now - asked)

    async def _answered(self) -> objectives.Buckets:
        try:
            return objectives.read((await self._client.call("GET", "/metrics")).decode())
        except (StatusError, ConnectionFailed):
            # Not everybody may read it.
            return {}

    async def _probe(self, phase: Phase) -> None:
        """What somebody else would feel meanwhile."""
        name = self._machines.names[0]
        while True:
            started = time.perf_counter()
            with contextlib.suppress(StatusError, ConnectionFailed):
                await self._client.get(NODES, name)
            phase.probes.append(time.perf_counter() - started)
            await asyncio.sleep(PROBE_EVERY)

    async def _serving(self) -> None:
        """The default ServiceAccounts come a moment after their namespaces."""
        await self._machines.pods.synced.wait()
        await asyncio.sleep(2)

    async def _ignoring(self, work: Any) -> None:
        try:
            await work
        except (AlreadyExists, NotFound):
            return

    def _namespaces(self) -> list[str]:
        return [*(f"hollow-load-{number}" for number in range(NAMESPACE_COUNT)), SINGLE_NAMESPACE]

    def _deployments(self) -> list[tuple[str, str]]:
        count = -(-self._pods // REPLICAS)
        return [(f"hollow-load-{number % NAMESPACE_COUNT}", f"web-{number:03}") for number in range(count)]

    def _cpu(self) -> float:
        fields = self._proc("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100 if fields else 0.0

    def _memory(self) -> float:
        line = next((x for x in self._proc("status").splitlines() if x.startswith("VmRSS")), "")
        return int(line.split()[1]) / 1024 if line else 0.0

    def _proc(self, name: str) -> str:
        """Empty where there is no such thing as /proc."""
        try:
            return Path(f"/proc/{self._pid}/{name}").read_text(encoding="ascii") if self._pid else ""
        except OSError:
            return ""


def busiest(moments: list[float], window: float = 10.0) -> float:
    """How many a second came in the busiest `window` seconds; over less time, in all of it."""
    most, first = 0.0, 0
    for last, moment in enumerate(moments):
        while moment - moments[first] > window:
            first += 1
        most = max(most, last - first + 1)
    if not moments:
        return 0.0
    return most / max(1.0, min(window, moments[-1] - moments[0]))


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def _namespace(name: str) -> Json:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def _pod(name: str) -> Json:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": _pod_spec()}


def _pod_spec() -> Json:
    container = {
        "name": "main",
        "image": "registry.k8s.io/pause:3.10",
        "ports": [{"containerPort": 8080, "name": "http"}],
        "env": [{"name": f"VARIABLE_{i}", "value": f"value-{i}"} for i in range(5)],
        "resources": {"requests": {"cpu": "100m", "memory": "100Mi"}},
    }
    return {"containers": [container], "nodeSelector": {LABEL: "true"}}


def _deployment(name: str, replicas: int) -> Json:
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": _pod_spec()},
        },
    }
