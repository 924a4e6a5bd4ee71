"""What somebody wants to do, what was decided about it, and upstream's sentence for a refusal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from apimachinery.objects.errors import Forbidden
from engine.apiserver.request import Query, User
from engine.apiserver.route import Route

_MANY = frozenset({"list", "watch", "deletecollection"})
_NAMED = "metadata.name="


@dataclass(slots=True)
class Attributes:
    """A request as authorisation sees it: about a resource, or about a `path` that holds none."""

    user: User
    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    labels: str = ""
    """The label selector of a list or watch."""

    @property
    def full_resource(self) -> str:
        """`pods` or `pods/log`."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


@dataclass(frozen=True, slots=True)
class Decision:
    """`reason` is for people; empty when there is nothing to add."""

    allowed: bool
    reason: str = ""


ALLOWED = Decision(True)
NO_OPINION = Decision(False)


class Authorizer(Protocol):
    """Decides from memory: never waits, raises nothing."""

    def decide(self, asked: Attributes) -> Decision: ...


def of_route(user: User, route: Route, query: Query) -> Attributes:
    name = route.name
    if not name and route.verb in _MANY:
        name = _selected_name(query)
    return Attributes(
        user,
        route.verb,
        route.group,
        route.version,
        route.plural,
        route.subresource,
        route.namespace,
        name,
        labels=query.get("labelSelector") if route.verb in _MANY else "",
    )


def of_path(user: User, method: str, path: str) -> Attributes:
    return Attributes(user, {"GET": "get", "HEAD": "head"}.get(method, method.lower()), path=path)


def _selected_name(query: Query) -> str:
    """The one name that a field selector leaves; a rule about that name allows the list then, as upstream's does."""
    for term in query.get("fieldSelector").split(","):
        if term.startswith(_NAMED):
            return term.removeprefix(_NAMED).removeprefix("=")
    return ""


def denied(asked: Attributes, reason: str = "") -> Forbidden:
    """The refusal. `reason`: what the authorisers had to say."""
    tail = f": {reason}" if reason else ""
    if not asked.resource:
        return Forbidden(
            f'forbidden: User "{asked.user.name}" cannot {asked.verb} path "{asked.path}"{tail}', details={}
        )
    qualified = f"{asked.resource}.{asked.group}" if asked.group else asked.resource
    scope = f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
    named = f'{qualified} "{asked.name}" is forbidden' if asked.name else f"{qualified} is forbidden"
    text = f'User "{asked.user.name}" cannot {asked.verb} resource "{asked.full_resource}" in API group "{asked.group}"'
    details = {"name": asked.name, "kind": asked.resource, "group": asked.group}
    return Forbidden(f"{named}: {text} {scope}{tail}", details={key: value for key, value in details.items() if value})
