"""A cluster in one process: a real API server, our controllers and scheduler, and machines that only pretend."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from apimachinery.aio.clock import SystemClock
from apimachinery.aio.tasks import TaskScope
from apimachinery.client.client import Client
from apimachinery.client.transport import Transport
from apimachinery.objects.errors import Conflict, NotFound
from apimachinery.objects.meta import format_micro_time, format_time
from apimachinery.objects.resources import (
    DEPLOYMENTS,
    ENDPOINTSLICES,
    EVENTS,
    LEASES,
    NODES,
    PODS,
    REPLICASETS,
    Resource,
)
from engine.apiserver.server import ApiServer
from engine.controllers.autoscaling.views import Metrics
from engine.runtime.controllers import ControllersConfig, run_controllers
from engine.runtime.scheduling import run_scheduler
from engine.scheduler.configuration import DEFAULTS, SchedulerConfig

Json = dict[str, Any]
T = TypeVar("T")
PATIENT = ControllersConfig()
QUICK = ControllersConfig(node_grace=1.0, orphan_quarantine=0.3)
"""For tests in which machines fall silent. Too quick for others: a busy computer makes any machine silent for long."""


class Kubelets:
    """Machines that make bound pods ready and confirm deletions, as long as they are not cut off."""

    def __init__(self, client: Client, names: Iterable[str], *, ready_after: float = 0.0) -> None:
        self.client = client
        self.names = tuple(names)
        self.cut: set[str] = set()
        self.broken_images: set[str] = set()
        self.exit_codes: dict[str, int] = {}
        """By image the code with which its container ends at once."""
        self.exit_code: Callable[[Json], int | None] = lambda _: None
        """By pod likewise; None for one that goes on."""
        self.started: list[str] = []
        self._ready_after = ready_after
        self._clock = SystemClock()
        self._ips = 1

    async def register(self, name: str, *, cpu: str = "8") -> None:
        await self.client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
        await self.report(name, cpu=cpu)

    async def report(self, name: str, *, cpu: str = "8") -> None:
        now = format_time(self._clock.now())
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": now}
        kinds = ("MemoryPressure", "DiskPressure", "PIDPressure")
        others = [{"type": kind, "status": "False", "lastHeartbeatTime": now} for kind in kinds]
        allocatable = {"cpu": cpu, "memory": "16Gi", "pods": "250"}
        status = {"allocatable": allocatable, "capacity": allocatable, "conditions": [ready, *others]}
        await self.client.patch(NODES, name, {"status": status}, kind="strategic", subresource="status")

    async def run(self) -> None:
        async with TaskScope("kubelets") as scope:
            scope.spawn("heartbeats", self._heartbeats())
            page = await self.client.list(PODS)
            for pod in page.items:
                scope.spawn("pod", self._care(pod))
            async for event in self.client.watch(PODS, resource_version=page.resource_version):
                if event.type in ("ADDED", "MODIFIED"):
                    scope.spawn("pod", self._care(event.object))

    async def heal(self, name: str) -> None:
        """The machine is back: it says so, and looks at its pods again."""
        self.cut.discard(name)
        await self.report(name)
        for pod in (await self.client.list(PODS)).items:
            await self._care(pod, again=True)

    async def _heartbeats(self) -> None:
        while True:
            for name in self.names:
                if name not in self.cut:
                    await self._renew(name)
                    await self._answer(name)
            await asyncio.sleep(0.15)

    async def _renew(self, name: str) -> None:
        spec = {"holderIdentity": name, "renewTime": format_micro_time(self._clock.now())}
        try:
            await self.client.patch(LEASES, name, {"spec": spec}, "kube-node-lease")
        except NotFound:
            lease = {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": name, "namespace": "kube-node-lease"},
                "spec": {**spec, "leaseDurationSeconds": 40},
            }
            await self.client.create(LEASES, lease)

    async def _answer(self, name: str) -> None:
        """As an agent does: who was given up for lost says that it is there."""
        try:
            node = await self.client.get(NODES, name)
        except NotFound:
            return
        conditions = node.get("status", {}).get("conditions") or ()
        if any(c["type"] == "Ready" and c["status"] == "Unknown" for c in conditions):
            await self.heal(name)

    async def _care(self, pod: Json, *, again: bool = False) -> None:
        meta, spec = pod["metadata"], pod["spec"]
        machine = spec.get("nodeName")
        if not machine or machine in self.cut or machine not in self.names:
            return
        try:
            if meta.get("deletionTimestamp"):
                await self.client.delete(
                    PODS, meta["name"], meta["namespace"], uid=meta["uid"], grace_period_seconds=0
                )  # fmt: skip
            elif pod["status"].get("phase") == "Pending" or again:
                await self._start(pod, machine)
        except (NotFound, Conflict):
            return

    async def _start(self, pod: Json, machine: str) -> None:
        meta = pod["metadata"]
        if meta["uid"] not in self.started:
            self.started.append(meta["uid"])
        if self._ready_after:
            await asyncio.sleep(self._ready_after)
        if machine in self.cut:
            return
        image = pod["spec"]["containers"][0]["image"]
        works = image not in self.broken_images
        self._ips += 1
        ip = f"10.42.{self._ips // 250}.{self._ips % 250 + 1}"
        now = format_time(self._clock.now())
        ready = {"type": "Ready", "status": "True" if works else "False", "lastTransitionTime": now}
        status: Json = {
            "phase": "Running",
            "startTime": now,
            "podIP": ip,
            "podIPs": [{"ip": ip}],
            "conditions": [ready],
        }
        running = {"state": {"running": {"startedAt": now}}, "imageID": "", "ready": works, "restartCount": 0}
        status["containerStatuses"] = [
            {"name": one["name"], "image": one["image"], **running} for one in pod["spec"]["containers"]
        ]
        code = self.exit_codes.get(image, self.exit_code(pod))
        if code is not None:
            ended = {"name": "c", "state": {"terminated": {"exitCode": code, "finishedAt": now}}, "image": image}
            status["phase"] = "Failed" if code else "Succeeded"
            status["conditions"] = [{**ready, "status": "False"}]
            status["containerStatuses"] = [{**ended, "imageID": "", "ready": False, "restartCount": 0}]
        body = {"metadata": {"uid": meta["uid"]}, "status": status}
        await self.client.patch(PODS, meta["name"], body, meta["namespace"], kind="strategic", subresource="status")


class Cluster:
    """What tests ask of the cluster."""

    def __init__(self, client: Client, kubelets: Kubelets, scope: TaskScope) -> None:
        self.client = client
        self.kubelets = kubelets
        self.scope = scope

    async def items(self, resource: Resource, namespace: str | None = None, **query: Any) -> list[Json]:
        return (await self.client.list(resource, namespace, **query)).items

    async def deployment(self, name: str = "web") -> Json:
        return await self.client.get(DEPLOYMENTS, name, "default")

    async def sets(self) -> list[Json]:
        return await self.items(REPLICASETS)

    async def active_pods(self) -> list[Json]:
        return [
            pod
            for pod in await self.items(PODS)
            if not pod["metadata"].get("deletionTimestamp") and pod["status"]["phase"] not in ("Failed", "Succeeded")
        ]

    async def reasons(self) -> set[str]:
        return {event["reason"] for event in await self.items(EVENTS)}

    async def ready_addresses(self, service: str = "web") -> int:
        pieces = await self.items(ENDPOINTSLICES, "default", label_selector=f"kubernetes.io/service-name={service}")
        return sum(e["conditions"]["ready"] for piece in pieces for e in piece.get("endpoints") or ())

    async def rolled_out(self, name: str = "web", timeout: float = 15) -> Json:
        async def done() -> Json | None:
            latest[:] = [await self.deployment(name)]
            return latest[0] if complete(latest[0]) else None

        latest: list[Json] = []
        try:
            return await eventually(done, timeout)
        except AssertionError:
            pods = [(p["metadata"]["name"], p["status"]["phase"]) for p in await self.items(PODS)]
            sets = [(s["metadata"]["name"], s["spec"]["replicas"], s["status"]) for s in await self.sets()]
            raise AssertionError(f"not rolled out: {latest[0]['status']}\nsets: {sets}\npods: {pods}") from None

    async def set_image(self, image: str, name: str = "web") -> None:
        containers = [{"name": "c", "image": image}]
        patch = {"spec": {"template": {"spec": {"containers": containers}}}}
        await self.client.patch(DEPLOYMENTS, name, patch, "default", kind="strategic")


def complete(deployment: Json) -> bool:
    """As `kubectl rollout status` judges."""
    wanted, status = deployment["spec"]["replicas"], deployment["status"]
    return (
        status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
        and status.get("updatedReplicas", 0) == wanted
        and status.get("replicas", 0) == wanted
        and status.get("availableReplicas", 0) == wanted
    )


def deployment(name: str = "web", *, replicas: int = 3, image: str = "nginx:1", **spec: Any) -> Json:
    pod_spec: Json = {"containers": [{"name": "c", "image": image}], **spec.pop("pod", {})}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": pod_spec},
            **spec,
        },
    }


def service(name: str = "web") -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80}]},
    }


async def eventually(ask: Callable[[], Any], timeout: float = 10) -> Any:
    """Wait until `ask` (which may be a coroutine function) answers something true; answer that."""
    answer = None
    try:
        async with asyncio.timeout(timeout):
            while True:
                answer = ask()
                if asyncio.iscoroutine(answer):
                    answer = await answer
                if answer:
                    return answer
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"not within {timeout} s; the last answer was {answer!r}") from None


@asynccontextmanager
async def running(
    api: ApiServer,
    *,
    machines: int = 3,
    config: ControllersConfig = PATIENT,
    wrap: Callable[[Transport], Transport] = lambda transport: transport,
    ready_after: float = 0.0,
    register: bool = True,
    metrics: Metrics | None = None,
    scheduling: SchedulerConfig = DEFAULTS,
) -> AsyncIterator[Cluster]:
    """Controllers, scheduler and machines on this API; `wrap` gives the controllers a worse connection."""
    clock = SystemClock()
    client = api.client("admin")
    kubelets = Kubelets(client, [f"m{n}" for n in range(1, machines + 1)], ready_after=ready_after)

    def connection(name: str) -> Client:
        return Client(wrap(api.client(name).transport), field_manager=name)

    async with TaskScope("cluster") as scope:
        scope.spawn(
            "controllers", run_controllers(connection("kube-controller-manager"), clock, config, metrics=metrics)
        )
        scope.spawn("scheduler", run_scheduler(connection("kube-scheduler"), clock, scheduling))
        if register:
            for name in kubelets.names:
                await kubelets.register(name)
        scope.spawn("kubelets", kubelets.run())
        yield Cluster(client, kubelets, scope)
