"""What is refused for a custom kind because of where its definition stands. Pure."""

from __future__ import annotations

from apimachinery.objects.errors import MethodNotAllowed
from engine.apiserver.registry.kind import Json
from engine.apiserver.route import Route


def check(definition: Json | None, route: Route) -> None:
    """Raises MethodNotAllowed for new objects of a kind that is being deleted."""
    terminating = definition is not None and definition["metadata"].get("deletionTimestamp")
    if terminating and route.verb == "create":
        raise MethodNotAllowed("create not allowed while custom resource definition is terminating")
