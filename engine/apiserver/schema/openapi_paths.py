"""The operations of the OpenAPI documents: what clients look up there, and no more.

kubectl finds a resource's kind by the `x-kubernetes-group-version-kind` of its operations, and what the server can do
(field validation, dry run) by the parameters of its PATCH.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from engine.apiserver.registry.kind import Kind, Subresource
from engine.apiserver.schema.definitions import name_of
from engine.apiserver.schema.discovery import response_kind

Json = dict[str, Any]

_STATUS = "io.k8s.apimachinery.pkg.apis.meta.v1.Status"
_PATCH = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch"
_DELETE_OPTIONS = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"
_PATCH_TYPES = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)
# The verb, its HTTP method, and the word for it in x-kubernetes-action.
_ON_LISTS = (("list", "get", "list"), ("create", "post", "post"), ("deletecollection", "delete", "deletecollection"))
_ON_OBJECTS = (
    ("get", "get", "get"),
    ("update", "put", "put"),
    ("patch", "patch", "patch"),
    ("delete", "delete", "delete"),
)
_ON_SUBRESOURCES = (*_ON_OBJECTS, ("create", "post", "connect"))

_PRETTY = ("pretty", "string", "If 'true', then the output is pretty printed.")
_WRITE = (
    ("dryRun", "string", "When present, indicates that modifications should not be persisted. Valid value: All."),
    ("fieldManager", "string", "The name associated with the actor or entity that is making these changes."),
    (
        "fieldValidation",
        "string",
        "Instructs the server on how to handle objects in the request containing unknown or duplicate fields."
        " Valid values: Ignore, Warn, Strict.",
    ),
)
_FORCE = (("force", "boolean", "Force is going to force Apply requests."),)
_DELETE = (
    ("dryRun", "string", "When present, indicates that modifications should not be persisted. Valid value: All."),
    ("gracePeriodSeconds", "integer", "The duration in seconds before the object should be deleted."),
    ("propagationPolicy", "string", "Whether and how garbage collection will be performed."),
)
_LIST = (
    ("allowWatchBookmarks", "boolean", 'Whether to send watch events with type "BOOKMARK".'),
    ("continue", "string", "Where a list that was cut into pages goes on."),
    ("fieldSelector", "string", "A selector to restrict the list of returned objects by their fields."),
    ("labelSelector", "string", "A selector to restrict the list of returned objects by their labels."),
    ("limit", "integer", "The maximum number of responses to return for a list call."),
    ("resourceVersion", "string", "What resource versions a request may be served from."),
    ("resourceVersionMatch", "string", "How resourceVersion is applied to list calls."),
    ("sendInitialEvents", "boolean", "Whether a watch begins with the objects that are there."),
    ("timeoutSeconds", "integer", "Timeout for the list/watch call."),
    ("watch", "boolean", "Watch for changes to the described resources."),
)
_PARAMETERS = {
    "list": _LIST,
    "post": _WRITE,
    "put": _WRITE,
    "patch": (*_WRITE, *_FORCE),
    "delete": _DELETE,
    "deletecollection": (*_DELETE, *_LIST),
}


class _Dialect:
    """Where OpenAPI 2 and 3 differ in the description of an operation."""

    def __init__(self, *, v3: bool) -> None:
        self._v3 = v3

    def reference(self, definition: str) -> Json:
        return {"$ref": f"#/components/schemas/{definition}" if self._v3 else f"#/definitions/{definition}"}

    def parameter(self, name: str, kind: str, description: str, place: str) -> Json:
        common: Json = {"name": name, "in": place, "description": description}
        if place == "path":
            common["required"] = True
        typed = {"type": kind, "uniqueItems": True}
        return {**common, "schema": typed} if self._v3 else {**common, **typed}

    def operation(
        self, action: str, gvk: Json, answer: str, body: str, patches: tuple[str, ...] = _PATCH_TYPES
    ) -> Json:
        operation: Json = {"parameters": [self.parameter(*entry, "query") for entry in _PARAMETERS.get(action, ())]}
        content = {"schema": self.reference(answer)}
        if self._v3:
            operation["responses"] = {"200": {"description": "OK", "content": {"application/json": content}}}
            if body:
                types = patches if action == "patch" else ("application/json",)
                operation["requestBody"] = {"content": {kind: {"schema": self.reference(body)} for kind in types}}
        else:
            operation["responses"] = {"200": {"description": "OK", **content}}
            operation["produces"] = ["application/json"]
            operation["consumes"] = list(patches) if action == "patch" else ["*/*"]
            if body:
                operation["parameters"].append({"name": "body", "in": "body", "schema": self.reference(body)})
        operation["x-kubernetes-action"] = action
        operation["x-kubernetes-group-version-kind"] = gvk
        return operation


def paths_v3(kinds: Iterable[Kind]) -> Json:
    """The `paths` of an OpenAPI 3 document."""
    return _paths(kinds, _Dialect(v3=True))


def paths_v2(kinds: Iterable[Kind]) -> Json:
    """The `paths` of an OpenAPI 2 document."""
    return _paths(kinds, _Dialect(v3=False))


def _paths(kinds: Iterable[Kind], dialect: _Dialect) -> Json:
    paths: Json = {}
    for kind in kinds:
        base = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
        where = [dialect.parameter(*_PRETTY, "query")]
        if kind.namespaced:
            paths[f"{base}/{kind.plural}"] = {"parameters": where, **_operations(kind, _ON_LISTS[:1], dialect)}
            base += "/namespaces/{namespace}"
            where = [dialect.parameter("namespace", "string", "object name and auth scope", "path"), *where]
        paths[f"{base}/{kind.plural}"] = {"parameters": where, **_operations(kind, _ON_LISTS, dialect)}
        where = [dialect.parameter("name", "string", f"name of the {kind.kind}", "path"), *where]
        item = f"{base}/{kind.plural}/{{name}}"
        paths[item] = {"parameters": where, **_operations(kind, _ON_OBJECTS, dialect)}
        for sub in kind.subresources.values():
            paths[f"{item}/{sub.name}"] = {"parameters": where, **_sub_operations(kind, sub, dialect)}
    return dict(sorted(paths.items()))


def type_name(kind: Kind) -> str:
    """The name of a kind's definition."""
    return kind.definition or name_of(kind.group, kind.version, kind.kind)


