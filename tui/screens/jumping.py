"""The user's own jumps: from a row of one kind to the objects of another that belong to it."""

import re
from typing import TYPE_CHECKING, Any

from apimachinery.objects.jsonpath import PathError, compile_path
from tui.command import ALL_NAMESPACES
from tui.rows import Row
from tui.settings import Jump, names_kind
from tui.target import Target

if TYPE_CHECKING:
    from tui.screens.base import ClusterScreen

_TEMPLATE = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}")
_INDEX = re.compile(r"index\s+(\.[\w.]+)\s+[\"`]([^\"`]+)[\"`]$")


class Unfilled(ValueError):
    """A template names what the object does not have."""


def filled(template: str, obj: Any) -> str:
    """With what the object has in place of each `{{.path}}` or `{{index .path "key"}}`. Raises Unfilled."""

    def value(match: re.Match[str]) -> str:
        words = match[1]
        indexed = _INDEX.match(words)
        path = f"{indexed[1]}['{indexed[2]}']" if indexed else words
        try:
            found = compile_path(path)(obj)
        except PathError as error:
            raise Unfilled(f"{match[0]} is no path") from error
        if not found or isinstance(found[0], dict | list):
            raise Unfilled(f"it has no {words}")
        return str(found[0])

    return _TEMPLATE.sub(value, template)


def target_of(screen: "ClusterScreen", jump: Jump, obj: Any, row: Row) -> Target | None:
    """None, with a notice, when it leads nowhere."""
    resource = next((one for one in screen.session.aliases.resources() if names_kind(jump.target_gvr, one)), None)
    if resource is None:
        screen.notify(f"jumps.yaml: the server has no {jump.target_gvr}.", severity="warning")
        return None
    try:
        labels, fields = filled(jump.label_selector, obj), filled(jump.field_selector, obj)
        scope = filled(jump.target_namespace, obj) or row.namespace
    except Unfilled as error:
        screen.notify(f"jumps.yaml: {row.name}: {error}.", severity="warning")
        return None
    namespace = None if scope in ALL_NAMESPACES or not resource.namespaced else scope or None
    return Target(resource=resource, namespace=namespace, label_selector=labels, field_selector=fields, title=row.name)
