"""Registering this machine as a Node, reporting its status, and renewing its Lease."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog

from apimachinery.aio.clock import Clock
from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import AlreadyExists, NotFound, StatusError
from apimachinery.objects.meta import Object, format_micro_time, format_time
from apimachinery.objects.resources import LEASES, NODES
from nodeagent.config import AgentConfig
from nodeagent.stats import node
from nodeagent.stats.node import NodeFacts

JSON = dict[str, Any]
log = structlog.get_logger(__name__)
LEASE_NAMESPACE = "kube-node-lease"
LEASE_SECONDS = 40
RENEW_SECONDS = 10.0
REPORT_SECONDS = 300.0
LOOK_SECONDS = 10.0
LOOK_UNREADY_SECONDS = 1.0


class RecordedCondition(msgspec.Struct, frozen=True):
    type: str
    status: str


class RecordedStatus(msgspec.Struct, frozen=True):
    conditions: tuple[RecordedCondition, ...] = ()


class RecordedNode(Object, frozen=True, rename="camel"):
    """What the API holds of our last report; others write there when they have not heard from us for a while."""

    status: RecordedStatus = RecordedStatus()


class Registrar:
    """`measure` takes one look at the machine."""

    def __init__(
        self, client: Client, config: AgentConfig, clock: Clock, measure: Callable[[], Awaitable[NodeFacts]]
    ) -> None:
        self._client = client
        self._config = config
        self._clock = clock
        self._measure = measure
        self._reported: JSON | None = None
        self._reported_at = 0.0
        self._uid = ""
        self._wake = asyncio.Event()

    def poke(self) -> None:
        """There is news that who places pods should not wait for."""
        self._wake.set()

    async def report(self) -> None:
        """Keep the Node registered and its status true, for ever."""
        while True:
            self._wake.clear()
            try:
                ready = await self.report_once()
            except (ConnectionFailed, StatusError) as error:
                log.info("node status not reported; trying again", error=str(error))
                self._reported = None
                ready = False
            try:
                async with asyncio.timeout(LOOK_SECONDS if ready else LOOK_UNREADY_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def report_once(self) -> bool:
        """Look, and report if there is news or it is time to; whether the machine is ready for pods."""
        facts = await self._measure()
        now = format_time(self._clock.now())
        before = {c["type"]: c for c in self._reported["conditions"]} if self._reported else {}
        status = node.status(facts, before, now, self._config.node_name)
        due = self._clock.monotonic() - self._reported_at >= REPORT_SECONDS
        if due or node.differs(self._reported, status) or not await self._is_recorded(status):
            if not self._uid:
                self._uid = await self._register(facts, now)
            await self._send(status)
            self._reported, self._reported_at = status, self._clock.monotonic()
        return any(c["type"] == "Ready" and c["status"] == "True" for c in status["conditions"])

    async def renew(self) -> None:
        """Keep the Lease fresh, for ever: it is what tells a slow machine from a dead one."""
        while True:
            try:
                renewed = await self._renew_once()
            except (ConnectionFailed, StatusError) as error:
                log.debug("lease not renewed", error=str(error))
                renewed = True
            await asyncio.sleep(RENEW_SECONDS if renewed else LOOK_UNREADY_SECONDS)

    async def _is_recorded(self, status: JSON) -> bool:
        """Whether the Node still says what we reported: after an outage its conditions have been set to Unknown."""
        try:
            held = await self._client.get(NODES, self._config.node_name, view=RecordedNode)
        except NotFound:
            self._uid = ""
            return False
        recorded = {condition.type: condition.status for condition in held.status.conditions}
        return all(recorded.get(condition["type"]) == condition["status"] for condition in status["conditions"])

    async def _register(self, facts: NodeFacts, now: str) -> str:
        """Create the Node, or correct the labels of one that was made for us; its uid."""
        name = self._config.node_name
        try:
            created = await self._client.create(NODES, node.registration(self._config, facts, now), view=Object)
            log.info("node registered", node=name)
            return created.metadata.uid
        except AlreadyExists:
            own = {"labels": node.labels(self._config, facts), "annotations": node.own_annotations(self._config, facts)}
            patch = {"metadata": own}
            return (await self._client.patch(NODES, name, patch, view=Object)).metadata.uid

    async def _send(self, status: JSON) -> None:
        # Addresses merge by type in the API: an address that is gone needs the whole list replaced.
        patch = {"status": {**status, "addresses": [{"$patch": "replace"}, *status["addresses"]]}}
        try:
            await self._client.patch(
                NODES, self._config.node_name, patch, kind="strategic", subresource="status", view=Object
            )
        except NotFound:
            self._uid = ""  # someone deleted the Node while we live: register anew
            raise

    async def _renew_once(self) -> bool:
        """False while there is no Node yet that could own the Lease."""
        name = self._config.node_name
        renewed = format_micro_time(self._clock.now())
        try:
            patch = {"spec": {"renewTime": renewed}}
            await self._client.patch(LEASES, name, patch, LEASE_NAMESPACE, view=Object)
        except NotFound:
            if not self._uid:
                return False
            owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": self._uid}
            lease = {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": name, "namespace": LEASE_NAMESPACE, "ownerReferences": [owner]},
                "spec": {"holderIdentity": name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": renewed},
            }
            await self._client.create(LEASES, lease, LEASE_NAMESPACE, view=Object)
        return True
