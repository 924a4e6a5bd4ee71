"""The columns of pods. Source: printPod in pkg/printers/internalversion/printers.go."""

from __future__ import annotations

from datetime import datetime

import msgspec

from engine.apiserver.registry.kind import Cell, Column, Since
from engine.apiserver.registry.views import NONE, Metadata, age, name


class Waiting(msgspec.Struct, frozen=True):
    """A container that does not run yet, or not again yet."""

    reason: str = ""


class Terminated(msgspec.Struct, frozen=True, rename="camel"):
    """A container that has ended."""

    reason: str = ""
    exit_code: int = 0
    signal: int = 0
    finished_at: datetime | None = None


class State(msgspec.Struct, frozen=True):
    """Where a container is; at most one is set."""

    waiting: Waiting | None = None
    running: dict[str, msgspec.Raw] | None = None
    terminated: Terminated | None = None


class ContainerStatus(msgspec.Struct, frozen=True, rename="camel"):
    """What the table reads of a container's status."""

    name: str = ""
    ready: bool = False
    started: bool | None = None
    restart_count: int = 0
    state: State = State()
    last_state: State = State()


class Condition(msgspec.Struct, frozen=True):
    """A pod condition."""

    type: str = ""
    status: str = ""
    reason: str = ""


class Container(msgspec.Struct, frozen=True, rename="camel"):
    """What the table reads of a container's spec."""

    name: str = ""
    restart_policy: str = ""


class Gate(msgspec.Struct, frozen=True, rename="camel"):
    """A readiness gate."""

    condition_type: str = ""


class Address(msgspec.Struct, frozen=True):
    """One of the pod's addresses."""

    ip: str = ""


class PodSpec(msgspec.Struct, frozen=True, rename="camel"):
    """What the table reads of the spec."""

    containers: list[msgspec.Raw] = []
    init_containers: list[Container] = []
    node_name: str = ""
    readiness_gates: list[Gate] = []


class PodStatus(msgspec.Struct, frozen=True, rename="camel"):
    """What the table reads of the status."""

    phase: str = ""
    reason: str = ""
    conditions: list[Condition] = []
    init_container_statuses: list[ContainerStatus] = []
    container_statuses: list[ContainerStatus] = []
    pod_ips: list[Address] = msgspec.field(default=[], name="podIPs")
    nominated_node_name: str = ""


class PodRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class _Summary(msgspec.Struct):
    """What several cells derive from the container statuses."""

    reason: str
    total: int
    ready: int = 0
    restarts: int = 0
    last_restart: datetime | None = None


def _is_true(view: PodRow, condition_type: str) -> bool:
    return any(found.type == condition_type and found.status == "True" for found in view.status.conditions)


def _ended(terminated: Terminated) -> str:
    return f"Signal:{terminated.signal}" if terminated.signal else f"ExitCode:{terminated.exit_code}"


def _later(one: datetime | None, status: ContainerStatus) -> datetime | None:
    other = status.last_state.terminated.finished_at if status.last_state.terminated else None
    if one is None or other is None:
        return one or other
    return max(one, other)


def _summarize(view: PodRow) -> _Summary:
    status = view.status
    summary = _Summary(reason=status.reason or status.phase, total=len(view.spec.containers))
    if any(found.type == "PodScheduled" and found.reason == "SchedulingGated" for found in status.conditions):
        summary.reason = "SchedulingGated"
    sidecars = frozenset(item.name for item in view.spec.init_containers if item.restart_policy == "Always")
    summary.total += len(sidecars)
    initializing = _count_init_containers(view, summary, sidecars) if status.init_container_statuses else False
    if not initializing or _is_true(view, "Initialized"):
        _count_containers(view, summary, sidecars)
    if view.metadata.deletion_timestamp is not None:
        if status.reason == "NodeLost":
            summary.reason = "Unknown"
        elif status.phase not in {"Failed", "Succeeded"}:
            summary.reason = "Terminating"
    return summary


