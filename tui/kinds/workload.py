"""What deployments, replica sets and services share: they stand for pods chosen by a selector. Pure."""

from collections.abc import Mapping
from typing import Any

from apimachinery.objects.resources import PODS
from apimachinery.objects.selectors import from_label_selector, from_labels
from tui.kinds.lens import JSON
from tui.kinds.sections import meta_of
from tui.target import Target


def pods_by_selector(obj: JSON) -> Target | None:
    """The pods that `spec.selector` (a LabelSelector) chooses; None when it chooses nothing."""
    selector = (obj.get("spec") or {}).get("selector")
    return _target(obj, str(from_label_selector(selector)) if isinstance(selector, Mapping) else "")


def pods_by_labels(obj: JSON) -> Target | None:
    """The pods that `spec.selector` (plain labels, as a Service has) chooses."""
    selector: Mapping[str, Any] | None = (obj.get("spec") or {}).get("selector")
    return _target(obj, str(from_labels(selector)) if selector else "")


def _target(obj: JSON, selector: str) -> Target | None:
    if not selector:
        return None
    meta = meta_of(obj)
    return Target(resource=PODS, namespace=meta.get("namespace"), label_selector=selector, title=meta.get("name", ""))
