"""Which webhooks and policies want to see a request, and as which kind. Pure.

Source: k8s.io/apiserver/pkg/admission/plugin/webhook/predicates, .../plugin/policy/matching.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.apiserver.guard import Write
from engine.apiserver.registry.kind import Json, Kind
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


def equivalents(kind: Kind, kinds: Sequence[Kind]) -> list[Kind]:
    """The other kinds that show the same objects: other versions, or another group."""
    return [one for one in kinds if one.storage_prefix == kind.storage_prefix and one is not kind and not one.measured]


def wanted(webhook: Json, write: Write, others: Sequence[Kind]) -> Kind | None:
    """The kind as which a webhook wants to see a request; None when it does not. `others`: see `equivalents`."""
    if not _selected_namespace(webhook, write) or not _selected_object(webhook, write):
        return None
    return _named(webhook, webhook.get("rules") or [], write, others)


def matched(match: Json, write: Write, others: Sequence[Kind]) -> Kind | None:
    """The kind as which matchConstraints or matchResources want to see a request; without rules they want all."""
    if not _selected_namespace(match, write) or not _selected_object(match, write):
        return None
    if _named(match, match.get("excludeResourceRules") or [], write, others) is not None:
        return None
    rules: list[Json] = match.get("resourceRules") or []
    return _named(match, rules, write, others) if rules else write.kind


def _named(holder: Json, rules: list[Json], write: Write, others: Sequence[Kind]) -> Kind | None:
    if any(_names(rule, write.kind, write) for rule in rules):
        return write.kind
    if holder.get("matchPolicy") == "Exact":
        return None
    return next((kind for rule in rules for kind in others if _names(rule, kind, write)), None)


def _names(rule: Json, kind: Kind, write: Write) -> bool:
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
    return wanted_plural in ("*", plural) and wanted_sub in ("*", subresource)


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
