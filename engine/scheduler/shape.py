"""A pod as the scheduler sees it: everything that decides where it may go. Pods of one shape are placed together."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from apimachinery.objects.meta import controller_of
from apimachinery.objects.selectors import Requirement, from_label_selector
from apimachinery.objects.taints import Toleration
from engine.scheduler.requests import Amounts, assumed_requests, pod_requests
from engine.scheduler.views import Pod, PodSpec

HostPort = tuple[str, str, int]
"""(address or empty for all, protocol, port)."""


@dataclass(frozen=True, slots=True)
class Term:
    """A node selector term: all its requirements on labels and on the name hold."""

    labels: tuple[Requirement, ...]
    names: tuple[Requirement, ...]

    def matches(self, labels: Mapping[str, str], name: str) -> bool:
        by_name = {"metadata.name": name}
        return all(r.matches(labels) for r in self.labels) and all(r.matches(by_name) for r in self.names)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shape:
    """`group`: pods to spread over machines: of one controller, else of one namespace with the same labels."""

    requests: Amounts
    assumed: tuple[int, int]
    node_selector: Mapping[str, str] = field(default_factory=dict[str, str])
    required: tuple[Term, ...] | None = None
    preferred: tuple[tuple[int, Term], ...] = ()
    tolerations: tuple[Toleration, ...] = ()
    host_ports: tuple[HostPort, ...] = ()
    images: tuple[str, ...] = ()
    group: str = ""
    priority: int = 0
    may_preempt: bool = True


def shape_of(pod: Pod) -> Shape:
    spec = pod.spec
    asked = pod_requests(spec)
    affinity = spec.affinity.node_affinity if spec.affinity is not None else None
    required = affinity.required if affinity is not None else None
    return Shape(
        requests=asked,
        assumed=assumed_requests(spec, asked),
        node_selector=spec.node_selector,
        required=tuple(_term(term) for term in required.node_selector_terms if _says(term)) if required else None,
        preferred=tuple((p.weight, _term(p.preference)) for p in affinity.preferred) if affinity is not None else (),
        tolerations=spec.tolerations,
        host_ports=host_ports(spec),
        images=tuple(normalized(c.image) for c in spec.containers),
        group=group_of(pod),
        priority=spec.priority,
        may_preempt=spec.preemption_policy != "Never",
    )


def shape_key(pod: Pod) -> bytes:
    """Equal for pods that differ in nothing that matters here."""
    spec = msgspec.structs.replace(pod.spec, node_name="", scheduling_gates=())
    return msgspec.json.encode((group_of(pod), spec))


def group_of(pod: Pod) -> str:
    owner = controller_of(pod.metadata)
    if owner is not None:
        return owner.uid
    if not pod.metadata.labels:
        return ""
    return f"{pod.metadata.namespace}/{sorted(pod.metadata.labels.items())}"


def host_ports(spec: PodSpec) -> tuple[HostPort, ...]:
    sidecars = (c for c in spec.init_containers if c.restart_policy == "Always")
    ports = (p for c in (*spec.containers, *sidecars) for p in c.ports if p.host_port)
    return tuple(("" if p.host_ip in ("0.0.0.0", "::") else p.host_ip, p.protocol, p.host_port) for p in ports)  # noqa: S104


def normalized(image: str) -> str:
    """With a tag, as machines report their images."""
    return image if ":" in image.rpartition("/")[2] or "@" in image else f"{image}:latest"


def _says(term: Mapping[str, Any]) -> bool:
    """An empty term matches nothing, so it can be left out."""
    return bool(term.get("matchExpressions") or term.get("matchFields"))


def _term(term: Mapping[str, Any]) -> Term:
    labels = from_label_selector({"matchExpressions": term.get("matchExpressions") or ()})
    names = from_label_selector({"matchExpressions": term.get("matchFields") or ()})
    return Term(labels.requirements, names.requirements)
