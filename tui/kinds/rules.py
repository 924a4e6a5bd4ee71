"""Kinds of rights: Enter on a role, a binding or an account leads to what it lets one do."""

from apimachinery.objects.resources import (
    CLUSTERROLEBINDINGS,
    CLUSTERROLES,
    ROLEBINDINGS,
    ROLES,
    SERVICEACCOUNTS,
    Resource,
)
from tui.kinds.generic import describe
from tui.kinds.lens import JSON, Drill, Lens, ObjectDrill
from tui.kinds.words import general_tone
from tui.rows import Row
from tui.target import Target, View


def _rules(asked: str, title: str) -> Target:
    return Target(resource=ROLES, view=View.CAN, name=asked, title=title)


def of_account(row: Row) -> Target:
    return _rules(f"s:{row.namespace}/{row.name}", f"{row.name} may")


def of_role(row: Row) -> Target:
    return _rules(f"role:{row.namespace}/{row.name}" if row.namespace else f"role:{row.name}", row.name)


def of_binding(obj: JSON) -> Target | None:
    reference, namespace = obj.get("roleRef") or {}, (obj.get("metadata") or {}).get("namespace", "")
    name = reference.get("name", "")
    if not name:
        return None
    where = f"{namespace}/" if reference.get("kind") == "Role" else ""
    return _rules(f"role:{where}{name}", name)


def _lens(resource: Resource, *, drill: Drill | None = None, drill_object: ObjectDrill | None = None) -> Lens:
    return Lens(
        resource=resource,
        tone=general_tone,
        describe=describe,
        drill=drill,
        drill_object=drill_object,
        enter_word="rules",
    )


LENSES = (
    _lens(SERVICEACCOUNTS, drill=of_account),
    _lens(ROLES, drill=of_role),
    _lens(CLUSTERROLES, drill=of_role),
    _lens(ROLEBINDINGS, drill_object=of_binding),
    _lens(CLUSTERROLEBINDINGS, drill_object=of_binding),
)
