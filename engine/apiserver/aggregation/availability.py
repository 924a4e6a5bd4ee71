"""Looks whether the servers behind APIServices answer, writes it into their status, and keeps what they describe.

Source: kube-aggregator/pkg/controllers/status/remote.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec
import structlog

from apimachinery.aio.clock import Clock
from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import StatusError
from apimachinery.objects.meta import format_time
from engine.apiserver.aggregation.registration import API_SERVICES
from engine.apiserver.aggregation.serving import Aggregation
from engine.apiserver.aggregation.table import APIService
from engine.apiserver.reach.ways import Ways
from engine.apiserver.registry.apiregistration.apiservice import AVAILABLE, with_condition
from engine.apiserver.registry.core.service import SERVICE
from engine.apiserver.registry.discovery.endpointslice import ENDPOINT_SLICE
from engine.apiserver.request import User
from engine.store.protocol import Store

log = structlog.get_logger(__name__)
Json = dict[str, Any]

CHECKER = User("system:kube-aggregator", ("system:masters",))
READER = User("system:aggregator", ("system:masters", "system:authenticated"))
_JSON = "application/json"
_ATTEMPTS = 3
_CHECK_SECONDS = 5.0
_DOCUMENT_SECONDS = 20.0
_LARGEST_DOCUMENT = 32 << 20
_EVERY = 30.0
_SOON = 2.0
"""Seconds until a server that failed is asked again."""
_DOCUMENTS_EVERY = 60.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What is found about a server."""

    status: str
    reason: str
    message: str


PASSED = Finding("True", "Passed", "all checks passed")


@dataclass(slots=True)
class Described:
    """What a server said of itself; `generation` counts its changes."""

    resources: list[Json] = field(default_factory=list[Json])
    openapi_v2: Json | None = None
    openapi_v3: Json | None = None
    """The entries of its index, by path."""
    read_at: float = float("-inf")


def before_asking(service: Json | None, slices: list[Json], spec: Any) -> Finding | None:
    """What the objects alone tell; None when the server has to be asked. Pure."""
    named = f"service/{spec.service.name}"
    where = f'"{spec.service.namespace}"'
    if service is None:
        return Finding("False", "ServiceNotFound", f"{named} in {where} is not present")
    if service["spec"].get("type", "ClusterIP") != "ClusterIP":
        return None
    ports: list[Json] = service["spec"].get("ports") or []
    port = next((one for one in ports if one["port"] == spec.service.port), None)
    if port is None:
        text = f"{named} in {where} is not listening on port {spec.service.port}"
        return Finding("False", "ServicePortError", text)
    if not slices:
        return Finding("False", "EndpointsNotFound", f"cannot find endpointslices for {named} in {where}")
    name = port.get("name", "")
    if not any(_has_endpoint(piece, name) for piece in slices):
        text = f'endpointslices for {named} in {where} have no addresses with port name "{name}"'
        return Finding("False", "MissingEndpoints", text)
    return None


def _has_endpoint(piece: Json, port_name: str) -> bool:
    ready = any((one.get("conditions") or {}).get("ready") is not False for one in piece.get("endpoints") or ())
    return ready and any(
        (one.get("name") or "") == port_name and one.get("port") is not None for one in piece.get("ports") or ()
    )