def _count_init_containers(view: PodRow, summary: _Summary, sidecars: frozenset[str]) -> bool:
    """Account for init containers up to the one that the pod waits for; whether there is such a one."""
    for position, container in enumerate(view.status.init_container_statuses):
        summary.restarts += container.restart_count
        summary.last_restart = _later(summary.last_restart, container)
        terminated, waiting = container.state.terminated, container.state.waiting
        if terminated is not None and terminated.exit_code == 0:
            continue
        if container.name in sidecars and container.started:
            summary.ready += container.ready
            continue
        if terminated is not None:
            summary.reason = f"Init:{terminated.reason or _ended(terminated)}"
        elif waiting is not None and waiting.reason and waiting.reason != "PodInitializing":
            summary.reason = f"Init:{waiting.reason}"
        else:
            summary.reason = f"Init:{position}/{len(view.spec.init_containers)}"
        return True
    return False


def _count_containers(view: PodRow, summary: _Summary, sidecars: frozenset[str]) -> None:
    # Past initialization only sidecars' restarts count besides the containers' own.
    summary.restarts, summary.last_restart = 0, None
    for container in view.status.init_container_statuses:
        if container.name in sidecars:
            summary.restarts += container.restart_count
            summary.last_restart = _later(summary.last_restart, container)
    running = False
    for container in reversed(view.status.container_statuses):
        summary.restarts += container.restart_count
        summary.last_restart = _later(summary.last_restart, container)
        terminated, waiting = container.state.terminated, container.state.waiting
        if waiting is not None and waiting.reason:
            summary.reason = waiting.reason
        elif terminated is not None:
            summary.reason = terminated.reason or _ended(terminated)
        elif container.ready and container.state.running is not None:
            running = True
            summary.ready += 1
    if summary.reason == "Completed" and running:
        summary.reason = "Running" if _is_true(view, "Ready") else "NotReady"


class _Memo:
    """Keeps the summary of the view whose cells are being made: three columns read it, one after the other."""

    def __init__(self) -> None:
        self._view: PodRow | None = None
        self._summary = _Summary(reason="", total=0)

    def of(self, view: PodRow) -> _Summary:
        if view is not self._view:
            self._view, self._summary = view, _summarize(view)
        return self._summary


_memo = _Memo()


def _ready(view: PodRow) -> Cell:
    summary = _memo.of(view)
    return f"{summary.ready}/{summary.total}"


def _status(view: PodRow) -> Cell:
    return _memo.of(view).reason


def _restarts(view: PodRow) -> Cell:
    summary = _memo.of(view)
    if summary.restarts and summary.last_restart is not None:
        return Since(summary.last_restart.timestamp(), before=f"{summary.restarts} (", after=" ago)")
    return str(summary.restarts)


def _address(view: PodRow) -> Cell:
    return view.status.pod_ips[0].ip if view.status.pod_ips else NONE


def _node(view: PodRow) -> Cell:
    return view.spec.node_name or NONE


def _nominated_node(view: PodRow) -> Cell:
    return view.status.nominated_node_name or NONE


def _gates(view: PodRow) -> Cell:
    gates = view.spec.readiness_gates
    if not gates:
        return NONE
    return f"{sum(_is_true(view, gate.condition_type) for gate in gates)}/{len(gates)}"


POD_COLUMNS = (
    Column(name="Name", format="name", cell=name),
    Column(
        name="Ready",
        cell=_ready,
        description="The aggregate readiness state of this pod for accepting traffic.",
    ),
    Column(name="Status", cell=_status, description="The aggregate status of the containers in this pod."),
    Column(
        name="Restarts",
        cell=_restarts,
        description=(
            "The number of times the containers in this pod have been restarted and when the last container in this pod"
            " has restarted."
        ),
    ),
    Column(name="Age", cell=age),
    Column(
        name="IP",
        priority=1,
        cell=_address,
        description=(
            "podIP address allocated to the pod. Routable at least within the cluster. Empty if not yet allocated."
        ),
    ),
    Column(
        name="Node",
        priority=1,
        cell=_node,
        description=(
            "NodeName indicates in which node this pod is scheduled. If empty, this pod is a candidate for scheduling"
            " by the scheduler defined in schedulerName."
        ),
    ),
    Column(
        name="Nominated Node",
        priority=1,
        cell=_nominated_node,
        description=(
            "nominatedNodeName is set only when this pod preempts other pods on the node, but it cannot be scheduled"
            " right away as preemption victims receive their graceful termination periods."
        ),
    ),
    Column(
        name="Readiness Gates",
        priority=1,
        cell=_gates,
        description="If specified, all readiness gates will be evaluated for pod readiness.",
    ),
)
