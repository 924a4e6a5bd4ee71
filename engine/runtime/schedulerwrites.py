"""What the scheduler writes: bindings, why a pod waits, and the end of pods that make room for others."""

import enum

import msgspec
import structlog

from apimachinery.aio.clock import Clock
from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import Conflict, NotFound, StatusError
from apimachinery.objects.meta import format_time
from engine.controllers.actions import Json
from engine.scheduler.machine import Resident
from engine.scheduler.views import PODS, Pod

log = structlog.get_logger(__name__)
_HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}


class NotBound(Exception):
    """The pod did not get its machine. Not `worth_telling`: it is gone, or somebody else has bound it."""

    def __init__(self, message: str, *, worth_telling: bool = True) -> None:
        super().__init__(message)
        self.worth_telling = worth_telling


class Evicted(enum.Enum):
    YES = "yes"
    GONE = "gone already"
    FAILED = "failed"


class SchedulerWrites:
    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def bind(self, pod: Pod, machine: str) -> None:
        """Raises NotBound."""
        meta = pod.metadata
        body: Json = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid},
            "target": {"apiVersion": "v1", "kind": "Node", "name": machine},
        }
        path = PODS.path(meta.namespace, meta.name, "binding")
        try:
            await self._client.call("POST", path, headers=_HEADERS, body=msgspec.json.encode(body))
        except (NotFound, Conflict) as error:
            raise NotBound(str(error), worth_telling=False) from error
        except (StatusError, ConnectionFailed) as error:
            raise NotBound(f"binding rejected: {error}") from error

    async def explain(self, pod: Pod, message: str, nominated: str | None, *, reason: str = "Unschedulable") -> None:
        """Say on the pod why it waits. `nominated`: the machine that it is promised, empty for none any more."""
        current = next((c for c in pod.status.conditions if c.type == "PodScheduled"), None)
        said = current is not None and (current.status, current.reason, current.message) == ("False", reason, message)
        if said and (nominated is None or nominated == pod.status.nominated_node_name):
            return
        status: Json = {}
        if not said:
            condition: Json = {"type": "PodScheduled", "status": "False", "reason": reason, "message": message}
            if current is None or current.status != "False":
                condition["lastTransitionTime"] = format_time(self._clock.now())
            status["conditions"] = [condition]
        if nominated is not None:
            status["nominatedNodeName"] = nominated or None
        await self._write_status(pod.metadata.namespace, pod.metadata.name, pod.metadata.uid, status)

    async def no_longer_nominated(self, pod: Resident) -> None:
        """A more important pod takes what this one was promised."""
        await self._write_status(pod.namespace, pod.name, pod.uid, {"nominatedNodeName": None})

    async def evict(self, victim: Resident, scheduler: str) -> Evicted:
        """Mark the pod as disrupted and delete it, with its grace."""
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "PreemptionByScheduler",
            "message": f"{scheduler}: preempting to accommodate a higher priority pod",
            "lastTransitionTime": format_time(self._clock.now()),
        }
        body = {"metadata": {"uid": victim.uid}, "status": {"conditions": [condition]}}
        try:
            await self._client.patch(PODS, victim.name, body, victim.namespace, kind="strategic", subresource="status")
            await self._client.delete(PODS, victim.name, victim.namespace, uid=victim.uid)
        except (NotFound, Conflict):
            return Evicted.GONE
        except (StatusError, ConnectionFailed) as error:
            log.warning("preemption failed; trying again", victim=victim.key, error=str(error))
            return Evicted.FAILED
        log.info("pod preempted", victim=victim.key, node=victim.machine)
        return Evicted.YES

    async def _write_status(self, namespace: str, name: str, uid: str, status: Json) -> None:
        body = {"metadata": {"uid": uid}, "status": status}
        try:
            await self._client.patch(PODS, name, body, namespace, kind="strategic", subresource="status")
        except (NotFound, Conflict):
            return
        except (StatusError, ConnectionFailed) as error:
            log.info("condition not written", pod=f"{namespace}/{name}", error=str(error))
