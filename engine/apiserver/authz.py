"""Who may do what. One seam (`Authorizer`), and the fixed rules that hold until roles are served."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from apimachinery.objects.errors import Forbidden
from engine.apiserver.request import User
from engine.apiserver.route import Route

_MASTERS = "system:masters"
_NODES = "system:nodes"
_NODE_PREFIX = "system:node:"

_READ = frozenset({"get", "list", "watch"})
_WRITE = _READ | {"create", "update", "patch"}

# What a node agent may do, by (group, resource). Upstream's role system:node, cut to what our agent uses; which of the
# secrets and config maps it may read is left to the node authorizer.
_NODE_RULES: Mapping[tuple[str, str], frozenset[str]] = {
    ("", "nodes"): _WRITE,
    ("", "nodes/status"): frozenset({"get", "patch", "update"}),
    ("", "pods"): _READ | {"delete"},
    ("", "pods/status"): frozenset({"get", "patch", "update"}),
    ("", "configmaps"): _READ,
    ("", "secrets"): _READ,
    ("", "services"): _READ,
    ("", "endpoints"): _READ,
    ("", "namespaces"): _READ,
    ("", "serviceaccounts"): frozenset({"get"}),
    ("", "serviceaccounts/token"): frozenset({"create"}),
    ("", "persistentvolumeclaims"): _READ,
    ("", "persistentvolumes"): _READ,
    ("", "events"): frozenset({"create", "patch", "update"}),
    ("events.k8s.io", "events"): frozenset({"create", "patch", "update"}),
    ("discovery.k8s.io", "endpointslices"): _READ,
    ("networking.k8s.io", "networkpolicies"): _READ,
    ("coordination.k8s.io", "leases"): _WRITE | {"delete"},
    ("node.k8s.io", "runtimeclasses"): _READ,
    ("certificates.k8s.io", "certificatesigningrequests"): frozenset({"create", "get", "list", "watch"}),
}

_PUBLIC_PATHS = frozenset({"/healthz", "/livez", "/readyz", "/version"})
_OPEN_TO_AUTHENTICATED = ("/api", "/apis", "/openapi")


class Authorizer(Protocol):
    def allows(self, user: User, route: Route) -> bool: ...

    def allows_path(self, user: User, method: str, path: str) -> bool: ...


class FixedAuthorizer:
    """Masters may do everything, nodes what their work needs, everybody else may ask for health and version."""

    def allows(self, user: User, route: Route) -> bool:
        if _MASTERS in user.groups:
            return True
        if _NODES not in user.groups or not user.name.startswith(_NODE_PREFIX):
            return False
        resource = f"{route.plural}/{route.subresource}" if route.subresource else route.plural
        if route.verb not in _NODE_RULES.get((route.group, resource), ()):
            return False
        return self._is_own(user.name.removeprefix(_NODE_PREFIX), route)

    def allows_path(self, user: User, method: str, path: str) -> bool:
        if _MASTERS in user.groups:
            return True
        if method not in ("GET", "HEAD"):
            return False
        top = "/" + path.split("/", 2)[1]
        if top in _PUBLIC_PATHS:
            return True
        return "system:authenticated" in user.groups and top in _OPEN_TO_AUTHENTICATED

    @staticmethod
    def _is_own(node: str, route: Route) -> bool:
        # A node writes its own Node and Lease and nobody else's.
        if route.verb in _READ or route.plural not in ("nodes", "leases") or route.verb == "create":
            return True
        return route.name == node


def denied(user: User, route: Route) -> Forbidden:
    """Upstream's sentence for what is not allowed."""
    resource = f"{route.plural}/{route.subresource}" if route.subresource else route.plural
    qualified = f"{route.plural}.{route.group}" if route.group else route.plural
    scope = f'in the namespace "{route.namespace}"' if route.namespace else "at the cluster scope"
    reason = f'User "{user.name}" cannot {route.verb} resource "{resource}" in API group "{route.group}" {scope}'
    named = f'{qualified} "{route.name}" is forbidden' if route.name else f"{qualified} is forbidden"
    details = {"name": route.name, "kind": route.plural, "group": route.group}
    return Forbidden(f"{named}: {reason}", details={key: value for key, value in details.items() if value})


def denied_path(user: User, method: str, path: str) -> Forbidden:
    verb = {"GET": "get", "HEAD": "head"}.get(method, method.lower())
    return Forbidden(f'forbidden: User "{user.name}" cannot {verb} path "{path}"', details={})
