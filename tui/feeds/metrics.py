"""What pods and machines use now, from metrics.k8s.io, and what they asked for. Quiet where it is not served."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from apimachinery.aio.clock import Clock
from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects import podresources
from apimachinery.objects.errors import StatusError
from apimachinery.objects.resources import NODES, PODS, Resource
from tui.amounts import bytes_of, milli_of
from tui.usagecells import Budget, Usage

POD_METRICS = Resource("metrics.k8s.io", "v1beta1", "pods", "PodMetrics", True)
NODE_METRICS = Resource("metrics.k8s.io", "v1beta1", "nodes", "NodeMetrics", False)
PERIOD = 15.0
"""Seconds between looks; metrics-server measures about as often."""
NOT_SERVED_PERIOD = 120.0
FEW = 20
"""Up to so many unknown objects are read one by one, more by a list."""
PAGE = 500


class _Meta(msgspec.Struct, frozen=True):
    name: str = ""
    namespace: str = ""
    uid: str = ""


class _Container(msgspec.Struct, frozen=True):
    name: str = ""
    usage: dict[str, str] = {}


class _Metrics(msgspec.Struct, frozen=True):
    metadata: _Meta = _Meta()
    containers: list[_Container] = []
    usage: dict[str, str] = {}


class _AskingContainer(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    resources: dict[str, Any] | None = None
    restart_policy: str | None = None


class _AskingSpec(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    containers: list[_AskingContainer] = []
    init_containers: list[_AskingContainer] | None = None
    resources: dict[str, Any] | None = None
    overhead: dict[str, str] | None = None


class _Asking(msgspec.Struct, frozen=True):
    """A pod's share of what it asks for, or a machine's allocatable."""

    metadata: _Meta = _Meta()
    spec: _AskingSpec = _AskingSpec()
    status: dict[str, Any] = {}


def key_of(namespace: str, name: str) -> str:
    return f"{namespace}/{name}" if namespace else name


class MetricsFeed:
    """Looks again and again until cancelled; `on_change` is called after each look that brought something.

    `usage` goes by `namespace/name` (or name), `budgets` too. `wanted` tells whose budgets are; `name` narrows to one.
    """

    def __init__(
        self,
        client: Client,
        resource: Resource,
        namespaces: Sequence[str | None] = (None,),
        *,
        clock: Clock,
        name: str = "",
        label_selector: str = "",
        wanted: Callable[[], Iterable[str]] = tuple,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.usage: dict[str, Usage] = {}
        self.budgets: dict[str, Budget] = {}
        self._client = client
        self._of_pods = resource.plural == "pods"
        self._namespaces = tuple(namespaces)
        self._name = name
        self._label_selector = label_selector
        self._clock = clock
        self._wanted = wanted
        self._on_change = on_change
        self._kick = asyncio.Event()

    async def run(self) -> None:
        while True:
            served = await self.look()
            until = self._clock.monotonic() + (PERIOD if served else NOT_SERVED_PERIOD)
            while (left := until - self._clock.monotonic()) > 0:
                self._kick.clear()
                try:
                    async with asyncio.timeout(left):
                        await self._kick.wait()
                except TimeoutError:
                    break
                await self._catch_up()

    def rows_came(self) -> None:
        """Objects are wanted that were not before: what they asked for is looked up at once."""
        self._kick.set()

    async def _catch_up(self) -> None:
        try:
            await self._learn_budgets()
        except (StatusError, ConnectionFailed, msgspec.MsgspecError):
            return
        self._on_change()

    async def look(self) -> bool:
        """One look; False when nothing is served, or not to us."""
        resource = POD_METRICS if self._of_pods else NODE_METRICS
        found: dict[str, Usage] = {}
        try:
            for namespace in self._namespaces:
                measured = await self._measured(resource, namespace)
                for number, one in enumerate(measured):
                    found[key_of(one.metadata.namespace, one.metadata.name)] = _usage(one)
                    if number % PAGE == PAGE - 1:
                        # Ten thousand pods must not hold up a key.
                        await asyncio.sleep(0)
            self.usage = found
            await self._learn_budgets()
        except ConnectionFailed:
            return bool(self.usage)
        except (StatusError, msgspec.MsgspecError):
            if not self.usage:
                return False
            self.usage = {}
        self._on_change()
        return True

    async def _measured(self, resource: Resource, namespace: str | None) -> list[_Metrics]:
        if self._name:
            return [await self._client.get(resource, self._name, namespace, view=_Metrics)]
        page = await self._client.list(resource, namespace, view=_Metrics, label_selector=self._label_selector)
        return page.items

    async def _learn_budgets(self) -> None:
        resource = PODS if self._of_pods else NODES
        unknown = [key for key in self._wanted() if key in self.usage and key not in self.budgets]
        if 0 < len(unknown) <= FEW:
            await asyncio.gather(*(self._learn_one(resource, key) for key in unknown))
        elif unknown:
            for namespace in self._namespaces:
                await self._learn_all(resource, namespace)
        for gone in [key for key in self.budgets if key not in self.usage]:
            del self.budgets[gone]

    async def _learn_one(self, resource: Resource, key: str) -> None:
        namespace, _, name = key.rpartition("/")
        try:
            self.budgets[key] = _budget(await self._client.get(resource, name, namespace or None, view=_Asking))
        except StatusError:
            # Gone meanwhile, or not ours to read: its share stays unsaid.
            self.budgets[key] = Budget()

    async def _learn_all(self, resource: Resource, namespace: str | None) -> None:
        after = ""
        while True:
            page = await self._client.list(
                resource, namespace, view=_Asking, label_selector=self._label_selector, limit=PAGE, continue_=after
            )
            for one in page.items:
                self.budgets[key_of(one.metadata.namespace, one.metadata.name)] = _budget(one)
            after = page.continue_
            if not after:
                return


def _usage(one: _Metrics) -> Usage:
    if one.usage:
        return Usage(cpu=milli_of(one.usage.get("cpu")), memory=bytes_of(one.usage.get("memory")))
    parts = {
        part.name: Usage(cpu=milli_of(part.usage.get("cpu")), memory=bytes_of(part.usage.get("memory")))
        for part in one.containers
    }
    return Usage(
        cpu=sum(part.cpu for part in parts.values()),
        memory=sum(part.memory for part in parts.values()),
        containers=parts,
    )


def _budget(one: _Asking) -> Budget:
    allocatable = one.status.get("allocatable")
    if allocatable:
        cpu, memory = milli_of(allocatable.get("cpu")), bytes_of(allocatable.get("memory"))
        return Budget(cpu_request=cpu, cpu_limit=cpu, memory_request=memory, memory_limit=memory)
    try:
        spec = msgspec.to_builtins(one.spec)
        requests, limits = podresources.of_pod(spec, "requests"), podresources.of_pod(spec, "limits")
    except ValueError:
        return Budget()
    return Budget(
        cpu_request=int(requests.get("cpu", 0) * 1000),
        cpu_limit=int(limits.get("cpu", 0) * 1000),
        memory_request=int(requests.get("memory", 0)),
        memory_limit=int(limits.get("memory", 0)),
    )


def container_budget(spec: Mapping[str, Any]) -> Budget:
    """Of one container, from its spec."""
    resources = spec.get("resources") or {}
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    return Budget(
        cpu_request=milli_of(requests.get("cpu")),
        cpu_limit=milli_of(limits.get("cpu")),
        memory_request=bytes_of(requests.get("memory")),
        memory_limit=bytes_of(limits.get("memory")),
    )
