"""One leader among several engines: whoever holds a Lease does the work, the others wait to take it over.

Records and rules are client-go's (tools/leaderelection): a follower counts the leader's silence on its own clock, from
when it last saw the record change, so that clocks need not agree. Work stops well before others may take over.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog

from apimachinery.aio.clock import Clock
from apimachinery.aio.tasks import TaskScope
from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import NotFound, StatusError
from apimachinery.objects.meta import format_micro_time
from apimachinery.objects.resources import LEASES

log = structlog.get_logger(__name__)

Json = dict[str, Any]
NAMESPACE = "kube-system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Seconds. A leader that cannot renew for `renew_deadline` stops; after `duration` of silence another begins."""

    duration: float = 10.0
    renew_deadline: float = 7.0
    retry: float = 1.5


TERMS = Terms()


@dataclass(frozen=True, slots=True)
class Sighting:
    """A Lease's spec, and when on our own clock it was first seen like this."""

    spec: Json
    since: float


def sighted(last: Sighting | None, spec: Json, now: float) -> Sighting:
    """Silence goes on only while the record stays exactly the same."""
    return last if last is not None and last.spec == spec else Sighting(spec, now)


def may_take(seen: Sighting, identity: str, now: float, terms: Terms) -> bool:
    """Whether a candidate may write itself into the Lease: it is ours, free, or its holder has been silent too long."""
    holder = seen.spec.get("holderIdentity")
    return not holder or holder == identity or now >= seen.since + terms.duration


def claim(spec: Json, identity: str, wall_time: str, terms: Terms) -> Json:
    """The spec by which `identity` takes a Lease or renews it."""
    held = spec.get("holderIdentity") == identity
    transitions = spec.get("leaseTransitions") or 0
    return {
        **spec,
        "holderIdentity": identity,
        "leaseDurationSeconds": int(terms.duration),
        "acquireTime": spec.get("acquireTime", wall_time) if held else wall_time,
        "renewTime": wall_time,
        "leaseTransitions": transitions if held or not spec else transitions + 1,
    }


def own_identity() -> str:
    """Unique to this process, and a person can tell by it which one that is."""
    return f"{socket.gethostname()}_{os.getpid()}-{secrets.token_hex(4)}"


class Election:
    """A candidacy for one Lease in kube-system."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        name: str,
        identity: str,
        *,
        terms: Terms = TERMS,
        annotations: Mapping[str, str] | None = None,
    ) -> None:
        """`annotations` are what the leader lets others know about itself, on the Lease."""
        self._client = client
        self._clock = clock
        self._name = name
        self._identity = identity
        self._terms = terms
        self._annotations = dict(annotations or {})
        self._seen: Sighting | None = None
        self.leads = False

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Wait until elected, then do `work` for as long as we stay elected, again and again. Ends by cancellation."""
        while True:
            while not await self._attempt(self._terms.renew_deadline):
                await self._clock.sleep(self._terms.retry)
            self.leads = True
            log.info("leading", lease=self._name, identity=self._identity)
            try:
                async with TaskScope(f"leader/{self._name}") as scope:
                    scope.supervise(self._name, work)
                    await self._keep()
                log.warning("lost the lead", lease=self._name, identity=self._identity)
            finally:
                self.leads = False
                await self._release()

    async def _keep(self) -> None:
        """Renew until that fails for too long, or somebody else holds the Lease."""
        renewed = self._clock.monotonic()
        while True:
            await self._clock.sleep(self._terms.retry)
            left = renewed + self._terms.renew_deadline - self._clock.monotonic()
            if left <= 0:
                return
            began = self._clock.monotonic()
            if await self._attempt(left):
                # Others count from when they see it, which is later than this.
                renewed = began
            elif self._seen is not None and self._seen.spec.get("holderIdentity") != self._identity:
                return

    async def _attempt(self, patience: float) -> bool:
        """Take or renew the Lease once; whether we hold it now."""
        try:
            async with asyncio.timeout(patience):
                return await self._write()
        except (StatusError, ConnectionFailed, TimeoutError) as error:
            log.debug("lease not written", lease=self._name, error=str(error))
            return False

    async def _write(self) -> bool:
        wall_time = format_micro_time(self._clock.now())
        try:
            lease: Json = await self._client.get(LEASES, self._name, NAMESPACE)
        except NotFound:
            metadata: Json = {"name": self._name, "namespace": NAMESPACE, "annotations": self._annotations}
            lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata}
            lease["spec"] = claim({}, self._identity, wall_time, self._terms)
            created: Json = await self._client.create(LEASES, lease, NAMESPACE)
            self._seen = Sighting(created["spec"], self._clock.monotonic())
            return True
        self._seen = sighted(self._seen, lease.get("spec") or {}, self._clock.monotonic())
        if not may_take(self._seen, self._identity, self._clock.monotonic(), self._terms):
            return False
        # The revision goes along: of two that try at once, one is refused.
        lease["spec"] = claim(self._seen.spec, self._identity, wall_time, self._terms)
        if self._annotations:
            lease["metadata"]["annotations"] = {**(lease["metadata"].get("annotations") or {}), **self._annotations}
        written: Json = await self._client.update(LEASES, lease)
        self._seen = Sighting(written["spec"], self._clock.monotonic())
        return True

    async def _release(self) -> None:
        """Let the others begin at once instead of after our silence."""
        with suppress(StatusError, ConnectionFailed, TimeoutError):
            async with asyncio.timeout(2):
                lease: Json = await self._client.get(LEASES, self._name, NAMESPACE)
                spec: Json = lease.get("spec") or {}
                if spec.get("holderIdentity") == self._identity:
                    now = format_micro_time(self._clock.now())
                    lease["spec"] = {**spec, "holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": now}
                    await self._client.update(LEASES, lease)
