"""Which webhooks and policies want to see a request. Pure.

Source: k8s.io/apiserver/pkg/admission/plugin/webhook/predicates.
"""

from __future__ import annotations

from typing import Any

from engine.apiserver.guard import Write
from engine.apiserver.registry.kind import Json
from engine.apiserver.registry.labelselector import matches as selects

_EXEMPT = frozenset(
    {
        "mutatingadmissionpolicies",
        "mutatingadmissionpolicybindings",
        "mutatingwebhookconfigurations",
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
        "validatingwebhookconfigurations",
    }
)


def exempt(write: Write) -> bool:
    """Whether nobody may stand in the way: who locked the cluster up must be able to unlock it."""
    return write.kind.group == "admissionregistration.k8s.io" and write.kind.plural in _EXEMPT


def operation(write: Write) -> str:
    """The word for a write in rules and reviews."""
    if write.connects:
        return "CONNECT"
    if write.new is None:
        return "DELETE"
    return "CREATE" if write.old is None else "UPDATE"


def wanted(holder: Json, rules: list[Json], write: Write) -> bool:
    """Whether one of the rules names the request and both selectors select it."""
    if not any(_names(rule, write) for rule in rules):
        return False
    return _selected_namespace(holder, write) and _selected_object(holder, write)


def excluded(rules: list[Json], write: Write) -> bool:
    """Whether a policy's exclusions name the request."""
    return any(_names(rule, write) for rule in rules)


def _names(rule: Json, write: Write) -> bool:
    kind = write.kind
    scope = rule.get("scope") or "*"
    if scope != "*" and (scope == "Namespaced") is not bool(write.namespace or kind.namespaced):
        return False
    operations = rule.get("operations") or ()
    if "*" not in operations and operation(write) not in operations:
        return False
    if not _in(kind.group, rule.get("apiGroups")) or not _in(kind.version, rule.get("apiVersions")):
        return False
    if rule.get("resourceNames") and write.name not in rule["resourceNames"]:
        return False
    return any(_resource(text, kind.plural, write.subresource) for text in rule.get("resources") or ())


def _in(value: str, values: Any) -> bool:
    return value in (values or ()) or "*" in (values or ())


def _resource(text: str, plural: str, subresource: str) -> bool:
    wanted_plural, _, wanted_sub = text.partition("/")
    if wanted_plural not in ("*", plural):
        return False
    if text in ("*/*", f"{plural}/*"):
        return True
    return wanted_sub in (subresource, "*") if wanted_sub else not subresource


def _selected_namespace(holder: Json, write: Write) -> bool:
    selector: Json = holder.get("namespaceSelector") or {}
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        return True
    is_namespace = write.kind.plural == "namespaces" and not write.kind.group
    if is_namespace:
        obj = write.new if write.new is not None else write.old
    elif write.namespace:
        obj = write.context.lookup("", "namespaces", "", write.namespace)
    else:
        return True
    return selects(selector, _labels(obj))


def _selected_object(holder: Json, write: Write) -> bool:
    selector: Json = holder.get("objectSelector") or {}
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        return True
    # What cannot have labels, as the options of a conversation, is selected by none.
    labelled = (obj for obj in (write.new, write.old) if obj is not None and "metadata" in obj)
    return any(selects(selector, _labels(obj)) for obj in labelled)


def _labels(obj: Json | None) -> dict[str, str]:
    return (obj or {}).get("metadata", {}).get("labels") or {}
