"""Role and ClusterRole: rules that say what may be done, for subjects that a binding names.

Source: pkg/apis/rbac/validation/validation.go, pkg/registry/rbac/{role,clusterrole}.
"""

from __future__ import annotations

import msgspec

from apimachinery.objects.field import FieldError, invalid, required
from apimachinery.objects.meta import format_time
from engine.apiserver.registry import labelselector, names
from engine.apiserver.registry.kind import Cell, Column, Json, Kind
from engine.apiserver.registry.views import NAME, Metadata

GROUP = "rbac.authorization.k8s.io"
_WHERE_NOT = ("apiGroups", "resources", "resourceNames")


class RoleRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata


def _created_at(view: RoleRow) -> Cell:
    created = view.metadata.creation_timestamp
    return format_time(created) if created else "<unknown>"


_COLUMNS = (
    NAME,
    Column(
        name="Created At",
        type="string",
        cell=_created_at,
        description="CreationTimestamp is a timestamp representing the server time when this object was created.",
    ),
)


def rule_errors(rule: Json, path: str, *, namespaced: bool) -> list[FieldError]:
    """Judge one PolicyRule."""
    errors: list[FieldError] = []
    if not rule.get("verbs"):
        errors.append(required(f"{path}.verbs", "verbs must contain at least one value"))
    urls = rule.get("nonResourceURLs")
    if urls:
        if namespaced:
            text = "namespaced rules cannot apply to non-resource URLs"
            errors.append(invalid(f"{path}.nonResourceURLs", urls, text))
        if any(rule.get(name) for name in _WHERE_NOT):
            text = "rules cannot apply to both regular resources and non-resource URLs"
            errors.append(invalid(f"{path}.nonResourceURLs", urls, text))
        return errors
    if not rule.get("apiGroups"):
        errors.append(required(f"{path}.apiGroups", "resource rules must supply at least one api group"))
    if not rule.get("resources"):
        errors.append(required(f"{path}.resources", "resource rules must supply at least one resource"))
    return errors


def _validate_role(obj: Json) -> list[FieldError]:
    return [
        error
        for index, rule in enumerate(obj.get("rules") or ())
        for error in rule_errors(rule, f"rules[{index}]", namespaced=True)
    ]


def _validate_cluster_role(obj: Json) -> list[FieldError]:
    errors = [
        error
        for index, rule in enumerate(obj.get("rules") or ())
        for error in rule_errors(rule, f"rules[{index}]", namespaced=False)
    ]
    aggregation = obj.get("aggregationRule")
    if aggregation is None:
        return errors
    selectors = aggregation.get("clusterRoleSelectors") or ()
    if not selectors:
        errors.append(
            required("aggregationRule.clusterRoleSelectors", "at least one clusterRoleSelector required if"
                     " aggregationRule is non-nil")
        )  # fmt: skip
    for index, selector in enumerate(selectors):
        errors += labelselector.errors_of(selector, f"aggregationRule.clusterRoleSelectors[{index}]")
    return errors


def _set_defaults(obj: Json) -> None:
    # A role without rules shows them as null, and clients rely on the field being there.
    obj.setdefault("rules", None)


ROLE = Kind(
    group=GROUP,
    version="v1",
    kind="Role",
    plural="roles",
    singular="role",
    namespaced=True,
    name_errors=names.path_segment,
    set_defaults=_set_defaults,
    validate=_validate_role,
    allow_create_on_update=True,
    table_view=RoleRow,
    columns=_COLUMNS,
)
CLUSTER_ROLE = Kind(
    group=GROUP,
    version="v1",
    kind="ClusterRole",
    plural="clusterroles",
    singular="clusterrole",
    namespaced=False,
    name_errors=names.path_segment,
    set_defaults=_set_defaults,
    validate=_validate_cluster_role,
    allow_create_on_update=True,
    table_view=RoleRow,
    columns=_COLUMNS,
)
