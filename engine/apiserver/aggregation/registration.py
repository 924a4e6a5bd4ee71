"""Keeps an APIService for each group and version that we serve ourselves, users' kinds included.

Sources: kube-aggregator/pkg/controllers/autoregister, pkg/controlplane/apiserver (priorities).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from apimachinery.client.client import Client
from apimachinery.objects.errors import AlreadyExists, Conflict, NotFound, StatusError
from apimachinery.objects.resources import Resource
from engine.apiserver.aggregation.table import APIService, APIServices
from engine.apiserver.registry.apiextensions.customresourcedefinition import CUSTOM_RESOURCE_DEFINITION
from engine.apiserver.registry.apiregistration.apiservice import API_SERVICE
from engine.apiserver.registry.kind import Kind
from engine.store.protocol import Store

log = structlog.get_logger(__name__)

API_SERVICES = Resource(API_SERVICE.group, "v1", API_SERVICE.plural, API_SERVICE.kind, namespaced=False)
MANAGED = "kube-aggregator.kubernetes.io/automanaged"
_AGAIN = 2.0
USERS_PRIORITY = 1000
"""How important the groups of users' kinds are."""
GROUP_PRIORITIES = {
    "": 18000, "apps": 17800, "events.k8s.io": 17750, "authentication.k8s.io": 17700, "authorization.k8s.io": 17600,
    "autoscaling": 17500, "batch": 17400, "certificates.k8s.io": 17300, "networking.k8s.io": 17200, "policy": 17100,
    "rbac.authorization.k8s.io": 17000, "storage.k8s.io": 16800, "apiextensions.k8s.io": 16700,
    "admissionregistration.k8s.io": 16700, "scheduling.k8s.io": 16600, "coordination.k8s.io": 16500,
    "node.k8s.io": 16300, "discovery.k8s.io": 16200, "flowcontrol.apiserver.k8s.io": 16100, "resource.k8s.io": 15900,
}  # fmt: skip
_VERSIONS = {("", "v1"): 1, ("autoscaling", "v2"): 30}
_METRICS = (100, 100)
"""As metrics-server has it, which may serve in our place."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """An APIService as it should be. `always`: whenever it is otherwise, not on start alone."""

    group: str
    version: str
    priorities: tuple[int, int]
    always: bool
    replaceable: bool = False
    """Whoever registers a Service under this name serves it from then on."""

    @property
    def name(self) -> str:
        return f"{self.version}.{self.group}"

    @property
    def spec(self) -> dict[str, Any]:
        group, version = self.priorities
        named = {"group": self.group} if self.group else {}
        return {**named, "version": self.version, "groupPriorityMinimum": group, "versionPriority": version}


@dataclass(frozen=True, slots=True)
class Plan:
    create: tuple[Wanted, ...] = ()
    update: tuple[Wanted, ...] = ()
    delete: tuple[str, ...] = ()


def wanted_of(kinds: Iterable[Kind]) -> dict[str, Wanted]:
    """The APIServices of all that we serve but their own group, by name."""
    found: dict[str, Wanted] = {}
    for kind in kinds:
        if kind.group == API_SERVICE.group:
            continue
        one = _wanted(kind)
        found.setdefault(one.name, one)
    return found


def _wanted(kind: Kind) -> Wanted:
    group, version = kind.group, kind.version
    if kind.measured:
        return Wanted(group, version, _METRICS, always=True, replaceable=True)
    if kind.definition or group not in GROUP_PRIORITIES:
        return Wanted(group, version, (USERS_PRIORITY, 100), always=True)
    return Wanted(group, version, (GROUP_PRIORITIES[group], _VERSIONS.get((group, version), 15)), always=False)


def plan(wanted: Mapping[str, Wanted], current: Mapping[str, APIService], done: frozenset[str]) -> Plan:
    """`done`: those that were right once, of which on-start ones are left alone from then on."""
    create = tuple(one for name, one in wanted.items() if name not in current)
    update = tuple(
        one
        for name, one in wanted.items()
        if name in current and not _right(one, current[name]) and (one.always or name not in done)
    )
    delete = tuple(
        name
        for name, one in current.items()
        if name not in wanted and one.spec.service is None and one.metadata.labels.get(MANAGED)
    )
    return Plan(create, update, delete)


def _right(one: Wanted, found: APIService) -> bool:
    if not found.metadata.labels.get(MANAGED):
        return True  # a user's own
    spec = found.spec
    if spec.service is not None:
        return one.replaceable
    return (spec.group_priority_minimum, spec.version_priority) == one.priorities


class Registration:
    """Does what `plan` says whenever kinds or APIServices change."""

    def __init__(
        self, services: APIServices, kinds: Callable[[], tuple[Kind, ...]], store: Store, client: Client
    ) -> None:
        self._services = services
        self._kinds = kinds
        self._client = client
        self._done: frozenset[str] = frozenset()
        self._wake = asyncio.Event()
        self._wake.set()
        services.changed.append(self._wake.set)
        prefix = CUSTOM_RESOURCE_DEFINITION.storage_prefix
        self._subscription = store.watch(prefix, 0, lambda _change: self._wake.set())

    def close(self) -> None:
        self._subscription.close()

    async def run(self) -> None:
        """Work for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            wanted = wanted_of(self._kinds())
            current = {one.name: one for one in self._services.all()}
            due = plan(wanted, current, self._done)
            if await self._do(due):
                self._done |= wanted.keys()
            else:
                await asyncio.sleep(_AGAIN)
                self._wake.set()

    async def _do(self, due: Plan) -> bool:
        """Whether all of it is done."""
        done = True
        for one in due.create:
            done &= await self._tried(one.name, self._create(one))
        for one in due.update:
            change = {"spec": {**one.spec, "service": None, "caBundle": None, "insecureSkipTLSVerify": None}}
            done &= await self._tried(one.name, self._client.patch(API_SERVICES, one.name, change, kind="merge"))
        for name in due.delete:
            done &= await self._tried(name, self._client.delete(API_SERVICES, name))
        return done

    async def _create(self, one: Wanted) -> None:
        labels = {MANAGED: "true" if one.always else "onstart"}
        await self._client.create(
            API_SERVICES,
            {
                "apiVersion": API_SERVICES.api_version,
                "kind": API_SERVICES.kind,
                "metadata": {"name": one.name, "labels": labels},
                "spec": one.spec,
            },
        )

    async def _tried(self, name: str, work: Any) -> bool:
        try:
            await work
        except (AlreadyExists, NotFound, Conflict):
            return True  # somebody else was faster; the change that he made wakes us
        except StatusError as error:
            log.warning("APIService not registered; trying again", apiservice=name, error=error.message)
            return False
        return True
