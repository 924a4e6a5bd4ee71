"""Pods that nobody cares for: on machines that are gone, ended long ago, deleted before they had a machine."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from apimachinery.objects.resources import NODES, PODS
from engine.controllers.actions import Action, Delete, RequeueAfter, SetStatus
from engine.controllers.controller import Moment, Reader, Watch
from engine.controllers.podstate import is_terminal, is_terminating
from engine.controllers.tainteviction import disruption
from engine.controllers.views import ENDED, NODE_SOURCE, POD_SOURCE, Node, Pod, condition_of

ENDED_KEY = "ended"
UNSCHEDULED_KEY = "unscheduled"
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
"""A taint by which people say that a machine is really off: what waits for its agent may then go."""
_NODE_KEY = "node/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    case: Literal["node", "out of service", "ended", "unscheduled"]
    pods: tuple[Pod, ...]
    missing_for: float = 0.0
    """Seconds for which the machine has had no Node object."""
    quarantine: float = 40.0
    """Seconds that a machine may be missing before its pods go: it may just be joining anew."""
    threshold: int = 12500
    now: datetime


def plan(observed: Observed) -> list[Action]:
    match observed.case:
        case "node":
            return _orphaned(observed)
        case "out of service":
            return [_fail_first(pod) for pod in observed.pods if is_terminating(pod)]
        case "ended":
            oldest = sorted(observed.pods, key=lambda pod: (pod.metadata.creation_timestamp or "", pod.metadata.name))
            return [_delete(pod) for pod in oldest[: max(0, len(oldest) - observed.threshold)]]
        case "unscheduled":
            return [_delete(pod) for pod in observed.pods if is_terminating(pod)]


def _orphaned(observed: Observed) -> list[Action]:
    if not observed.pods:
        return []
    if observed.missing_for < observed.quarantine:
        return [RequeueAfter(seconds=observed.quarantine - observed.missing_for)]
    return [_fail_then_delete(pod, observed.now) for pod in observed.pods]


def _fail_then_delete(pod: Pod, now: datetime) -> Action:
    disrupted = condition_of(pod.status.conditions, "DisruptionTarget")
    if is_terminal(pod) or (disrupted is not None and disrupted.reason == "DeletionByPodGC"):
        return _delete(pod)
    return disruption(pod, "DeletionByPodGC", "PodGC: node no longer exists", now, phase="Failed")


def _fail_first(pod: Pod) -> Action:
    """Its owner must not take it for one that still runs."""
    if is_terminal(pod):
        return _delete(pod)
    meta = pod.metadata
    return SetStatus(
        resource=PODS, namespace=meta.namespace, name=meta.name, resource_version=meta.resource_version,
        status={"phase": "Failed"},
    )  # fmt: skip


def _delete(pod: Pod) -> Delete:
    """At once: there is no agent that could confirm the end of its containers."""
    meta = pod.metadata
    return Delete(
        resource=PODS, namespace=meta.namespace, name=meta.name, uid=meta.uid, grace_period_seconds=0
    )  # fmt: skip


class PodGcController:
    """`quarantine` in seconds and `threshold` in pods, as in `Observed`."""

    name = "pod-gc"
    component = "pod-garbage-collector"

    def __init__(self, *, quarantine: float, threshold: int) -> None:
        self._quarantine = quarantine
        self._threshold = threshold
        self._missing_since: dict[str, float] = {}
        self.watches = (
            Watch(POD_SOURCE, _keys_of_pod),
            Watch(NODE_SOURCE, _key_of_node),
        )

    async def observe(self, key: str, reader: Reader, moment: Moment) -> Observed | None:
        if key == ENDED_KEY:
            ended = tuple(reader.by_index(POD_SOURCE, "ended", ENDED))
            return Observed(case="ended", pods=ended, threshold=self._threshold, now=moment.now)
        if key == UNSCHEDULED_KEY:
            return Observed(case="unscheduled", pods=tuple(reader.by_index(POD_SOURCE, "node", "")), now=moment.now)
        name = key.removeprefix(_NODE_KEY)
        node = reader.get(NODE_SOURCE, name)
        if node is not None:
            self._missing_since.pop(name, None)
            if not is_out_of_service(node):
                return None
            pods = tuple(reader.by_index(POD_SOURCE, "node", name))
            return Observed(case="out of service", pods=pods, now=moment.now)
        pods = tuple(reader.by_index(POD_SOURCE, "node", name))
        since = self._missing_since.setdefault(name, moment.steady)
        missing_for = moment.steady - since
        if not pods:
            self._missing_since.pop(name, None)
            return None
        if missing_for >= self._quarantine and await reader.live_get(NODES, "", name) is not None:
            return None
        return Observed(
            case="node", pods=pods, missing_for=missing_for, quarantine=self._quarantine, now=moment.now
        )  # fmt: skip

    def plan(self, observed: Observed) -> list[Action]:
        return plan(observed)


def is_out_of_service(node: Node) -> bool:
    """Said to be off, and not heard of either."""
    ready = condition_of(node.status.conditions, "Ready")
    silent = ready is None or ready.status != "True"
    return silent and any(taint.key == OUT_OF_SERVICE for taint in node.spec.taints)


def _keys_of_pod(pod: Pod, reader: Reader) -> Iterable[str]:
    if not pod.spec.node_name:
        return [UNSCHEDULED_KEY] if is_terminating(pod) else []
    keys = [ENDED_KEY] if is_terminal(pod) else []
    node = reader.get(NODE_SOURCE, pod.spec.node_name)
    if node is None or (is_terminating(pod) and is_out_of_service(node)):
        keys.append(_NODE_KEY + pod.spec.node_name)
    return keys


def _key_of_node(node: Node, _reader: Reader) -> Iterable[str]:
    return [_NODE_KEY + node.metadata.name]
