"""Follows FlowSchemas and PriorityLevelConfigurations in a store, and says of each request where it belongs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from apimachinery.aio.clock import Clock
from apimachinery.client.client import Client
from apimachinery.objects.errors import StatusError
from apimachinery.objects.resources import FLOWSCHEMAS
from engine.apiserver.flow.levels import Level, Levels, Settings
from engine.apiserver.flow.matching import Asked, FlowSchema
from engine.apiserver.registry.flowcontrol.bootstrap import CATCH_ALL, EXEMPT, FLOW_SCHEMAS, PRIORITY_LEVELS
from engine.apiserver.registry.flowcontrol.flowschema import FLOW_SCHEMA, dangling
from engine.apiserver.registry.flowcontrol.prioritylevel import PRIORITY_LEVEL_CONFIGURATION
from engine.apiserver.request import Request
from engine.apiserver.route import routed
from engine.store.protocol import Change, Store

log = structlog.get_logger(__name__)

Labels = dict[str, str]
_REMEMBERED = 10_000
# Paths are the clients' to make up: what is remembered of them must not fill the memory.
_LONGEST_PATH = 300
_AGAIN = 2.0


class _Identity(msgspec.Struct, frozen=True):
    uid: str = ""


class _LevelSpec(msgspec.Struct, frozen=True):
    type: str = ""
    limited: Settings | None = None
    exempt: Settings | None = None


class _Level(msgspec.Struct, frozen=True):
    metadata: _Identity = _Identity()
    spec: _LevelSpec = _LevelSpec()

    @property
    def settings(self) -> tuple[Settings, bool]:
        exempt = self.spec.type == "Exempt"
        return (self.spec.exempt if exempt else self.spec.limited) or Settings(), exempt


@dataclass(frozen=True, slots=True)
class Flow:
    """Requests that belong together. `headers`: what to tell with the answer."""

    level: Level
    name: tuple[str, str]
    """The schema's name, and what distinguishes this flow from others of the schema."""
    headers: Mapping[str, str]


class Flows:
    """Use `of`, then the flow's level."""

    def __init__(self, store: Store) -> None:
        self.levels = Levels()
        self._store = store
        self._schemas: tuple[FlowSchema, ...] = ()
        self._uids: dict[str, str] = {}
        self._remembered: dict[Any, Flow] = {}
        self._stale = True
        self._wake = asyncio.Event()
        kinds = (FLOW_SCHEMA, PRIORITY_LEVEL_CONFIGURATION)
        self._subscriptions = [store.watch(kind.storage_prefix, 0, self._changed) for kind in kinds]

    def of(self, request: Request) -> Flow:
        """Where the request belongs."""
        if self._stale:
            self._read()
        user = request.user
        try:
            route = routed(request)
        except StatusError:
            route = None  # whoever answers it says so
        if route is None:
            key: Any = user, request.method, request.path
        else:
            key = user, route.verb, route.group, route.plural, route.subresource, route.namespace
        flow = self._remembered.get(key)
        if flow is None:
            if route is None:
                asked = Asked(user, request.method.lower(), path=request.path)
            else:
                resource = f"{route.plural}/{route.subresource}" if route.subresource else route.plural
                asked = Asked(user, route.verb, "", route.group, resource, route.namespace)
            flow = self._found(asked)
            if len(request.path) <= _LONGEST_PATH:
                if len(self._remembered) >= _REMEMBERED:
                    self._remembered.clear()
                self._remembered[key] = flow
        return flow

    async def run(self, client: Client, clock: Clock) -> None:
        """Keep telling in each schema's status whether its level exists; for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._stale:
                self._read()
            for schema in self._schemas:
                if schema.told != ("False" if self.levels.get(schema.level) is not None else "True"):
                    await self._tell(client, clock, schema)

    def gauges(self) -> Iterable[tuple[str, str, Callable[[], Iterable[tuple[Labels, float]]]]]:
        """Name, meaning and values of each, for metrics."""

        def show(name: str, meaning: str, value: Callable[[Level], int]) -> Any:
            read = lambda: [({"priority_level": level.name}, float(value(level))) for level in self.levels]  # noqa: E731
            return f"apiserver_flowcontrol_{name}", meaning, read

        return (
            show("nominal_limit_seats", "Seats of a priority level.", lambda level: level.nominal),
            show("current_executing_requests", "Requests being worked on.", lambda level: level.executing),
            show("current_inqueue_requests", "Requests that wait.", lambda level: level.waiting),
        )

    def close(self) -> None:
        for subscription in self._subscriptions:
            subscription.close()

    def _changed(self, _change: Change) -> None:
        self._stale = True
        self._wake.set()

    def _read(self) -> None:
        """All anew: it happens when somebody changes the configuration."""
        self._stale = False
        self._remembered.clear()
        found = self._store.list(PRIORITY_LEVEL_CONFIGURATION.storage_prefix).records
        levels = {record.key.rpartition("/")[2]: msgspec.json.decode(record.value, type=_Level) for record in found}
        for name in (EXEMPT, CATCH_ALL):
            # On the first start they are not in the store yet.
            levels.setdefault(name, msgspec.convert({"spec": PRIORITY_LEVELS[name]}, _Level))
        self._uids = {name: level.metadata.uid for name, level in levels.items()}
        self.levels.configure({name: level.settings for name, level in levels.items()})
        records = self._store.list(FLOW_SCHEMA.storage_prefix).records
        schemas = {
            record.key.rpartition("/")[2]: msgspec.json.decode(record.value, type=FlowSchema) for record in records
        }
        for name in (EXEMPT, CATCH_ALL):
            if name not in schemas:
                schemas[name] = msgspec.convert({"metadata": {"name": name}, "spec": FLOW_SCHEMAS[name]}, FlowSchema)
        self._schemas = tuple(sorted(schemas.values(), key=lambda schema: schema.rank))

    def _found(self, asked: Asked) -> Flow:
        for schema in self._schemas:
            level = self.levels.get(schema.level)
            if level is not None and schema.fits(asked):
                break
        else:
            # Somebody in no group at all: catch-all asks for one.
            schema = next(schema for schema in self._schemas if schema.name == CATCH_ALL)
            level = self.levels.get(CATCH_ALL)
            assert level is not None  # noqa: S101 - `_read` put it there
        uids = {
            "x-kubernetes-pf-flowschema-uid": schema.metadata.uid,
            "x-kubernetes-pf-prioritylevel-uid": self._uids[level.name],
        }
        headers = {name: uid for name, uid in uids.items() if uid}
        return Flow(level, (schema.name, schema.distinguisher(asked)), headers)

    async def _tell(self, client: Client, clock: Clock, schema: FlowSchema) -> None:
        condition = dangling(schema.level, clock.now(), exists=self.levels.get(schema.level) is not None)
        try:
            await client.patch(
                FLOWSCHEMAS,
                schema.name,
                {"status": {"conditions": [condition]}},
                kind="strategic",
                subresource="status",
            )
        except StatusError as error:
            if error.code != 404:
                log.warning(
                    "FlowSchema's status not written; trying again", flowschema=schema.name, error=error.message
                )
                await clock.sleep(_AGAIN)
                self._wake.set()
