"""May this pod go to that machine? Filters that look at one machine alone, in the order in which upstream asks them.

The first that says no counts. Each answers the reasons against, in upstream's words: they are shown by
`kubectl describe pod`. Those that look at other machines too are in spreading.py and affinity.py, those about volumes
in volumes.py; they come after these.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from apimachinery.objects.taints import Taint, first_untolerated, tolerated
from engine.scheduler.machine import Machine
from engine.scheduler.shape import HostPort, Shape

UNSCHEDULABLE_TAINT = Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule")
AFFINITY_REASON = "node(s) didn't match Pod's node affinity/selector"


@dataclass(frozen=True, slots=True)
class Refusal:
    """`curable`: taking other pods away might help. `plugin`: whose word it is."""

    reasons: tuple[str, ...]
    curable: bool = False
    plugin: str = ""


Filter = Callable[[Shape, Machine], Refusal | None]


def node_unschedulable(shape: Shape, machine: Machine) -> Refusal | None:
    if machine.node is None or not machine.node.spec.unschedulable:
        return None
    if tolerated(UNSCHEDULABLE_TAINT, shape.tolerations):
        return None
    return Refusal(("node(s) were unschedulable",), plugin="NodeUnschedulable")


def taint_toleration(shape: Shape, machine: Machine) -> Refusal | None:
    if machine.node is None or not machine.node.spec.taints:
        return None
    taint = first_untolerated(machine.node.spec.taints, shape.tolerations, ("NoSchedule", "NoExecute"))
    if taint is None:
        return None
    reason = f"node(s) had untolerated taint {{{taint.key}: {taint.value}}}"
    return Refusal((reason,), plugin="TaintToleration")


def node_affinity(shape: Shape, machine: Machine) -> Refusal | None:
    if shape.only is not None and machine.name not in shape.only:
        return Refusal(("node(s) didn't satisfy plugin(s) [NodeAffinity]",), plugin="NodeAffinity")
    if shape.required_nodes_match(machine.labels, machine.name):
        return None
    return Refusal((AFFINITY_REASON,), plugin="NodeAffinity")


def node_ports(shape: Shape, machine: Machine) -> Refusal | None:
    if not shape.host_ports or not any(_taken(port, machine) for port in shape.host_ports):
        return None
    reason = "node(s) didn't have free ports for the requested pod ports"
    return Refusal((reason,), curable=True, plugin="NodePorts")


def _taken(wanted: HostPort, machine: Machine) -> bool:
    return any(conflicting(wanted, other) for other in machine.host_ports)


def conflicting(one: HostPort, other: HostPort) -> bool:
    """An empty address stands for all."""
    return one[1:] == other[1:] and (not one[0] or not other[0] or one[0] == other[0])


def node_resources(shape: Shape, machine: Machine, ignored: Collection[str] = ()) -> Refusal | None:
    """`ignored`: extended resources that somebody else looks after."""
    reasons: list[str] = []
    curable = True
    if machine.pods + 1 > machine.pods_allowed:
        reasons.append("Too many pods")
    for name, amount in shape.requests.items():
        if name in ignored:
            continue
        allowed = machine.allocatable.get(name, 0)
        if amount > allowed - machine.requested.get(name, 0):
            reasons.append(f"Insufficient {name}")
            curable = curable and amount <= allowed
    return Refusal(tuple(reasons), curable=curable, plugin="NodeResourcesFit") if reasons else None


FILTERS: Sequence[tuple[str, Filter]] = (
    ("NodeUnschedulable", node_unschedulable),
    ("TaintToleration", taint_toleration),
    ("NodeAffinity", node_affinity),
    ("NodePorts", node_ports),
    ("NodeResourcesFit", node_resources),
)


def refusal(
    shape: Shape, machine: Machine, disabled: Collection[str] = (), ignored: Collection[str] = ()
) -> Refusal | None:
    """The first filter's reasons against, None when the pod may go there.

    `disabled`: filters not to ask; `ignored`: resources that do not count.
    """
    for name, judge in FILTERS:
        if name in disabled:
            continue
        verdict = (
            node_resources(shape, machine, ignored) if ignored and judge is node_resources else judge(shape, machine)
        )
        if verdict is not None:
            return verdict
    return None
