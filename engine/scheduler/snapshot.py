"""All machines and what runs on them, kept up to date pod by pod; pods just placed count before the API shows them."""

from collections.abc import Iterable
from dataclasses import dataclass

from engine.scheduler.machine import Machine
from engine.scheduler.shape import Shape
from engine.scheduler.views import Node, Pod


@dataclass(frozen=True, slots=True)
class _Placed:
    machine: str
    shape: Shape


class Snapshot:
    def __init__(self) -> None:
        self._machines: dict[str, Machine] = {}
        self._placed: dict[str, _Placed] = {}

    def machines(self) -> Iterable[Machine]:
        """Machines that have a Node object."""
        return [machine for machine in self._machines.values() if machine.node is not None]

    def machine(self, name: str) -> Machine | None:
        machine = self._machines.get(name)
        return machine if machine is not None and machine.node is not None else None

    def node_changed(self, node: Node) -> None:
        self._machine(node.metadata.name).describe(node)

    def node_gone(self, name: str) -> None:
        machine = self._machines.get(name)
        if machine is not None:
            machine.node = None
            self._drop_if_empty(machine)

    def pod_changed(self, pod: Pod, shape: Shape) -> None:
        """A pod has a machine from its binding until it ends. `shape`: the pod's."""
        placed = self._placed.get(pod.metadata.uid)
        if pod.status.phase in ("Succeeded", "Failed"):
            self.pod_gone(pod.metadata.uid)
        elif pod.spec.node_name and (placed is None or placed.machine != pod.spec.node_name):
            self.pod_gone(pod.metadata.uid)
            self.assume(pod.metadata.uid, shape, pod.spec.node_name)

    def pod_gone(self, uid: str) -> None:
        """Also forgets a placement that the API refused."""
        placed = self._placed.pop(uid, None)
        if placed is not None:
            machine = self._machines[placed.machine]
            machine.remove(placed.shape)
            self._drop_if_empty(machine)

    def assume(self, uid: str, shape: Shape, name: str) -> None:
        """Count the pod on the machine from now on."""
        self._placed[uid] = _Placed(name, shape)
        self._machine(name).add(shape)

    def machine_of(self, uid: str) -> str | None:
        placed = self._placed.get(uid)
        return placed.machine if placed is not None else None

    def has_placed(self, uid: str) -> bool:
        return uid in self._placed

    def _machine(self, name: str) -> Machine:
        return self._machines.setdefault(name, Machine(name))

    def _drop_if_empty(self, machine: Machine) -> None:
        if machine.node is None and not machine.pods:
            self._machines.pop(machine.name, None)
