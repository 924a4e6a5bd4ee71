"""All machines and what runs on them, kept up to date pod by pod; pods just placed count before the API shows them."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from engine.scheduler.machine import Machine, Resident
from engine.scheduler.shape import Kind, Shape
from engine.scheduler.terms import PodTerm
from engine.scheduler.views import Node, Pod


@dataclass(slots=True)
class KindUse:
    """How many pods of one kind are on which machine."""

    kind: Kind
    where: dict[str, int] = field(default_factory=dict[str, int])


class Snapshot:
    def __init__(self) -> None:
        self._machines: dict[str, Machine] = {}
        self._placed: dict[str, Resident] = {}
        self._kinds: dict[bytes, KindUse] = {}
        self._kinds_in: dict[str, dict[bytes, KindUse]] = {}
        self._kinds_with_terms: dict[bytes, KindUse] = {}
        self._by_change: OrderedDict[str, Machine] = OrderedDict()
        """The machine changed last is at the end."""
        self._present: list[Machine] | None = None
        self.losses = 0
        """How many machines have gone so far."""
        self._generation = 0
        self.namespaces: dict[str, Mapping[str, str]] = {}
        """Labels of the namespaces."""
        self.claim_users: dict[str, set[str]] = {}
        """By claim (`namespace/name`) the pods that have a machine and use it."""
        self.nominated: dict[str, Resident] = {}
        """Pods that wait for others to make room for them on the machine that they name."""
        self.having_image: dict[str, dict[str, int]] = {}
        """By image the machines that have it, and its size in bytes there."""

    @property
    def generation(self) -> int:
        return self._generation

    def machines(self) -> list[Machine]:
        """Machines that have a Node object. Not to be changed."""
        if self._present is None:
            self._present = [machine for machine in self._machines.values() if machine.node is not None]
        return self._present

    def machine(self, name: str) -> Machine | None:
        machine = self._machines.get(name)
        return machine if machine is not None and machine.node is not None else None

    def changed_since(self, generation: int) -> Iterator[Machine]:
        """Machines that changed after `generation`, the latest first."""
        for machine in reversed(self._by_change.values()):
            if machine.generation <= generation:
                return
            yield machine

    def node_changed(self, node: Node) -> None:
        machine = self._machine(node.metadata.name)
        self._forget_images(machine)
        self._present = None
        machine.describe(node)
        for image, size in machine.images.items():
            self.having_image.setdefault(image, {})[machine.name] = size
        self._touch(machine)

    def node_gone(self, name: str) -> None:
        machine = self._machines.get(name)
        if machine is not None:
            self._forget_images(machine)
            self._present = None
            self.losses += 1
            machine.node = None
            self._touch(machine)
            self._drop_if_empty(machine)

    def pod_changed(self, pod: Pod, shape: Shape) -> None:
        """A pod has a machine from its binding until it ends. `shape`: the pod's."""
        uid = pod.metadata.uid
        if pod.status.phase in ("Succeeded", "Failed"):
            self.pod_gone(uid)
        elif pod.spec.node_name:
            self.place(resident_of(pod, shape, pod.spec.node_name))

    def place(self, resident: Resident) -> None:
        """Count the pod on the machine from now on."""
        before = self._placed.get(resident.uid)
        if before == resident:
            return
        if before is not None and before.machine == resident.machine and before.shape is resident.shape:
            # Nothing that a filter or score looks at has changed.
            self._placed[resident.uid] = self._machines[resident.machine].residents[resident.uid] = resident
            return
        if before is not None:
            self.pod_gone(resident.uid)
        self.nominated.pop(resident.uid, None)
        self._placed[resident.uid] = resident
        machine = self._machine(resident.machine)
        machine.add(resident)
        self._count(resident, 1)
        for use in resident.shape.claims:
            self.claim_users.setdefault(use.key, set()).add(resident.uid)
        self._touch(machine)

    def pod_gone(self, uid: str) -> None:
        """Also forgets a placement that the API refused."""
        self.nominated.pop(uid, None)
        resident = self._placed.pop(uid, None)
        if resident is None:
            return
        machine = self._machines[resident.machine]
        machine.remove(resident)
        self._count(resident, -1)
        for use in resident.shape.claims:
            users = self.claim_users.get(use.key, set())
            users.discard(uid)
            if not users:
                self.claim_users.pop(use.key, None)
        self._touch(machine)
        self._drop_if_empty(machine)

    def resident(self, uid: str) -> Resident | None:
        return self._placed.get(uid)

    def residents(self) -> Iterable[Resident]:
        return self._placed.values()

    def nominate(self, resident: Resident) -> None:
        """Keep the room on the machine that the pod names from pods of lower priority."""
        self.nominated[resident.uid] = resident

    def kinds_in(self, namespace: str) -> Iterable[KindUse]:
        return self._kinds_in.get(namespace, {}).values()

    def kinds_with_terms(self) -> Iterable[KindUse]:
        return self._kinds_with_terms.values()

    def kinds_of(self, term: PodTerm) -> Iterator[KindUse]:
        """The kinds that the term selects."""
        named: Iterable[str] = term.namespaces
        if not term.namespace_selector.nothing:
            named = [name for name in self._kinds_in if self.covers(term, name)]
        for namespace in named:
            for use in self.kinds_in(namespace):
                if term.selector.matches(use.kind.labels):
                    yield use

    def selects(self, term: PodTerm, kind: Kind) -> bool:
        return self.covers(term, kind.namespace) and term.selector.matches(kind.labels)

    def covers(self, term: PodTerm, namespace: str) -> bool:
        return term.covers(namespace, self.namespaces.get(namespace))

    def _count(self, resident: Resident, sign: int) -> None:
        shape = resident.shape
        use = self._kinds.get(shape.kind_key)
        if use is None:
            use = self._kinds[shape.kind_key] = KindUse(shape.kind)
            self._kinds_in.setdefault(shape.kind.namespace, {})[shape.kind_key] = use
            if shape.kind.has_terms:
                self._kinds_with_terms[shape.kind_key] = use
        count = use.where.get(resident.machine, 0) + sign
        if count:
            use.where[resident.machine] = count
            return
        use.where.pop(resident.machine, None)
        if not use.where:
            del self._kinds[shape.kind_key]
            self._kinds_with_terms.pop(shape.kind_key, None)
            here = self._kinds_in[shape.kind.namespace]
            del here[shape.kind_key]
            if not here:
                del self._kinds_in[shape.kind.namespace]

    def _touch(self, machine: Machine) -> None:
        self._generation += 1
        machine.generation = self._generation
        self._by_change[machine.name] = machine
        self._by_change.move_to_end(machine.name)

    def _forget_images(self, machine: Machine) -> None:
        for image in machine.images:
            where = self.having_image.get(image, {})
            where.pop(machine.name, None)
            if not where:
                self.having_image.pop(image, None)

    def _machine(self, name: str) -> Machine:
        return self._machines.setdefault(name, Machine(name))

    def _drop_if_empty(self, machine: Machine) -> None:
        if machine.node is None and not machine.residents:
            self._machines.pop(machine.name, None)
            self._by_change.pop(machine.name, None)


def resident_of(pod: Pod, shape: Shape, machine: str) -> Resident:
    meta = pod.metadata
    return Resident(
        uid=meta.uid,
        namespace=meta.namespace,
        name=meta.name,
        shape=shape,
        machine=machine,
        started=pod.status.start_time or "",
        preempted=meta.deletion_timestamp is not None
        and any(
            c.type == "DisruptionTarget" and c.status == "True" and c.reason == "PreemptionByScheduler"
            for c in pod.status.conditions
        ),
    )
