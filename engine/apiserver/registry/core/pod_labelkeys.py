"""matchLabelKeys and mismatchLabelKeys of a new pod, written out into the selectors that they belong to.

Source: mutatePodAffinity and mutateTopologySpreadConstraints in pkg/registry/core/pod/strategy.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.apiserver.registry.kind import Json

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def merge_label_keys(pod: Json) -> None:
    """Keys that the pod's own labels lack say nothing; a term without a selector selects nobody anyway."""
    labels: dict[str, str] = pod["metadata"].get("labels") or {}
    for term in _terms(pod["spec"]):
        selector: Json | None = term.get("labelSelector")
        if selector is None:
            continue
        merged = [
            {"key": key, "operator": operator, "values": [labels[key]]}
            for field, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn"))
            for key in term.get(field) or ()
            if key in labels
        ]
        if merged:
            selector["matchExpressions"] = [*(selector.get("matchExpressions") or ()), *merged]


def _terms(spec: Json) -> Iterator[Json]:
    affinity: Json = spec.get("affinity") or {}
    for side in ("podAffinity", "podAntiAffinity"):
        part: Json = affinity.get(side) or {}
        yield from part.get(_REQUIRED) or ()
        yield from (weighted.get("podAffinityTerm") or {} for weighted in part.get(_PREFERRED) or ())
    yield from spec.get("topologySpreadConstraints") or ()
