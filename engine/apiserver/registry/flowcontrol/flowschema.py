"""FlowSchema: which requests belong to which priority level.

Source: pkg/apis/flowcontrol/validation/validation.go. What they do to requests: engine.apiserver.flow.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from apimachinery.objects.field import FieldError, forbidden, invalid, not_supported, required
from apimachinery.objects.meta import format_time
from engine.apiserver.registry import columns, names, status
from engine.apiserver.registry.flowcontrol.bootstrap import EXEMPT, FLOW_SCHEMAS
from engine.apiserver.registry.kind import Cell, Context, Json, Kind
from engine.apiserver.registry.views import AGE, NAME, NONE, Metadata

_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch")
_SUBJECTS = {"Group": "group", "ServiceAccount": "serviceAccount", "User": "user"}
_HIGHEST_PRECEDENCE = 10_000
_DEFAULT_PRECEDENCE = 1000


class _Level(msgspec.Struct, frozen=True):
    name: str = ""


class _Method(msgspec.Struct, frozen=True):
    type: str = ""


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    priority_level_configuration: _Level = _Level()
    matching_precedence: int = 0
    distinguisher_method: _Method | None = None


class _Condition(msgspec.Struct, frozen=True):
    type: str = ""
    status: str = ""


class _Status(msgspec.Struct, frozen=True):
    conditions: list[_Condition] = []


class FlowSchemaRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata
    spec: _Spec = _Spec()
    status: _Status = _Status()


def _method(view: FlowSchemaRow) -> Cell:
    method = view.spec.distinguisher_method
    return NONE if method is None else method.type


def _missing_level(view: FlowSchemaRow) -> Cell:
    return next((each.status for each in view.status.conditions if each.type == "Dangling"), "?")


def _set_defaults(obj: Json) -> None:
    spec: Json = obj.setdefault("spec", {})
    spec.setdefault("matchingPrecedence", _DEFAULT_PRECEDENCE)


def _validate(obj: Json) -> list[FieldError]:
    spec: Json = obj.get("spec", {})
    name: str = obj.get("metadata", {}).get("name", "")
    errors = list(_precedence_errors(name, spec.get("matchingPrecedence", 0)))
    method = spec.get("distinguisherMethod")
    if method is not None and method.get("type") not in {"ByNamespace", "ByUser"}:
        errors.append(not_supported("spec.distinguisherMethod.type", method, ("ByNamespace", "ByUser")))
    level: str = spec.get("priorityLevelConfiguration", {}).get("name", "")
    if level:
        path = "spec.priorityLevelConfiguration.name"
        errors += (invalid(path, level, message) for message in names.dns_subdomain(level))
    else:
        errors.append(required("spec.priorityLevelConfiguration.name", "must reference a priority level"))
    for index, rule in enumerate(spec.get("rules") or ()):
        errors += _rule_errors(rule, f"spec.rules[{index}]")
    if name in FLOW_SCHEMAS and spec != FLOW_SCHEMAS[name]:
        errors.append(invalid("spec", spec, f"spec of '{name}' must equal the fixed value"))
    return errors


def _precedence_errors(name: str, precedence: int) -> Iterator[FieldError]:
    path = "spec.matchingPrecedence"
    if precedence <= 0:
        yield invalid(path, precedence, "must be a positive value")
    if precedence > _HIGHEST_PRECEDENCE:
        yield invalid(path, precedence, f"must not be greater than {_HIGHEST_PRECEDENCE}")
    if precedence == 1 and name != EXEMPT:
        yield invalid(path, precedence, "only the schema named 'exempt' may have matchingPrecedence 1")


def _rule_errors(rule: Json, path: str) -> Iterator[FieldError]:
    if not rule.get("subjects"):
        yield required(f"{path}.subjects", "subjects must contain at least one value")
    for index, subject in enumerate(rule.get("subjects") or ()):
        yield from _subject_errors(subject, f"{path}.subjects[{index}]")
    if not rule.get("resourceRules") and not rule.get("nonResourceRules"):
        yield required(path, "at least one of resourceRules and nonResourceRules has to be non-empty")
    for index, resources in enumerate(rule.get("resourceRules") or ()):
        yield from _resource_errors(resources, f"{path}.resourceRules[{index}]")
    for index, urls in enumerate(rule.get("nonResourceRules") or ()):
        below = f"{path}.nonResourceRules[{index}]"
        yield from _verb_errors(urls.get("verbs") or [], f"{below}.verbs")
        missing = "nonResourceURLs must contain at least one value"
        yield from _list_errors(urls, below, "nonResourceURLs", missing, "non-resource URLs")
        for position, url in enumerate(urls.get("nonResourceURLs") or ()):
            problem = "" if url == "*" else _url_problem(url)
            if problem:
                yield invalid(f"{below}.nonResourceURLs[{position}]", url, problem)


def _subject_errors(subject: Json, path: str) -> Iterator[FieldError]:
    kind: str = subject.get("kind", "")
    if kind not in _SUBJECTS:
        yield not_supported(f"{path}.kind", kind, _SUBJECTS)
        return
    field = _SUBJECTS[kind]
    named: Json | None = subject.get(field)
    if named is None:
        yield required(f"{path}.{field}", f"{field} is required when subject kind is '{kind}'")
    elif not named.get("name"):
        yield required(f"{path}.{field}.name")
    if named is not None and kind == "ServiceAccount" and not named.get("namespace"):
        yield required(f"{path}.{field}.namespace", "must specify namespace for service account")
    for other, word in _SUBJECTS.items():
        if other != kind and subject.get(word) is not None:
            yield forbidden(f"{path}.{word}", f"{word} is forbidden when subject kind is not '{other}'")


def _resource_errors(rule: Json, path: str) -> Iterator[FieldError]:
    yield from _verb_errors(rule.get("verbs") or [], f"{path}.verbs")
    yield from _list_errors(rule, path, "apiGroups", "resource rules must supply at least one api group", "api groups")
    yield from _list_errors(rule, path, "resources", "resource rules must supply at least one resource", "resources")
    namespaces: list[str] = rule.get("namespaces") or []
    if not namespaces and not rule.get("clusterScope"):
        missing = "resource rules that are not cluster scoped must supply at least one namespace"
        yield required(f"{path}.namespaces", missing)
    elif "*" in namespaces and len(namespaces) > 1:
        yield invalid(f"{path}.namespaces", namespaces, "if '*' is present, must not specify other namespaces")
    elif "*" not in namespaces:
        intro = "each member of this list must be '*' or a DNS-1123 label; "
        for index, namespace in enumerate(namespaces):
            for message in names.dns_label(namespace):
                yield invalid(f"{path}.namespaces[{index}]", namespace, intro + message)


def _verb_errors(verbs: list[str], path: str) -> Iterator[FieldError]:
    if not verbs:
        yield required(path, "verbs must contain at least one value")
    elif "*" in verbs:
        if len(verbs) > 1:
            yield invalid(path, verbs, "if '*' is present, must not specify other verbs")
    elif not set(verbs) <= set(_VERBS):
        yield not_supported(path, verbs, _VERBS)


def _url_problem(url: str) -> str:
    if not url:
        return "must not be empty"
    if not url.startswith("/"):
        return "must start with slash"
    if " " in url:
        return "must not contain white-space"
    if "//" in url:
        return "must not contain double slash"
    wildcards = url.count("*")
    return "wildcard can only do suffix matching" if wildcards > 1 or (wildcards and not url.endswith("/*")) else ""


def _list_errors(rule: Json, path: str, field: str, missing: str, words: str) -> Iterator[FieldError]:
    values: list[str] = rule.get(field) or []
    if not values:
        yield required(f"{path}.{field}", missing)
    elif len(values) > 1 and "*" in values:
        yield invalid(f"{path}.{field}", values, f"if '*' is present, must not specify other {words}")


def prepare_create(obj: Json, _context: Context) -> None:
    """Both kinds of this group begin like this."""
    obj["metadata"]["generation"] = 1
    obj.pop("status", None)


def dangling(level: str, now: datetime, *, exists: bool) -> Json:
    """The one condition of a FlowSchema: whether its priority level is missing."""
    named = f'This FlowSchema references the PriorityLevelConfiguration object named "{level}"'
    return {
        "type": "Dangling",
        "status": "False" if exists else "True",
        "reason": "Found" if exists else "NotFound",
        "message": f"{named} and it exists" if exists else f"{named} but there is no such object",
        "lastTransitionTime": format_time(now),
    }


def _begin(obj: Json, context: Context) -> None:
    """Upstream's controller says a moment later what is known at once; see engine.apiserver.flow for later changes."""
    prepare_create(obj, context)
    level: str = obj["spec"].get("priorityLevelConfiguration", {}).get("name", "")
    exists = context.lookup("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations", "", level) is not None
    obj["status"] = {"conditions": [dangling(level, context.now, exists=exists)]}


FLOW_SCHEMA = Kind(
    group="flowcontrol.apiserver.k8s.io",
    version="v1",
    kind="FlowSchema",
    plural="flowschemas",
    singular="flowschema",
    namespaced=False,
    subresources={"status": status.STATUS},
    name_errors=names.dns_subdomain,
    set_defaults=_set_defaults,
    validate=_validate,
    prepare_create=_begin,
    prepare_update=status.change_without,
    table_view=FlowSchemaRow,
    columns=(
        NAME,
        columns.text(
            "PriorityLevel",
            lambda view: view.spec.priority_level_configuration.name,
            "`priorityLevelConfiguration` should reference a PriorityLevelConfiguration in the cluster.",
        ),
        columns.number(
            "MatchingPrecedence",
            lambda view: view.spec.matching_precedence,
            "`matchingPrecedence` is used to choose among the FlowSchemas that match a given request.",
        ),
        columns.text("DistinguisherMethod", _method, "`type` is the type of flow distinguisher method."),
        AGE,
        columns.text("MissingPL", _missing_level, "references a broken or non-existent PriorityLevelConfiguration"),
    ),
)
