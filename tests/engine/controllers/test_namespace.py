"""Namespaces on their way out."""

from typing import Any

from apimachinery.objects.meta import ObjectMeta
from apimachinery.objects.resources import CONFIGMAPS, DEPLOYMENTS, PODS
from engine.controllers import namespace
from engine.controllers.actions import Action, DeleteCollection, Replace, RequeueAfter, SetStatus
from engine.controllers.views import Condition, Namespace, NamespaceSpec, NamespaceStatus
from tests.engine.controllers.objects import NOW, ago

WHOLE = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": "tmp", "resourceVersion": "8"},
    "spec": {"finalizers": ["kubernetes", "example.com/mine"]},
}


def going(*conditions: Condition, deleting: bool = True, finalizers: tuple[str, ...] = ("kubernetes",)) -> Namespace:
    return Namespace(
        metadata=ObjectMeta(name="tmp", resource_version="8", deletion_timestamp=ago(1) if deleting else None),
        spec=NamespaceSpec(finalizers=finalizers),
        status=NamespaceStatus(phase="Terminating" if deleting else "Active", conditions=conditions),
    )


def plan(which: Namespace, content: dict[Any, int] | None, finalizers: dict[str, int] | None = None) -> list[Action]:
    return namespace.plan(
        namespace.Observed(namespace=which, whole=WHOLE, content=content, finalizers=finalizers or {}, now=NOW)
    )


def test_content_of_every_kind_is_deleted_and_looked_at_again() -> None:
    actions = plan(going(), {PODS: 3, DEPLOYMENTS: 1, CONFIGMAPS: 0})
    assert [a.resource for a in actions if isinstance(a, DeleteCollection)] == [PODS, DEPLOYMENTS]
    assert isinstance(actions[-1], RequeueAfter)


def test_what_is_left_is_told_in_upstreams_words() -> None:
    actions = plan(going(), {PODS: 3, DEPLOYMENTS: 1}, {"example.com/hold": 2})
    (write,) = (a for a in actions if isinstance(a, SetStatus))
    by_type = {c["type"]: c for c in write.status["conditions"]}
    assert by_type["NamespaceContentRemaining"]["message"] == (
        "Some resources are remaining: deployments.apps has 1 resource instances, pods. has 3 resource instances"
    )
    assert by_type["NamespaceFinalizersRemaining"]["message"] == (
        "Some content in the namespace has finalizers remaining: example.com/hold in 2 resource instances"
    )


def test_empty_namespace_is_let_go_and_keeps_foreign_finalizers() -> None:
    (replacement,) = plan(going(), {PODS: 0})
    assert isinstance(replacement, Replace)
    assert replacement.subresource == "finalize"
    assert replacement.body["spec"] == {"finalizers": ["example.com/mine"]}
    assert replacement.body["metadata"]["resourceVersion"] == "8"


def test_conditions_are_brought_up_to_date_before_the_end() -> None:
    left = Condition(type="NamespaceContentRemaining", status="True", reason="SomeResourcesRemain")
    actions = plan(going(left), {})
    assert [type(a) for a in actions] == [SetStatus, RequeueAfter]


def test_nothing_is_let_go_while_the_kinds_are_unknown() -> None:
    assert [type(a) for a in plan(going(), None)] == [RequeueAfter]


def test_living_or_finalized_namespace_needs_nothing() -> None:
    assert plan(going(deleting=False), {PODS: 1}) == []
    assert plan(going(finalizers=()), {PODS: 1}) == []
