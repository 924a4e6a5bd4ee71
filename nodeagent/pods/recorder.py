"""Events about pods and the node, as `kubectl describe` shows them: repeated ones are counted, floods are cut."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import structlog

from apimachinery.aio.clock import Clock
from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import NotFound, StatusError
from apimachinery.objects.meta import format_time
from apimachinery.objects.resources import EVENTS
from nodeagent.pods.view import Pod
from nodeagent.volumes.persistent import PersistentVolume

log = structlog.get_logger(__name__)
QUEUE = 500
BURST = 25
"""Events about one object before only one in REFILL_SECONDS gets through: upstream's spam filter."""
REFILL_SECONDS = 300.0
REMEMBERED = 1000
_Key = tuple[str, str, str, str, str]


@dataclass(slots=True)
class _Told:
    name: str
    count: int
    first: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Happening:
    involved: dict[str, Any]
    namespace: str
    type: str
    reason: str
    message: str
    at: str

    @property
    def key(self) -> _Key:
        uid = str(self.involved.get("uid", ""))
        return (uid, str(self.involved.get("fieldPath", "")), self.type, self.reason, self.message)


def _list_of(pod: Pod, container: str) -> str:
    if any(c.name == container for c in pod.spec.init_containers):
        return "initContainers"
    if any(c.name == container for c in pod.spec.ephemeral_containers):
        return "ephemeralContainers"
    return "containers"


class Recorder:
    """`run` sends; the other methods never wait and never fail: an event is not worth a pod."""

    def __init__(self, client: Client, node_name: str, clock: Clock) -> None:
        self._client = client
        self._node_name = node_name
        self._clock = clock
        self._queue: asyncio.Queue[_Happening] = asyncio.Queue(QUEUE)
        self._told: dict[_Key, _Told] = {}
        self._tokens: dict[str, tuple[float, float]] = {}
        self._serial = 0

    def pod(self, pod: Pod, type_: str, reason: str, message: str, container: str = "") -> None:
        """`container` names the container it is about, if one."""
        involved: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Pod",
            "namespace": pod.metadata.namespace,
            "name": pod.metadata.name,
            "uid": pod.uid,
            "resourceVersion": pod.metadata.resource_version,
        }
        if container:
            involved["fieldPath"] = f"spec.{_list_of(pod, container)}{{{container}}}"
        self._add(involved, pod.metadata.namespace, type_, reason, message)

    def volume(self, volume: PersistentVolume, type_: str, reason: str, message: str) -> None:
        meta = volume.metadata
        involved = {"apiVersion": "v1", "kind": "PersistentVolume", "name": meta.name, "uid": meta.uid}
        self._add(involved, "default", type_, reason, message)

    def node(self, type_: str, reason: str, message: str) -> None:
        name = self._node_name
        self._add({"kind": "Node", "name": name, "uid": name}, "default", type_, reason, message)

    async def run(self) -> None:
        while True:
            happening = await self._queue.get()
            try:
                await self._send(happening)
            except (ConnectionFailed, StatusError) as error:
                log.debug("event dropped", reason=happening.reason, error=str(error))

    def _add(self, involved: dict[str, Any], namespace: str, type_: str, reason: str, message: str) -> None:
        if not self._allowed(str(involved["uid"])):
            return
        at = format_time(self._clock.now())
        happening = _Happening(
            involved=involved, namespace=namespace, type=type_, reason=reason, message=message[:1024], at=at
        )
        try:
            self._queue.put_nowait(happening)
        except asyncio.QueueFull:
            log.warning("event dropped", reason=reason, error="too many events wait to be sent")

    def _allowed(self, uid: str) -> bool:
        now = self._clock.monotonic()
        tokens, since = self._tokens.get(uid, (float(BURST), now))
        tokens = min(BURST, tokens + (now - since) / REFILL_SECONDS)
        if len(self._tokens) > REMEMBERED:
            self._tokens.clear()
        self._tokens[uid] = (max(tokens - 1, 0.0), now) if tokens >= 1 else (tokens, now)
        return tokens >= 1

    async def _send(self, happening: _Happening) -> None:
        told = self._told.get(happening.key)
        if told is not None:
            told.count += 1
            patch = {"count": told.count, "lastTimestamp": happening.at}
            try:
                await self._client.patch(EVENTS, told.name, patch, happening.namespace)
                return
            except NotFound:  # it has expired meanwhile
                del self._told[happening.key]
        await self._create(happening)

    async def _create(self, happening: _Happening) -> None:
        self._serial += 1
        stamp = int(self._clock.now().timestamp() * 1e9) + self._serial
        name = f"{happening.involved['name']}.{stamp:x}"
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": happening.namespace},
            "involvedObject": happening.involved,
            "type": happening.type,
            "reason": happening.reason,
            "message": happening.message,
            "source": {"component": "kubelet", "host": self._node_name},
            "firstTimestamp": happening.at,
            "lastTimestamp": happening.at,
            "count": 1,
            "reportingComponent": "kubelet",
            "reportingInstance": self._node_name,
        }
        await self._client.create(EVENTS, event, happening.namespace)
        if len(self._told) >= REMEMBERED:
            del self._told[next(iter(self._told))]
        self._told[happening.key] = _Told(name, 1, happening.at)
