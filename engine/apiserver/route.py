"""From a method and a path to what is asked of which objects. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast
from urllib.parse import unquote

from apimachinery.objects.errors import MethodNotAllowed
from engine.apiserver.request import UNROUTED, Query, Request

# Below /namespaces/NAME these are subresources of the namespace; any other word is a resource inside it.
_NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})

_WITH_NAME = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "POST": "create"}
# OPTIONS has no verb: only who may do everything may do that.
_PROXIED = {**_WITH_NAME, "HEAD": "get", "OPTIONS": ""}
_WITHOUT_NAME = {"GET": "list", "POST": "create", "DELETE": "deletecollection"}


@dataclass(frozen=True, slots=True)
class Route:
    """A request for objects. `group` and `version` as in the path.

    `rest` is what follows the subresource, as it stands in the path.
    """

    verb: str
    group: str
    version: str
    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    rest: str = ""


def routed(request: Request) -> Route | None:
    """As `parse`, once for each request."""
    if request.route is UNROUTED:
        request.route = parse(request.method, request.path, request.query)
    return cast("Route | None", request.route)


def parse(method: str, path: str, query: Query) -> Route | None:
    """The route of a resource path; None for every other path. Raises MethodNotAllowed."""
    parts = path.split("/")
    if len(parts) < 4 or parts[0]:
        return None
    if parts[1] == "api":
        group, version, rest = "", parts[2], parts[3:]
    elif parts[1] == "apis" and len(parts) >= 5:
        group, version, rest = parts[2], parts[3], parts[4:]
    else:
        return None
    raw = rest
    if not rest[-1]:
        rest = rest[:-1]
    if not rest:
        return None
    if "%" in path:
        rest = [unquote(part) for part in rest]
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in _NAMESPACE_SUBRESOURCES:
        namespace, rest, raw = rest[1], rest[2:], raw[2:]
    plural = rest[0]
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    verb = _PROXIED.get(method, "") if subresource == "proxy" else _verb(method, name, query)
    return Route(verb, group, version, plural, namespace, name, subresource, "/".join(raw[3:]))


def _verb(method: str, name: str, query: Query) -> str:
    if method == "HEAD":
        method = "GET"
    verb = (_WITH_NAME if name else _WITHOUT_NAME).get(method)
    if verb is None:
        raise MethodNotAllowed("the server does not allow this method on the requested resource")
    if method == "GET" and query.flag("watch"):
        return "watch"
    return verb
