"""Which right an action needs, and how it is said that one does not have it."""

import re
from collections.abc import Sequence

from apimachinery.objects.resources import JOBS, PODS, Resource
from tui.document import EMPTY, Line
from tui.feeds.state import FeedState
from tui.kinds.lens import Action, Lens
from tui.rows import Row
from tui.session import Session
from tui.tones import Tone

_OF_PODS: dict[Action, tuple[str, str]] = {
    Action.LOGS: ("get", "log"),
    Action.PREVIOUS: ("get", "log"),
    Action.SHELL: ("create", "exec"),
    Action.FORWARD: ("create", "portforward"),
    Action.ATTACH: ("create", "attach"),
    Action.TRANSFER: ("create", "exec"),
    Action.DEBUG: ("patch", "ephemeralcontainers"),
    Action.DRAIN: ("create", "eviction"),
}
_OF_THE_KIND: dict[Action, tuple[str, str]] = {
    Action.DELETE: ("delete", ""),
    Action.SANITIZE: ("delete", ""),
    Action.EDIT: ("update", ""),
    Action.RESTART: ("patch", ""),
    Action.IMAGE: ("patch", ""),
    Action.SCALE: ("patch", "scale"),
    Action.CORDON: ("patch", ""),
    Action.SUSPEND: ("patch", ""),
    Action.DESCRIBE: ("get", ""),
    Action.YAML: ("get", ""),
}
_DENIED = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\w+) resource "(?P<resource>[^"]*)" in API group "(?P<group>[^"]*)"'
    r'(?: in the namespace "(?P<namespace>[^"]*)")?'
)


def needed(lens: Lens, action: Action) -> tuple[str, Resource, str] | None:
    """(verb, kind, subresource) that the action needs; None when it needs nothing of its own."""
    if action is Action.SHELL and lens.resource.plural == "nodes":
        return "create", PODS, ""
    if action in _OF_PODS:
        verb, subresource = _OF_PODS[action]
        return verb, PODS, subresource
    if action is Action.TRIGGER:
        return "create", JOBS, ""
    if action in _OF_THE_KIND:
        verb, subresource = _OF_THE_KIND[action]
        return verb, lens.resource, subresource
    return None


def may(session: Session, lens: Lens, action: Action, namespace: str | None) -> bool:
    """By what is known already; False only when it is sure."""
    need = needed(lens, action)
    if need is None:
        return True
    verb, resource, subresource = need
    words = f"{resource.plural}/{subresource}" if subresource else resource.plural
    return session.permissions.known(namespace).may(verb, resource.group, words)


async def refusal(session: Session, lens: Lens, action: Action, rows: Sequence[Row]) -> str:
    """Why the action would be refused, from the server's own word; "" when it would not."""
    need = needed(lens, action)
    if need is None:
        return ""
    verb, resource, subresource = need
    for namespace in sorted({row.namespace for row in rows}):
        if may(session, lens, action, namespace or None):
            continue
        if not await session.permissions.allowed(verb, resource, namespace or None, subresource=subresource):
            words = f"{resource.plural}/{subresource}" if subresource else resource.plural
            where = f" in {namespace}" if namespace else ""
            return f"You may not do that{where}: it needs the right to {verb} {words}."
    return ""


def denied_lines(state: FeedState, kind: str, namespace: str | None) -> list[Line]:
    """What stands in place of a table that one may not see: who asked for what, and where to go on."""
    match = _DENIED.search(state.detail)
    where = f"in {namespace}" if namespace else "in all namespaces"
    lines: list[Line] = [((f"You may not see {kind} {where}", Tone.BAD),), EMPTY]
    if match is not None:
        group = f" of {match['group']}" if match["group"] else ""
        lines += [
            (("You are      ", Tone.MUTED), (match["user"], Tone.TEXT)),
            (("It needs     ", Tone.MUTED), (f"{match['verb']} {match['resource']}{group}", Tone.TEXT)),
        ]
        role = "a RoleBinding there" if namespace else "a ClusterRoleBinding, or look at one namespace"
        lines.append((("That takes   ", Tone.MUTED), (role, Tone.TEXT)))
    else:
        lines.append(((state.detail, Tone.MUTED),))
    lines += [
        EMPTY,
        (
            ("n", Tone.KEY),
            (" chooses a namespace   ", Tone.FAINT),
            (":can", Tone.KEY),
            (" tells what you may do   ", Tone.FAINT),
            ("^r", Tone.KEY),
            (" tries again", Tone.FAINT),
        ),
    ]
    return lines
