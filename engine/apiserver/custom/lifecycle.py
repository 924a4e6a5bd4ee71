"""What happens to definitions after they are stored: names are granted, and a deleted one takes its objects along.

Level-triggered: every round looks at all definitions, so an engine that was killed half-way goes on where it was.
Source: apiextensions-apiserver/pkg/controller/finalizer/crd_finalizer.go.
"""

from __future__ import annotations

import asyncio

import structlog

from apimachinery.aio.clock import Clock
from apimachinery.client.client import Client
from apimachinery.objects.errors import Conflict, NotFound, StatusError
from apimachinery.objects.meta import format_time
from apimachinery.objects.resources import Resource
from engine.apiserver.custom.naming import settle
from engine.apiserver.custom.table import CustomKinds, condition
from engine.apiserver.registry.apiextensions.customresourcedefinition import CLEANUP, set_condition
from engine.apiserver.registry.kind import Json
from engine.store.protocol import Store

log = structlog.get_logger(__name__)

DEFINITIONS = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)
_AGAIN = 1.0
"""Seconds until objects that could not go at once are looked at again."""


class Lifecycle:
    """Writes the status of definitions through the API as any controller would."""

    def __init__(self, kinds: CustomKinds, store: Store, client: Client, clock: Clock) -> None:
        self._kinds = kinds
        self._store = store
        self._client = client
        self._clock = clock
        self._wake = asyncio.Event()
        self._wake.set()
        kinds.definition_changed = self._wake.set

    async def run(self) -> None:
        """Work for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            unsettled = False
            for definition in self._kinds.definitions():
                try:
                    unsettled |= not await self._settle(definition)
                except (Conflict, NotFound):
                    unsettled = True
                except StatusError as error:
                    log.warning("definition not settled; trying again", crd=_name(definition), error=error.message)
                    unsettled = True
            if unsettled:
                try:
                    async with asyncio.timeout(_AGAIN):
                        await self._wake.wait()
                except TimeoutError:
                    self._wake.set()

    async def _settle(self, definition: Json) -> bool:
        """Do what is due for one definition; whether nothing is left to do."""
        now = format_time(self._clock.now())
        if definition["metadata"].get("deletionTimestamp"):
            return await self._clean(definition, now)
        status = settle(definition, self._kinds.definitions(), now)
        if status == definition.get("status"):
            return True
        await self._write_status(definition, status)
        return True

    async def _clean(self, definition: Json, now: str) -> bool:
        if CLEANUP not in definition["metadata"].get("finalizers", ()):
            return True
        left = await self._delete_objects(definition)
        if left:
            obj: Json = {"status": {**definition.get("status", {})}}
            obj["status"]["conditions"] = [dict(one) for one in obj["status"].get("conditions") or ()]
            message = f"{left} objects remain"
            set_condition(obj, "Terminating", "True", "InstanceDeletionInProgress", message, now=now)
            if obj["status"] != definition.get("status"):
                await self._write_status(definition, obj["status"])
            return False
        kept = [name for name in definition["metadata"]["finalizers"] if name != CLEANUP]
        log.info("custom resource definition is gone", crd=_name(definition))
        await self._client.update(
            DEFINITIONS, {**definition, "metadata": {**definition["metadata"], "finalizers": kept}}
        )
        return True

    async def _delete_objects(self, definition: Json) -> int:
        """Delete all objects of a kind; how many stay because of their finalizers."""
        if condition(definition, "Established") != "True":
            return 0
        spec: Json = definition["spec"]
        served = [one for one in spec["versions"] if one.get("served")]
        version = next((one["name"] for one in sorted(served, key=lambda one: not one.get("storage"))), "")
        names: Json = definition["status"]["acceptedNames"]
        resource = Resource(
            spec["group"], version, names["plural"], names["kind"], namespaced=spec["scope"] == "Namespaced"
        )
        prefix = f"/registry/{resource.group}/{resource.plural}/"
        for record in self._store.list(prefix).records:
            namespace, _, name = record.key[len(prefix) :].rpartition("/")
            try:
                await self._client.delete(resource, name, namespace or None)
            except NotFound:
                continue
        return self._store.count(prefix)

    async def _write_status(self, definition: Json, status: Json) -> None:
        await self._client.update(DEFINITIONS, {**definition, "status": status}, subresource="status")


def _name(definition: Json) -> str:
    return definition["metadata"]["name"]
