"""Which machine would take a pod: requests, taints, selectors, ports and volumes. Pure.

A part of what a scheduler looks at, with its words: what is left out is said by `unjudged`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from apimachinery.objects import quantity
from apimachinery.objects.nodeselection import any_term_matches, selects_node
from apimachinery.objects.podresources import Amounts, of_pod
from apimachinery.objects.taints import Taint, Toleration, first_untolerated

JSON = dict[str, Any]
KEEPS_OUT = ("NoSchedule", "NoExecute")
UNSCHEDULABLE = Taint("node.kubernetes.io/unschedulable", "NoSchedule")
ENDED = ("Succeeded", "Failed")


@dataclass(slots=True)
class Machine:
    """What a machine has, and what its pods ask for; `taken` grows as pods are placed."""

    name: str
    labels: Mapping[str, str]
    allocatable: Amounts
    ready: bool
    taints: tuple[Taint, ...]
    taken: Amounts = field(default_factory=dict[str, Decimal])
    ports: set[tuple[str, int]] = field(default_factory=set[tuple[str, int]])

    def add(self, spec: JSON) -> None:
        for name, amount in asked(spec).items():
            self.taken[name] = self.taken.get(name, Decimal(0)) + amount
        self.ports |= host_ports(spec)

    def share(self, resource: str) -> float:
        """How much of it is asked for, 0 to 1 and beyond."""
        whole = self.allocatable.get(resource, Decimal(0))
        return float(self.taken.get(resource, Decimal(0)) / whole) if whole else 0.0


def machine_of(node: JSON, pods: Iterable[JSON]) -> Machine:
    """With the pods that are on it already."""
    status, spec = node.get("status") or {}, node.get("spec") or {}
    conditions = {one["type"]: one["status"] for one in status.get("conditions") or ()}
    taints = [msgspec.convert(one, Taint) for one in spec.get("taints") or ()]
    if spec.get("unschedulable") and UNSCHEDULABLE not in taints:
        taints.append(UNSCHEDULABLE)
    machine = Machine(
        name=node["metadata"]["name"],
        labels=node["metadata"].get("labels") or {},
        allocatable={name: quantity.parse(amount) for name, amount in (status.get("allocatable") or {}).items()},
        ready=conditions.get("Ready", "True") == "True",
        taints=tuple(taints),
    )
    for pod in pods:
        if (pod.get("status") or {}).get("phase") not in ENDED:
            machine.add(pod["spec"])
    return machine


def asked(spec: JSON) -> Amounts:
    """What a pod takes of a machine: its requests, and its place among the pods."""
    return {**of_pod(spec, "requests"), "pods": Decimal(1)}


def host_ports(spec: JSON) -> set[tuple[str, int]]:
    return {
        (port.get("protocol", "TCP"), port["hostPort"])
        for container in spec.get("containers") or ()
        for port in container.get("ports") or ()
        if port.get("hostPort")
    }


def place(spec: JSON, machines: Iterable[Machine], volumes: Iterable[JSON] = ()) -> tuple[Machine | None, str]:
    """The machine with most room among those that fit, and the pod counted there; else why none does."""
    bound = list(volumes)
    reasons: Counter[str] = Counter()
    fitting: list[Machine] = []
    count = 0
    for machine in machines:
        count += 1
        reason = misfit(spec, machine, bound)
        if reason:
            reasons[reason] += 1
        else:
            fitting.append(machine)
    if fitting:
        chosen = min(fitting, key=lambda one: (one.share("cpu") + one.share("memory"), one.share("pods"), one.name))
        chosen.add(spec)
        return chosen, ""
    if not count:
        return None, "there is no other machine"
    said = ", ".join(f"{number} {reason}" for reason, number in reasons.most_common())
    return None, f"0/{count} machines: {said}"


def misfit(spec: JSON, machine: Machine, volumes: Iterable[JSON] = ()) -> str:
    """Why the machine cannot take the pod, in the scheduler's words; empty when it can."""
    if not machine.ready:
        return "not ready"
    tolerations = [msgspec.convert(one, Toleration) for one in spec.get("tolerations") or ()]
    taint = first_untolerated(machine.taints, tolerations, KEEPS_OUT)
    if taint is UNSCHEDULABLE or (taint is not None and taint.key == UNSCHEDULABLE.key):
        return "unschedulable"
    if taint is not None:
        return f"untolerated taint {{{taint.key}{f': {taint.value}' if taint.value else ''}}}"
    if not selects_node(spec, machine.labels, machine.name):
        return "didn't match the pod's node affinity/selector"
    if any(not reaches(volume, machine.labels, machine.name) for volume in volumes):
        return "volume node affinity conflict"
    if host_ports(spec) & machine.ports:
        return "didn't have free ports"
    for name, amount in asked(spec).items():
        # A machine that tells nothing of its size is judged by the rest.
        if (
            amount
            and machine.allocatable
            and machine.taken.get(name, Decimal(0)) + amount > machine.allocatable.get(name, Decimal(0))
        ):
            return "Too many pods" if name == "pods" else f"Insufficient {name}"
    return ""


def reaches(volume: JSON, labels: Mapping[str, str], name: str) -> bool:
    """Whether a PersistentVolume can be used on a machine."""
    required = ((volume.get("spec") or {}).get("nodeAffinity") or {}).get("required")
    return required is None or any_term_matches(required.get("nodeSelectorTerms") or (), labels, name)


def unjudged(spec: JSON) -> list[str]:
    """What a scheduler would look at besides."""
    affinity = spec.get("affinity") or {}
    found: list[str] = []
    if (affinity.get("podAffinity") or {}).get("requiredDuringSchedulingIgnoredDuringExecution"):
        found.append("affinity to pods")
    if (affinity.get("podAntiAffinity") or {}).get("requiredDuringSchedulingIgnoredDuringExecution"):
        found.append("anti-affinity")
    if any(one.get("whenUnsatisfiable") == "DoNotSchedule" for one in spec.get("topologySpreadConstraints") or ()):
        found.append("topology spread")
    if spec.get("schedulerName", "default-scheduler") != "default-scheduler":
        found.append(f"scheduler {spec['schedulerName']}")
    return found