class Availability:
    """`described` holds what the available servers serve, by group and version."""

    def __init__(self, aggregation: Aggregation, ways: Ways, store: Store, client: Client, clock: Clock) -> None:
        self._aggregation = aggregation
        self._ways = ways
        self._client = client
        self._clock = clock
        self._wake = asyncio.Event()
        self.described: dict[tuple[str, str], Described] = {}
        self.generation = 0
        """Changes with `described`."""
        aggregation.services.changed.append(self._noticed)
        self._subscriptions = [
            store.watch(kind.storage_prefix, 0, lambda _change: self._noticed()) for kind in (SERVICE, ENDPOINT_SLICE)
        ]

    def close(self) -> None:
        for subscription in self._subscriptions:
            subscription.close()

    def _noticed(self) -> None:
        if self._aggregation.services.remote() or self.described:
            self._wake.set()

    async def run(self) -> None:
        """Work for ever."""
        self._noticed()
        while True:
            remote = self._aggregation.services.remote()
            self._forget({one.group_version for one in remote})
            settled = True
            # One after the other would let a dead server hold up the rest.
            for found in await asyncio.gather(*(self._look(one) for one in remote)):
                settled &= found
            if not remote:
                await self._wake.wait()
            else:
                try:
                    async with asyncio.timeout(_EVERY if settled else _SOON):
                        await self._wake.wait()
                except TimeoutError:
                    pass
            self._wake.clear()

    def _forget(self, kept: set[tuple[str, str]]) -> None:
        for gone in self.described.keys() - kept:
            del self.described[gone]
            self.generation += 1

    async def _look(self, service: APIService) -> bool:
        """Check one server and say so in its status; whether there is nothing to do soon."""
        reference = service.spec.service
        if reference is None:
            return True
        found = before_asking(
            self._ways.service(reference.namespace, reference.name),
            self._ways.slices(reference.namespace, reference.name),
            service.spec,
        )
        waiting = found is not None
        if found is None:
            found = await self._ask(service)
        try:
            await self._report(service, found)
        except (StatusError, ConnectionFailed) as error:
            log.info("status of an APIService not written; trying again", apiservice=service.name, error=str(error))
            return False
        if found.status == "True":
            await self._read_documents(service)
        # Objects that change wake us; a server that comes back does not.
        return waiting or found.status == "True"

    async def _ask(self, service: APIService) -> Finding:
        group, version = service.group_version
        path = f"/apis/{group}/{version}"
        text = ""
        for _ in range(_ATTEMPTS):
            try:
                async with asyncio.timeout(_CHECK_SECONDS):
                    listed = await self._get(service, path, CHECKER)
            except TimeoutError:
                text = f"failing or missing response from {_shown(service, path)}: context deadline exceeded"
            except _BadStatus as error:
                text = (
                    f"failing or missing response from {_shown(service, path)}:"
                    f" bad status from {_shown(service, path)}: {error.code}"
                )
            except (StatusError, aiohttp.ClientError, OSError) as error:
                text = f"failing or missing response from {_shown(service, path)}: {error}"
            else:
                self._keep_resources(service, listed)
                return PASSED
        return Finding("False", "FailedDiscoveryCheck", text)

    def _keep_resources(self, service: APIService, listed: bytes) -> None:
        try:
            document = msgspec.json.decode(listed)
        except msgspec.DecodeError:
            document = {}
        resources: list[Json] = document.get("resources") or [] if isinstance(document, dict) else []
        known = self.described.setdefault(service.group_version, Described())
        if known.resources != resources:
            known.resources = resources
            self.generation += 1

    async def _read_documents(self, service: APIService) -> None:
        """What it says of its types, now and then: clients' validation and `explain` live on it."""
        known = self.described.setdefault(service.group_version, Described())
        now = self._clock.monotonic()
        if now - known.read_at < _DOCUMENTS_EVERY:
            return
        known.read_at = now
        v2, v3 = await asyncio.gather(self._document(service, "/openapi/v2"), self._document(service, "/openapi/v3"))
        paths: Json | None = (v3 or {}).get("paths")
        if (known.openapi_v2, known.openapi_v3) != (v2, paths):
            known.openapi_v2, known.openapi_v3 = v2, paths
            self.generation += 1

    async def _document(self, service: APIService, path: str) -> Json | None:
        """None when there is none that can be read: its API is served without."""
        try:
            async with asyncio.timeout(_DOCUMENT_SECONDS):
                found = msgspec.json.decode(await self._get(service, path, READER))
        except (TimeoutError, _BadStatus, StatusError, aiohttp.ClientError, OSError, msgspec.DecodeError) as error:
            log.info("server without a readable document", apiservice=service.name, path=path, error=str(error))
            return None
        return found if isinstance(found, dict) else None

    async def _get(self, service: APIService, path: str, user: User) -> bytes:
        async with self._aggregation.exchange(service, path, _JSON, user) as answer:
            if not 200 <= answer.status < 300:
                raise _BadStatus(answer.status)
            body = bytearray()
            async for chunk in answer.content.iter_any():
                body += chunk
                if len(body) > _LARGEST_DOCUMENT:
                    raise OSError(f"the answer is larger than {_LARGEST_DOCUMENT} bytes")
            return bytes(body)

    async def _report(self, service: APIService, found: Finding) -> None:
        now = next((one for one in service.status.conditions if one.type == AVAILABLE), None)
        if now is not None and (now.status, now.reason, now.message) == (found.status, found.reason, found.message):
            return
        log.info("APIService", apiservice=service.name, available=found.status, reason=found.reason)
        conditions: list[Json] = msgspec.to_builtins(service.status.conditions)
        conditions = with_condition(
            list(conditions), found.status, found.reason, found.message, format_time(self._clock.now())
        )
        change = {
            "metadata": {"resourceVersion": service.metadata.resource_version},
            "status": {"conditions": conditions},
        }
        await self._client.patch(API_SERVICES, service.name, change, kind="merge", subresource="status")


class _BadStatus(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(f"status {code}")
        self.code = code


def _shown(service: APIService, path: str) -> str:
    reference = service.spec.service
    if reference is None:
        return path
    return f"https://{reference.name}.{reference.namespace}.svc:{reference.port}{path}"
