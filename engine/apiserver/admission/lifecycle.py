"""Rules that guard every kind alike before its own: living namespaces, and namespaces that stay.

Source: apiserver/pkg/admission/plugin/namespace/lifecycle.
"""

from __future__ import annotations

from typing import Any

from apimachinery.objects.errors import Forbidden, NotFound
from engine.apiserver.registry.kind import Context, Kind

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


def check_delete(kind: Kind, name: str) -> None:
    """Raises Forbidden for the namespaces that the cluster cannot live without."""
    if kind.plural == "namespaces" and not kind.group and name in _IMMORTAL:
        raise Forbidden(
            f'namespaces "{name}" is forbidden: this namespace may not be deleted',
            details={"name": name, "kind": "namespaces"},
        )
