"""Sending a pod's status to the API server: the newest wins, nothing is sent twice, and it waits for the engine."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import structlog

from apimachinery.aio.backoff import Backoff
from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import Conflict, NotFound, StatusError
from apimachinery.objects.resources import PODS
from nodeagent.pods.manifests import is_static
from nodeagent.pods.view import Pod, PodStatus

JSON = dict[str, Any]
log = structlog.get_logger(__name__)
_REPLACED_LISTS = ("podIPs", "hostIPs")
"""Lists that the API merges by element: stale addresses would stay without an order to replace them."""


class Reporter:
    """The status of one pod. `run` sends what was submitted last."""

    def __init__(self, client: Client, pod: Pod) -> None:
        self._client = client
        self._pod = pod
        self._wanted: JSON | None = None
        self._sent: JSON | None = None
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.view: PodStatus | None = None
        self.gone = False

    def submit(self, status: JSON) -> None:
        """Make this the status to report."""
        if status == self._wanted:
            return
        self._wanted = status
        self.view = msgspec.convert(status, PodStatus)
        self._idle.clear()
        self._changed.set()

    def repeat(self) -> None:
        """Send the whole status again: the API server's has been changed by someone else."""
        self._sent = None
        self._idle.clear()
        self._changed.set()

    async def flushed(self) -> None:
        """Wait until the API server has what was submitted last."""
        await self._idle.wait()

    async def run(self) -> None:
        backoff = Backoff(initial=0.5, maximum=10.0)
        while True:
            await self._changed.wait()
            self._changed.clear()
            wanted = self._wanted
            if wanted is None:
                continue
            try:
                await self._send(wanted)
            except (ConnectionFailed, StatusError) as error:
                if backoff.failures == 0:
                    log.info("status not reported; trying again", pod=self._pod.full_name, error=str(error))
                await asyncio.sleep(backoff.next())
                self._changed.set()
                continue
            backoff.reset()
            if not self._changed.is_set():
                self._idle.set()

    async def _send(self, status: JSON) -> None:
        meta = self._pod.metadata
        # The uid makes the server refuse it for another pod of the same name; a mirror's is not its pod's.
        identity: JSON = {} if is_static(self._pod) else {"metadata": {"uid": meta.uid}}
        try:
            await self._client.patch(
                PODS,
                meta.name,
                identity | {"status": status_patch(self._sent, status)},
                meta.namespace,
                kind="strategic",
                subresource="status",
                view=msgspec.Raw,
            )
        except (NotFound, Conflict):
            self.gone = True
        self._sent = status


def status_patch(before: JSON | None, after: JSON) -> JSON:
    """The strategic merge patch from one status of ours to the next."""
    patch = {field: value for field, value in after.items() if before is None or before.get(field) != value}
    for field in _REPLACED_LISTS:
        if patch.get(field):
            patch[field] = [{"$patch": "replace"}, *patch[field]]
    if "conditions" in patch:
        # Conditions merge by type and field by field: what no longer applies has to be taken out by name.
        patch["conditions"] = [{"reason": None, "message": None, **condition} for condition in patch["conditions"]]
    if before is not None:
        patch |= dict.fromkeys(before.keys() - after.keys())
    return patch
