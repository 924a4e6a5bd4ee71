"""ClusterRoles made of others: the rules of all roles that carry the labels they ask for.

Source: pkg/controller/clusterroleaggregation.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from apimachinery.objects.meta import Object
from apimachinery.objects.resources import CLUSTERROLES
from apimachinery.objects.selectors import from_label_selector
from engine.controllers.actions import Action, Patch
from engine.controllers.controller import Moment, Reader, Source, Watch

Json = dict[str, Any]


class AggregationRule(msgspec.Struct, frozen=True, rename="camel"):
    cluster_role_selectors: tuple[Json, ...] = ()


class ClusterRole(Object, frozen=True, rename="camel"):
    """Rules are compared and copied, never read."""

    rules: tuple[Json, ...] | None = None
    aggregation_rule: AggregationRule | None = None


ROLE_SOURCE = Source(CLUSTERROLES, ClusterRole)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    role: ClusterRole
    others: tuple[ClusterRole, ...]
    """All ClusterRoles."""


def plan(observed: Observed) -> list[Action]:
    role = observed.role
    if role.aggregation_rule is None:
        return []
    rules: list[Json] = []
    for selected in _selected(role, observed.others):
        rules += (rule for rule in selected.rules or () if rule not in rules)
    if tuple(rules) == (role.rules or ()):
        return []
    meta = role.metadata
    body = {"rules": rules}
    return [
        Patch(
            resource=CLUSTERROLES,
            name=meta.name,
            body=body,
            uid=meta.uid,
            resource_version=meta.resource_version,
        )
    ]


def _selected(role: ClusterRole, others: Iterable[ClusterRole]) -> list[ClusterRole]:
    """By name, each once, and never the role itself."""
    selectors = role.aggregation_rule.cluster_role_selectors if role.aggregation_rule is not None else ()
    chosen = {
        other.metadata.name: other
        for selector in map(from_label_selector, selectors)
        for other in others
        if other.metadata.name != role.metadata.name and selector.matches(other.metadata.labels)
    }
    return [chosen[name] for name in sorted(chosen)]


class ClusterRoleAggregationController:
    """Any change of any role may concern every role that gathers."""

    name = "clusterrole-aggregation"
    component = "clusterrole-aggregation-controller"

    def __init__(self) -> None:
        self.watches = (Watch(ROLE_SOURCE, _concerned),)

    async def observe(self, key: str, reader: Reader, moment: Moment) -> Observed | None:  # noqa: ARG002
        role = reader.get(ROLE_SOURCE, key)
        if role is None or role.aggregation_rule is None:
            return None
        return Observed(role=role, others=tuple(reader.list(ROLE_SOURCE)))

    def plan(self, observed: Observed) -> list[Action]:
        return plan(observed)


def _concerned(role: ClusterRole, reader: Reader) -> Iterable[str]:
    gathering = {one.metadata.name for one in reader.list(ROLE_SOURCE) if one.aggregation_rule is not None}
    if role.aggregation_rule is not None:
        gathering.add(role.metadata.name)
    return gathering
