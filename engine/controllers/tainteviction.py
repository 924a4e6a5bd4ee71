"""Pods on machines with NoExecute taints leave once they no longer tolerate them (upstream's taint-eviction)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from apimachinery.objects.meta import format_time, key
from apimachinery.objects.resources import PODS
from apimachinery.objects.taints import Taint, seconds_tolerated
from engine.controllers.actions import About, Action, Delete, Json, Note, RequeueAfter, SetStatus
from engine.controllers.controller import Moment, Reader, Watch
from engine.controllers.podstate import is_terminal, is_terminating
from engine.controllers.views import NODE_SOURCE, POD_SOURCE, Node, Pod, condition_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    pod: Pod
    taints: tuple[Taint, ...]
    """The NoExecute taints of its machine."""
    tainted_for: float
    """Seconds since we first saw the pod on its machine with such taints."""
    now: datetime


def plan(observed: Observed) -> list[Action]:
    pod = observed.pod
    if not observed.taints or is_terminating(pod) or is_terminal(pod):
        return []
    limit = seconds_tolerated(observed.taints, pod.spec.tolerations)
    if limit is None:
        return []
    if observed.tainted_for < limit:
        return [RequeueAfter(seconds=limit - observed.tainted_for)]
    disrupted = condition_of(pod.status.conditions, "DisruptionTarget")
    if disrupted is None or disrupted.status != "True":
        reason, message = "DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint"
        return [disruption(pod, reason, message, observed.now)]
    text = f"Marking for deletion Pod {key(pod)}"
    return [
        Delete(
            resource=PODS,
            namespace=pod.metadata.namespace,
            name=pod.metadata.name,
            uid=pod.metadata.uid,
            succeeded=Note(about=About.of(PODS, pod), reason="TaintManagerEviction", message=text),
        )
    ]


def disruption(pod: Pod, reason: str, message: str, now: datetime, *, phase: str | None = None) -> SetStatus:
    """Tell a pod's owner why it is about to be taken away; comes before the deletion, in a turn of its own."""
    condition: Json = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": reason,
        "message": message,
        "lastTransitionTime": format_time(now),
    }
    return SetStatus(
        resource=PODS,
        namespace=pod.metadata.namespace,
        name=pod.metadata.name,
        resource_version=pod.metadata.resource_version,
        kind="strategic",
        status={"conditions": [condition], **({"phase": phase} if phase else {})},
    )


class TaintEvictionController:
    name = "taint-eviction"
    component = "taint-eviction-controller"

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self.watches = (Watch(POD_SOURCE, _pod_if_tainted), Watch(NODE_SOURCE, _pods_of_tainted))

    async def observe(self, key: str, reader: Reader, moment: Moment) -> Observed | None:
        pod = reader.get(POD_SOURCE, key)
        node = reader.get(NODE_SOURCE, pod.spec.node_name) if pod is not None and pod.spec.node_name else None
        taints = _evicting(node) if node is not None else ()
        if pod is None or not taints:
            self._since.pop(key, None)
            return None
        # By a clock that stands still while this computer sleeps: waking up must not evict everything at once.
        since = self._since.setdefault(key, moment.steady)
        return Observed(pod=pod, taints=taints, tainted_for=moment.steady - since, now=moment.now)

    def plan(self, observed: Observed) -> list[Action]:
        return plan(observed)


def _evicting(node: Node) -> tuple[Taint, ...]:
    return tuple(taint for taint in node.spec.taints if taint.effect == "NoExecute")


def _pod_if_tainted(pod: Pod, reader: Reader) -> Iterable[str]:
    node = reader.get(NODE_SOURCE, pod.spec.node_name) if pod.spec.node_name else None
    return [key(pod)] if node is not None and _evicting(node) else []


def _pods_of_tainted(node: Node, reader: Reader) -> Iterable[str]:
    # Called for the node before and after a change: pods are also looked at when the last taint went.
    return [key(pod) for pod in reader.by_index(POD_SOURCE, "node", node.metadata.name)] if _evicting(node) else []
