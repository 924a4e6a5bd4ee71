"""Which machines a pod's node selector and required node affinity let it go to."""

from collections.abc import Iterable, Mapping
from typing import Any

from apimachinery.objects.selectors import from_label_selector


def selects_node(spec: Mapping[str, Any], labels: Mapping[str, str], name: str) -> bool:
    """`spec`: a pod's. Preferences do not count."""
    if not (spec.get("nodeSelector") or {}).items() <= labels.items():
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return required is None or any_term_matches(required.get("nodeSelectorTerms") or (), labels, name)


def any_term_matches(terms: Iterable[Mapping[str, Any]], labels: Mapping[str, str], name: str) -> bool:
    """An empty term matches nothing."""
    return any(_matches(term, labels, name) for term in terms)


def _matches(term: Mapping[str, Any], labels: Mapping[str, str], name: str) -> bool:
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    by_label = from_label_selector({"matchExpressions": expressions})
    return by_label.matches(labels) and from_label_selector({"matchExpressions": fields}).matches(
        {"metadata.name": name}
    )
