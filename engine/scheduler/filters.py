"""May this pod go to that machine? Filters in the order in which upstream asks them; the first that says no counts.

Each answers the reasons against, in upstream's words: they are shown by `kubectl describe pod`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from apimachinery.objects.taints import Taint, first_untolerated, tolerated
from engine.scheduler.machine import Machine
from engine.scheduler.shape import HostPort, Shape

UNSCHEDULABLE_TAINT = Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule")


@dataclass(frozen=True, slots=True)
class Refusal:
    """`curable`: taking other pods away might help."""

    reasons: tuple[str, ...]
    curable: bool = False


Filter = Callable[[Shape, Machine], Refusal | None]


def node_unschedulable(shape: Shape, machine: Machine) -> Refusal | None:
    if machine.node is None or not machine.node.spec.unschedulable:
        return None
    return None if tolerated(UNSCHEDULABLE_TAINT, shape.tolerations) else Refusal(("node(s) were unschedulable",))


def taint_toleration(shape: Shape, machine: Machine) -> Refusal | None:
    if machine.node is None or not machine.node.spec.taints:
        return None
    taint = first_untolerated(machine.node.spec.taints, shape.tolerations, ("NoSchedule", "NoExecute"))
    if taint is None:
        return None
    return Refusal((f"node(s) had untolerated taint {{{taint.key}: {taint.value}}}",))


def node_affinity(shape: Shape, machine: Machine) -> Refusal | None:
    labels = machine.node.metadata.labels if machine.node is not None else {}
    if shape.node_selector.items() <= labels.items() and (
        shape.required is None or any(term.matches(labels, machine.name) for term in shape.required)
    ):
        return None
    return Refusal(("node(s) didn't match Pod's node affinity/selector",))


def node_ports(shape: Shape, machine: Machine) -> Refusal | None:
    if not shape.host_ports or not any(_taken(port, machine) for port in shape.host_ports):
        return None
    return Refusal(("node(s) didn't have free ports for the requested pod ports",), curable=True)


def _taken(wanted: HostPort, machine: Machine) -> bool:
    address, protocol, port = wanted
    return any(
        protocol == other_protocol and port == other_port and (not address or not other or address == other)
        for other, other_protocol, other_port in machine.host_ports
    )


def node_resources(shape: Shape, machine: Machine) -> Refusal | None:
    reasons: list[str] = []
    curable = True
    if machine.pods + 1 > machine.pods_allowed:
        reasons.append("Too many pods")
    for name, amount in shape.requests.items():
        allowed = machine.allocatable.get(name, 0)
        if amount > allowed - machine.requested.get(name, 0):
            reasons.append(f"Insufficient {name}")
            curable = curable and amount <= allowed
    return Refusal(tuple(reasons), curable=curable) if reasons else None


FILTERS: Sequence[tuple[str, Filter]] = (
    ("NodeUnschedulable", node_unschedulable),
    ("TaintToleration", taint_toleration),
    ("NodeAffinity", node_affinity),
    ("NodePorts", node_ports),
    ("NodeResourcesFit", node_resources),
)


def refusal(shape: Shape, machine: Machine) -> Refusal | None:
    """The first filter's reasons against, None when the pod may go there."""
    for _, judge in FILTERS:
        verdict = judge(shape, machine)
        if verdict is not None:
            return verdict
    return None
