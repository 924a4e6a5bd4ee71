"""A pod as the scheduler sees it: everything that decides where it may go. Pods of one shape are placed together."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from apimachinery.objects.meta import controller_of
from apimachinery.objects.taints import Toleration
from engine.scheduler.requests import Amounts, assumed_requests, pod_requests
from engine.scheduler.terms import (
    NodeTerm,
    PodTerm,
    Spread,
    WeightedTerm,
    node_term,
    node_terms,
    pod_term,
    says_something,
    spread,
)
from engine.scheduler.views import Pod, PodAffinity, PodSpec

HostPort = tuple[str, str, int]
"""(address or empty for all, protocol, port)."""

GROUP_LABEL = "scheduling.x-k8s.io/pod-group"
MINIMUM_LABEL = "scheduling.x-k8s.io/min-available"


@dataclass(frozen=True, slots=True)
class ClaimUse:
    """A claim by its key `namespace/name`. `pod`: the one that it must belong to, for an ephemeral volume."""

    key: str
    pod: str = ""

    @property
    def name(self) -> str:
        return self.key.partition("/")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What other pods see of a pod: equal for pods that no selector and no term can tell apart.

    `terminating` pods no longer count for topology spread, as upstream has it.
    """

    namespace: str
    labels: Mapping[str, str]
    terminating: bool = False
    affinity: tuple[PodTerm, ...] = ()
    anti_affinity: tuple[PodTerm, ...] = ()
    preferred: tuple[WeightedTerm, ...] = ()

    @property
    def has_terms(self) -> bool:
        return bool(self.affinity or self.anti_affinity or self.preferred)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shape:
    """`kind_key` tells kinds apart; `owner` is the controller (kind, name), by which the default spreading goes.

    `only` names the machines to which matchFields of the node affinity confine the pod, None for all.
    """

    requests: Amounts
    assumed: tuple[int, int]
    kind: Kind
    kind_key: bytes = b""
    owner: tuple[str, str] | None = None
    node_selector: Mapping[str, str] = field(default_factory=dict[str, str])
    required: tuple[NodeTerm, ...] | None = None
    preferred: tuple[tuple[int, NodeTerm], ...] = ()
    only: frozenset[str] | None = None
    tolerations: tuple[Toleration, ...] = ()
    host_ports: tuple[HostPort, ...] = ()
    images: tuple[str, ...] = ()
    claims: tuple[ClaimUse, ...] = ()
    hard_spread: tuple[Spread, ...] = ()
    soft_spread: tuple[Spread, ...] = ()
    group: str = ""
    minimum: int = 0
    scheduler: str = "default-scheduler"
    priority: int = 0
    may_preempt: bool = True

    @property
    def spreads(self) -> bool:
        """Whether the pod says itself how it wants to be spread."""
        return bool(self.hard_spread or self.soft_spread)

    @property
    def required_nodes_matter(self) -> bool:
        return bool(self.node_selector) or self.required is not None

    def required_nodes_match(self, labels: Mapping[str, str], name: str) -> bool:
        """Node selector and required node affinity."""
        if self.node_selector and not self.node_selector.items() <= labels.items():
            return False
        return self.required is None or any(term.matches(labels, name) for term in self.required)


def shape_of(pod: Pod) -> Shape:
    spec, meta = pod.spec, pod.metadata
    asked = pod_requests(spec)
    nodes = spec.affinity.node_affinity if spec.affinity is not None else None
    required = node_terms(nodes.required) if nodes is not None else None
    wishes = ((p.weight, p.preference) for p in nodes.preferred) if nodes is not None else ()
    spreads = [(c.when_unsatisfiable, spread(c, meta.labels)) for c in spec.topology_spread_constraints]
    owner = controller_of(meta)
    return Shape(
        requests=asked,
        assumed=assumed_requests(spec, asked),
        kind=_kind(pod),
        kind_key=_kind_key(pod),
        owner=(owner.kind, owner.name) if owner is not None else None,
        node_selector=spec.node_selector,
        required=required,
        preferred=tuple((weight, node_term(term)) for weight, term in wishes if says_something(term)),
        only=_only(required),
        tolerations=spec.tolerations,
        host_ports=host_ports(spec),
        images=tuple(normalized(c.image) for c in (*spec.init_containers, *spec.containers)),
        claims=tuple(_claims(pod)),
        hard_spread=tuple(one for when, one in spreads if when == "DoNotSchedule"),
        soft_spread=tuple(one for when, one in spreads if when == "ScheduleAnyway"),
        group=_group(pod),
        minimum=_minimum(pod),
        scheduler=spec.scheduler_name,
        priority=spec.priority,
        may_preempt=spec.preemption_policy != "Never",
    )


