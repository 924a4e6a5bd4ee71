"""Rules that guard every kind alike before its own: living namespaces, namespaces that stay, nodes that keep to theirs.

Source: apiserver/pkg/admission/plugin/namespace/lifecycle, plugin/pkg/admission/noderestriction.
"""

from __future__ import annotations

from typing import Any

from apimachinery.objects.errors import Forbidden, NotFound
from engine.apiserver.registry.kind import Context, Kind
from engine.apiserver.request import User
from engine.apiserver.route import Route

_READS = frozenset({"get", "list", "watch"})
_IMMORTAL = frozenset({"default", "kube-system", "kube-public"})


def check_namespace(kind: Kind, namespace: str, name: str, context: Context) -> None:
    """Raises NotFound for a namespace that is not there, Forbidden for one that is being deleted."""
    if not kind.namespaced:
        return
    found = context.lookup("", "namespaces", "", namespace)
    if found is None:
        raise NotFound.of("namespaces", namespace)
    if found.get("metadata", {}).get("deletionTimestamp"):
        detail = f"unable to create new content in namespace {namespace} because it is being terminated"
        message = f"namespace {namespace} is being terminated"
        details: dict[str, Any] = {
            "name": name,
            "kind": kind.plural,
            "causes": [{"reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace"}],
        }
        if kind.group:
            details["group"] = kind.group
        raise Forbidden(f'{kind.group_resource} "{name}" is forbidden: {detail}', details=details)


def check_node(user: User, kind: Kind, route: Route, name: str, context: Context) -> None:
    """Raises Forbidden when a node's agent writes what belongs to another node."""
    if "system:nodes" not in user.groups or "system:masters" in user.groups or route.verb in _READS:
        return
    node = user.name.removeprefix("system:node:")
    if kind.plural in ("nodes", "leases") and name != node:
        raise _forbidden(kind, name, f'node "{node}" is not allowed to modify {kind.singular} "{name}"')
    if kind.plural == "pods":
        pod = context.lookup("", "pods", route.namespace, name)
        if pod is not None and pod.get("spec", {}).get("nodeName") != node:
            raise _forbidden(kind, name, f'node "{node}" can only change pods with spec.nodeName set to itself')


def _forbidden(kind: Kind, name: str, detail: str) -> Forbidden:
    details = {"name": name, "kind": kind.plural, "group": kind.group}
    message = f'{kind.group_resource} "{name}" is forbidden: {detail}'
    return Forbidden(message, details={key: value for key, value in details.items() if value})


def check_delete(kind: Kind, name: str) -> None:
    """Raises Forbidden for the namespaces that the cluster cannot live without."""
    if kind.plural == "namespaces" and not kind.group and name in _IMMORTAL:
        raise Forbidden(
            f'namespaces "{name}" is forbidden: this namespace may not be deleted',
            details={"name": name, "kind": "namespaces"},
        )
