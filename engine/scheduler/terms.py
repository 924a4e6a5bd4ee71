"""The terms by which pods choose machines and each other, read once and matched often."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from apimachinery.objects.selectors import NOTHING, Requirement, Selector, from_label_selector
from engine.scheduler.views import PodAffinityTerm, RequiredNodes, TopologySpreadConstraint

HOSTNAME = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"


@dataclass(frozen=True, slots=True)
class NodeTerm:
    """A node selector term: all its requirements on labels and on the name hold."""

    labels: tuple[Requirement, ...]
    names: tuple[Requirement, ...]

    def matches(self, labels: Mapping[str, str], name: str) -> bool:
        if not all(r.matches(labels) for r in self.labels):
            return False
        return not self.names or all(r.matches({"metadata.name": name}) for r in self.names)


@dataclass(frozen=True, slots=True)
class PodTerm:
    """Pods that this selects, counted by the machines' value of the label `key`.

    `namespaces` are those named (the pod's own when none is); `namespace_selector` adds those whose labels match.
    """

    key: str
    selector: Selector
    namespaces: frozenset[str]
    namespace_selector: Selector = NOTHING

    def covers(self, namespace: str, labels: Mapping[str, str] | None) -> bool:
        """`labels`: the namespace's own."""
        if namespace in self.namespaces:
            return True
        return not self.namespace_selector.nothing and self.namespace_selector.matches(labels)


@dataclass(frozen=True, slots=True)
class WeightedTerm:
    """`weight` is negative for anti-affinity."""

    term: PodTerm
    weight: int


@dataclass(frozen=True, slots=True)
class Spread:
    """One topology spread constraint."""

    key: str
    max_skew: int
    selector: Selector
    min_domains: int = 1
    honors_affinity: bool = True
    honors_taints: bool = False


def node_terms(required: RequiredNodes | None) -> tuple[NodeTerm, ...] | None:
    """None where nothing is required; an empty term matches nothing, so it is left out."""
    if required is None:
        return None
    return tuple(node_term(term) for term in required.node_selector_terms if says_something(term))


def says_something(term: Mapping[str, Any]) -> bool:
    return bool(term.get("matchExpressions") or term.get("matchFields"))


def node_term(term: Mapping[str, Any]) -> NodeTerm:
    labels = from_label_selector({"matchExpressions": term.get("matchExpressions") or ()})
    names = from_label_selector({"matchExpressions": term.get("matchFields") or ()})
    return NodeTerm(labels.requirements, names.requirements)


def pod_term(term: PodAffinityTerm, namespace: str, labels: Mapping[str, str]) -> PodTerm:
    """`namespace` and `labels` of the pod that has the term."""
    selector = from_label_selector(term.label_selector)
    if not selector.nothing:
        # The API server merges these keys into the selector of new pods already: saying it twice does no harm.
        selector = Selector((
            *selector.requirements,
            *_same_values(term.match_label_keys, labels, "in"),
            *_same_values(term.mismatch_label_keys, labels, "notin"),
        ))  # fmt: skip
    own = not term.namespaces and term.namespace_selector is None
    return PodTerm(
        key=term.topology_key,
        selector=selector,
        namespaces=frozenset((namespace,)) if own else frozenset(term.namespaces),
        namespace_selector=from_label_selector(term.namespace_selector),
    )


def spread(constraint: TopologySpreadConstraint, labels: Mapping[str, str]) -> Spread:
    selector = from_label_selector(constraint.label_selector)
    if not selector.nothing and constraint.match_label_keys:
        selector = Selector((*selector.requirements, *_same_values(constraint.match_label_keys, labels, "in")))
    return Spread(
        key=constraint.topology_key,
        max_skew=constraint.max_skew,
        selector=selector,
        min_domains=constraint.min_domains or 1,
        honors_affinity=constraint.node_affinity_policy != "Ignore",
        honors_taints=constraint.node_taints_policy == "Honor",
    )


def _same_values(
    keys: tuple[str, ...], labels: Mapping[str, str], operator: Literal["in", "notin"]
) -> tuple[Requirement, ...]:
    """Keys that the pod itself lacks say nothing."""
    return tuple(Requirement(key, operator, frozenset((labels[key],))) for key in keys if key in labels)