def _operations(kind: Kind, table: Iterable[tuple[str, str, str]], dialect: _Dialect) -> Json:
    gvk = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    name = type_name(kind)
    operations: Json = {}
    for verb, method, action in table:
        if verb in kind.verbs:
            answer = f"{name}List" if action == "list" else _STATUS if method == "delete" else name
            operations[method] = dialect.operation(action, gvk, answer, _body(action, name), _patches(kind))
    return operations


def _sub_operations(kind: Kind, sub: Subresource, dialect: _Dialect) -> Json:
    group, version, name = response_kind(kind, sub)
    gvk = {"group": group, "version": version, "kind": name}
    definition = name_of(group, version, name) if sub.kind else type_name(kind)
    # Streams and proxies have options for a kind, which no definition describes.
    described = not name.endswith("Options")
    return {
        method: dialect.operation(
            action,
            gvk,
            definition if described else _STATUS,
            _body(action, definition) if described else "",
            _patches(kind),
        )
        for verb, method, action in _ON_SUBRESOURCES
        if verb in sub.verbs
    }


def _patches(kind: Kind) -> tuple[str, ...]:
    """How an object may be patched: kubectl asks before it sends a strategic merge patch."""
    return _PATCH_TYPES if kind.decoder is None else _PATCH_TYPES[:-1]


def _body(action: str, definition: str) -> str:
    match action:
        case "post" | "put":
            return definition
        case "patch":
            return _PATCH
        case "delete" | "deletecollection":
            return _DELETE_OPTIONS
        case _:
            return ""
