"""Namespaces on their way out: delete what they hold, say what is left, let them go when nothing is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from apimachinery.objects.meta import format_time
from apimachinery.objects.resources import NAMESPACES, Resource
from engine.controllers.actions import Action, DeleteCollection, Replace, RequeueAfter, SetStatus
from engine.controllers.controller import Moment, Reader, Watch
from engine.controllers.views import NAMESPACE_SOURCE, Condition, Namespace, condition_of

FINALIZER = "kubernetes"
LOOK_AGAIN = 1.0
"""Seconds until content that could not go at once (pods in their grace period) is looked at again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    namespace: Namespace
    whole: dict[str, Any]
    """The namespace as the API has it now, to be written back by way of `finalize`."""
    content: Mapping[Resource, int] | None
    """How many objects of each kind the namespace holds now; None while the kinds are not known yet."""
    finalizers: Mapping[str, int] = field(default_factory=dict[str, int])
    """Finalizers that stand on this content, and on how many objects."""
    now: datetime


def plan(observed: Observed) -> list[Action]:
    namespace = observed.namespace
    if namespace.metadata.deletion_timestamp is None or FINALIZER not in namespace.spec.finalizers:
        return []
    if observed.content is None:
        return [RequeueAfter(seconds=LOOK_AGAIN)]
    remaining = {resource: count for resource, count in observed.content.items() if count}
    status = _status(observed, remaining)
    if not remaining:
        return [*status, _finalize(observed)] if not status else [*status, RequeueAfter(seconds=0.01)]
    deletions = [
        DeleteCollection(resource=resource, namespace=namespace.metadata.name)
        for resource in sorted(remaining, key=lambda r: (r.group, r.plural))
    ]
    return [*deletions, *status, RequeueAfter(seconds=LOOK_AGAIN)]


def _finalize(observed: Observed) -> Action:
    whole = observed.whole
    kept = [finalizer for finalizer in whole.get("spec", {}).get("finalizers", ()) if finalizer != FINALIZER]
    return Replace(
        resource=NAMESPACES,
        subresource="finalize",
        body={**whole, "spec": {**whole.get("spec", {}), "finalizers": kept}},
    )


def _status(observed: Observed, remaining: Mapping[Resource, int]) -> list[Action]:
    """Upstream's conditions: `kubectl describe namespace` shows what holds a deletion up."""
    namespace = observed.namespace
    texts = sorted(
        f"{r.qualified if r.group else r.plural + '.'} has {n} resource instances" for r, n in remaining.items()
    )
    held = sorted(f"{name} in {count} resource instances" for name, count in observed.finalizers.items())
    left_over = ("True", "SomeResourcesRemain", "Some resources are remaining: " + ", ".join(texts))
    holding = "Some content in the namespace has finalizers remaining: " + ", ".join(held)
    verdicts = {
        "NamespaceDeletionDiscoveryFailure": ("False", "ResourcesDiscovered", "All resources successfully discovered"),
        "NamespaceDeletionGroupVersionParsingFailure": (
            "False", "ParsedGroupVersions", "All legacy kube types successfully parsed",
        ),
        "NamespaceDeletionContentFailure": (
            "False", "ContentDeleted", "All content successfully deleted, may be waiting on finalization",
        ),
        "NamespaceContentRemaining": left_over
        if texts
        else ("False", "ContentRemoved", "All content successfully removed"),
        "NamespaceFinalizersRemaining": ("True", "SomeFinalizersRemain", holding)
        if held
        else ("False", "ContentHasNoFinalizers", "All content-preserving finalizers finished"),
    }  # fmt: skip
    if not remaining and not namespace.status.conditions:
        # Nothing ever stood in the way: the namespace goes without a word.
        return []
    conditions = tuple(_condition(observed, kind, verdict) for kind, verdict in verdicts.items())
    others = tuple(c for c in namespace.status.conditions if c.type not in verdicts)
    if (*others, *conditions) == namespace.status.conditions:
        return []
    return [
        SetStatus(
            resource=NAMESPACES,
            name=namespace.metadata.name,
            resource_version=namespace.metadata.resource_version,
            status={"phase": "Terminating", "conditions": msgspec.to_builtins((*others, *conditions))},
        )
    ]


def _condition(observed: Observed, kind: str, verdict: tuple[str, str, str]) -> Condition:
    status, reason, message = verdict
    current = condition_of(observed.namespace.status.conditions, kind)
    moved = current is None or current.status != status
    since = format_time(observed.now) if moved or current is None else current.last_transition_time
    return Condition(type=kind, status=status, reason=reason, message=message, last_transition_time=since)


class NamespaceController:
    name = "namespace"
    component = "namespace-controller"

    def __init__(self) -> None:
        self.watches = (Watch(NAMESPACE_SOURCE, lambda namespace, _: [namespace.metadata.name]),)

    async def observe(self, key: str, reader: Reader, moment: Moment) -> Observed | None:
        namespace = reader.get(NAMESPACE_SOURCE, key)
        if namespace is None or namespace.metadata.deletion_timestamp is None:
            return None
        whole = await reader.live_get(NAMESPACES, "", key)
        if whole is None:
            return None
        content: dict[Resource, int] = {}
        finalizers: dict[str, int] = {}
        for resource in reader.resources():
            if not resource.namespaced or not {"list", "delete"} <= set(resource.verbs):
                continue
            objects = await reader.live_list(resource, key)
            content[resource] = len(objects)
            for obj in objects:
                for finalizer in obj.metadata.finalizers:
                    finalizers[finalizer] = finalizers.get(finalizer, 0) + 1
        known = content if reader.resources() else None
        return Observed(namespace=namespace, whole=whole, content=known, finalizers=finalizers, now=moment.now)

    def plan(self, observed: Observed) -> list[Action]:
        return plan(observed)