def shape_key(pod: Pod) -> bytes:
    """Equal for pods that differ in nothing that matters here."""
    # Other volumes than claims do not matter; that of the account's token has a name of its own in each pod.
    claims = tuple(v for v in pod.spec.volumes if v.persistent_volume_claim is not None or v.ephemeral is not None)
    spec = msgspec.structs.replace(pod.spec, node_name="", scheduling_gates=(), volumes=claims)
    meta = pod.metadata
    owner = controller_of(meta)
    own_name = meta.name if any(volume.ephemeral is not None for volume in spec.volumes) else ""
    leaving = meta.deletion_timestamp is not None
    return msgspec.msgpack.encode(
        (meta.namespace, sorted(meta.labels.items()), owner.uid if owner else "", own_name, leaving, spec)
    )


def host_ports(spec: PodSpec) -> tuple[HostPort, ...]:
    sidecars = (c for c in spec.init_containers if c.restart_policy == "Always")
    ports = (p for c in (*spec.containers, *sidecars) for p in c.ports if p.host_port)
    return tuple(("" if p.host_ip in ("0.0.0.0", "::") else p.host_ip, p.protocol, p.host_port) for p in ports)  # noqa: S104


def normalized(image: str) -> str:
    """With a tag, as machines report their images."""
    return image if ":" in image.rpartition("/")[2] or "@" in image else f"{image}:latest"


def _kind(pod: Pod) -> Kind:
    meta, affinity = pod.metadata, pod.spec.affinity
    towards = affinity.pod_affinity if affinity is not None else None
    against = affinity.pod_anti_affinity if affinity is not None else None
    namespace, labels = meta.namespace, meta.labels

    def weighted(part: PodAffinity | None, sign: int) -> Iterable[WeightedTerm]:
        wishes = part.preferred if part is not None else ()
        return (WeightedTerm(pod_term(w.pod_affinity_term, namespace, labels), sign * w.weight) for w in wishes)

    return Kind(
        namespace=namespace,
        labels=labels,
        terminating=meta.deletion_timestamp is not None,
        affinity=tuple(pod_term(t, namespace, labels) for t in towards.required) if towards is not None else (),
        anti_affinity=tuple(pod_term(t, namespace, labels) for t in against.required) if against is not None else (),
        preferred=(*weighted(towards, 1), *weighted(against, -1)),
    )


def _kind_key(pod: Pod) -> bytes:
    meta, affinity = pod.metadata, pod.spec.affinity
    terms = (affinity.pod_affinity, affinity.pod_anti_affinity) if affinity is not None else ()
    leaving = meta.deletion_timestamp is not None
    return msgspec.msgpack.encode((meta.namespace, sorted(meta.labels.items()), leaving, terms))


def _only(required: tuple[NodeTerm, ...] | None) -> frozenset[str] | None:
    """Each term that names machines narrows; one that names none leaves all machines open."""
    if not required:
        return None
    names: set[str] = set()
    for term in required:
        named = [r.values for r in term.names if r.operator == "in" and r.key == "metadata.name"]
        if not named:
            return None
        names |= frozenset.intersection(*named)
    return frozenset(names)


def _claims(pod: Pod) -> Iterable[ClaimUse]:
    meta = pod.metadata
    for volume in pod.spec.volumes:
        if volume.persistent_volume_claim is not None:
            yield ClaimUse(f"{meta.namespace}/{volume.persistent_volume_claim.claim_name}")
        elif volume.ephemeral is not None:
            yield ClaimUse(f"{meta.namespace}/{meta.name}-{volume.name}", pod=meta.name)


def _group(pod: Pod) -> str:
    name = pod.metadata.labels.get(GROUP_LABEL, "")
    return f"{pod.metadata.namespace}/{name}" if name else ""


def _minimum(pod: Pod) -> int:
    """How many of the group must start together; what is no number counts as one."""
    text = pod.metadata.labels.get(MINIMUM_LABEL, "")
    return int(text) if text.isascii() and text.isdigit() else 1
