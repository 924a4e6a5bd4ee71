"""Machines that fall silent: their condition becomes Unknown, taints say so, their pods leave the endpoints."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from apimachinery.objects.meta import Object, format_time
from apimachinery.objects.resources import LEASES, NODES, PODS
from apimachinery.objects.taints import Taint
from engine.controllers.actions import About, Action, Json, Note, Patch, RequeueAfter, SetStatus
from engine.controllers.controller import Moment, Reader, Source, Watch
from engine.controllers.podstate import is_ready, is_terminal
from engine.controllers.views import NODE_SOURCE, POD_SOURCE, Condition, Node, NodeCondition, Pod, condition_of
from engine.controllers.zones import Census, Pace

LEASE_NAMESPACE = "kube-node-lease"
NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
HEARTBEAT_CONDITIONS = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
_PRESSURE_TAINTS = {
    "MemoryPressure": "node.kubernetes.io/memory-pressure",
    "DiskPressure": "node.kubernetes.io/disk-pressure",
    "PIDPressure": "node.kubernetes.io/pid-pressure",
    "NetworkUnavailable": "node.kubernetes.io/network-unavailable",
}
_OURS = frozenset([NOT_READY, UNREACHABLE, UNSCHEDULABLE, *_PRESSURE_TAINTS.values()])


class LeaseSpec(msgspec.Struct, frozen=True, rename="camel"):
    renew_time: str | None = None


class Lease(Object, frozen=True):
    spec: LeaseSpec = LeaseSpec()


LEASE_SOURCE = Source(LEASES, Lease)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    node: Node
    silent_for: float
    """Seconds for which neither the Lease nor the status changed under our eyes."""
    grace: float
    pods: tuple[Pod, ...] = ()
    """Pods bound to the machine; only read when it is silent."""
    all_silent: bool = False
    """No machine of the cluster is ready: then we are the ones cut off, and nobody is to be evicted."""
    turn_in: float | None = 0.0
    """Seconds until its zone may give up this machine; None while too many of its zone are silent."""
    now: datetime


def plan(observed: Observed) -> list[Action]:
    node = observed.node
    silent = observed.silent_for >= observed.grace
    conditions = _silenced(node, observed.now) if silent else ()
    if conditions:
        return _tell_silence(node, conditions)
    ready = condition_of(node.status.conditions, "Ready")
    status = ready.status if ready is not None else "False"
    # A machine that has just joined and never been ready is not to be emptied, only left alone.
    evict = ready is not None and not observed.all_silent
    due = observed.turn_in == 0 or is_given_up(node)
    wanted = _wanted_taints(node, status, evict=evict and due)
    actions = _taint(node, wanted, observed.now)
    if silent and status == "Unknown":
        actions += [action for pod in observed.pods for action in _mark_not_ready(pod, observed.now)]
    if evict and not due and status != "True" and observed.turn_in is not None:
        actions.append(RequeueAfter(seconds=observed.turn_in))
    if not silent:
        actions.append(RequeueAfter(seconds=max(0.05, observed.grace - observed.silent_for)))
    return actions


def is_given_up(node: Node) -> bool:
    """Its pods are being evicted already."""
    return any(taint.key in (NOT_READY, UNREACHABLE) and taint.effect == "NoExecute" for taint in node.spec.taints)


def _silenced(node: Node, now: datetime) -> tuple[Condition, ...]:
    """The heartbeat conditions that have to become Unknown."""
    fresh: list[Condition] = []
    for kind in HEARTBEAT_CONDITIONS:
        current = condition_of(node.status.conditions, kind)
        if current is not None and current.status == "Unknown":
            continue
        ever = current is not None
        fresh.append(
            Condition(
                type=kind,
                status="Unknown",
                reason="NodeStatusUnknown" if ever else "NodeStatusNeverUpdated",
                message="Kubelet stopped posting node status." if ever else "Kubelet never posted node status.",
                last_transition_time=format_time(now),
            )
        )
    return tuple(fresh)


def _tell_silence(node: Node, conditions: Sequence[Condition]) -> list[Action]:
    note = None
    if any(c.type == "Ready" for c in conditions):
        text = f"Node {node.metadata.name} status is now: NodeNotReady"
        note = Note(about=About.of(NODES, node), reason="NodeNotReady", message=text)
    return [
        SetStatus(
            resource=NODES,
            name=node.metadata.name,
            resource_version=node.metadata.resource_version,
            kind="strategic",
            status={"conditions": msgspec.to_builtins(tuple(conditions))},
            succeeded=note,
        )
    ]


def _taint(node: Node, wanted: set[tuple[str, str]], now: datetime) -> list[Action]:
    present = {(t.key, t.effect): t for t in node.spec.taints if t.key in _OURS}
    if wanted == present.keys():
        return []
    kept = [t for t in node.spec.taints if t.key not in _OURS or (t.key, t.effect) in wanted]
    added = [
        Taint(key=key, effect=effect, time_added=format_time(now)) for key, effect in sorted(wanted - present.keys())
    ]
    return [
        Patch(
            resource=NODES,
            name=node.metadata.name,
            uid=node.metadata.uid,
            resource_version=node.metadata.resource_version,
            body={"spec": {"taints": msgspec.to_builtins([*kept, *added]) or None}},
        )
    ]


def _wanted_taints(node: Node, ready: str, *, evict: bool) -> set[tuple[str, str]]:
    wanted: set[tuple[str, str]] = set()
    if ready != "True":
        key = UNREACHABLE if ready == "Unknown" else NOT_READY
        wanted.add((key, "NoSchedule"))
        if evict:
            wanted.add((key, "NoExecute"))
    if node.spec.unschedulable:
        wanted.add((UNSCHEDULABLE, "NoSchedule"))
    for kind, key in _PRESSURE_TAINTS.items():
        condition = condition_of(node.status.conditions, kind)
        if condition is not None and condition.status == "True":
            wanted.add((key, "NoSchedule"))
    return wanted


def _mark_not_ready(pod: Pod, now: datetime) -> list[Action]:
    """Endpoints must not send traffic to a pod of which nobody knows. Its machine says otherwise when it returns."""
    if not is_ready(pod) or is_terminal(pod):
        return []
    condition: Json = {"type": "Ready", "status": "False", "lastTransitionTime": format_time(now)}
    about = About.of(PODS, pod)
    return [
        SetStatus(
            resource=PODS,
            namespace=pod.metadata.namespace,
            name=pod.metadata.name,
            resource_version=pod.metadata.resource_version,
            kind="strategic",
            status={"conditions": [condition]},
            succeeded=Note(about=about, reason="NodeNotReady", message="Node is not ready", type="Warning"),
        )
    ]


@dataclass(slots=True)
class _Heartbeat:
    """What a machine last said, and when we saw that it had changed: its clock need not agree with ours."""

    said: tuple[object, ...]
    seen_at: float


class NodeLifecycleController:
    """`grace`: seconds of silence after which a machine counts as unreachable."""

    name = "nodelifecycle"
    component = "node-controller"

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._heartbeats: dict[str, _Heartbeat] = {}
        self._pace = Pace()
        self._census = Census()
        self.watches = (
            Watch(NODE_SOURCE, self._node_and_silent_ones),
            Watch(LEASE_SOURCE, _node_of_lease),
            Watch(POD_SOURCE, _silent_node_of_pod),
        )

    async def observe(self, key: str, reader: Reader, moment: Moment) -> Observed | None:
        node = reader.get(NODE_SOURCE, key)
        if node is None:
            self._heartbeats.pop(key, None)
            return None
        silent_for = self._silence(node, reader.get(LEASE_SOURCE, f"{LEASE_NAMESPACE}/{key}"), moment.steady)
        silent = silent_for >= self._grace
        all_silent = self._census.all_silent
        return Observed(
            node=node,
            silent_for=silent_for,
            grace=self._grace,
            pods=tuple(reader.by_index(POD_SOURCE, "node", key)) if silent else (),
            all_silent=all_silent,
            turn_in=0.0 if all_silent else self._turn_in(node, moment.steady),
            now=moment.now,
        )

    def plan(self, observed: Observed) -> list[Action]:
        return plan(observed)

    def _node_and_silent_ones(self, node: Node, reader: Reader) -> Iterable[str]:
        """Whether a silent machine's pods are evicted depends on how the others are."""
        name = node.metadata.name
        now = reader.get(NODE_SOURCE, name)
        if now is None:
            changed = self._census.forget(name)
        else:
            changed = self._census.note(name, _zone(now), ready=_is_node_ready(now))
        return [name, *self._census.silent] if changed else [name]

    def _turn_in(self, node: Node, steady: float) -> float | None:
        if _is_node_ready(node):
            self._pace.forget(node.metadata.name)
            return 0.0
        if is_given_up(node) or condition_of(node.status.conditions, "Ready") is None:
            return 0.0
        zone = _zone(node)
        return self._pace.wait(zone, node.metadata.name, self._census.rate(zone), steady)

    def _silence(self, node: Node, lease: Lease | None, steady: float) -> float:
        ready = condition_of(node.status.conditions, "Ready")
        said = (
            node.metadata.uid,
            lease.spec.renew_time if lease is not None else None,
            ready.last_heartbeat_time if isinstance(ready, NodeCondition) else None,
        )
        known = self._heartbeats.get(node.metadata.name)
        if known is None or known.said != said:
            known = self._heartbeats[node.metadata.name] = _Heartbeat(said, steady)
        return steady - known.seen_at


def _zone(node: Node) -> str:
    labels = node.metadata.labels
    return f"{labels.get('topology.kubernetes.io/region', '')}/{labels.get('topology.kubernetes.io/zone', '')}"


def _is_node_ready(node: Node) -> bool:
    ready = condition_of(node.status.conditions, "Ready")
    return ready is not None and ready.status == "True"


def _silent_node_of_pod(pod: Pod, reader: Reader) -> Iterable[str]:
    node = reader.get(NODE_SOURCE, pod.spec.node_name) if pod.spec.node_name and is_ready(pod) else None
    return [node.metadata.name] if node is not None and not _is_node_ready(node) else []


def _node_of_lease(lease: Lease, _reader: Reader) -> Iterable[str]:
    return [lease.metadata.name] if lease.metadata.namespace == LEASE_NAMESPACE else []
