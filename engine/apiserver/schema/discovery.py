"""Which groups, versions and resources there are: the discovery documents, per group and aggregated.

Shapes: k8s.io/apimachinery meta/v1 (APIVersions, APIGroup, APIResourceList) and apidiscovery.k8s.io/v2.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from typing import Any

from engine.apiserver.registry.catalog import KINDS
from engine.apiserver.registry.kind import Kind, Subresource

Json = dict[str, Any]
Kinds = tuple[Kind, ...]

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def group_versions(kinds: Kinds = KINDS) -> tuple[tuple[str, str], ...]:
    """All (group, version) pairs served, in the order of discovery."""
    return tuple(dict.fromkeys((kind.group, kind.version) for kind in kinds))


def groups(kinds: Kinds = KINDS) -> tuple[str, ...]:
    """The named groups served, in the order of discovery."""
    return tuple(dict.fromkeys(group for group, _ in group_versions(kinds) if group))


def kinds_of(group: str, version: str, kinds: Kinds = KINDS) -> list[Kind]:
    """The kinds of one group and version, by their plurals."""
    return sorted((kind for kind in kinds if (kind.group, kind.version) == (group, version)), key=lambda k: k.plural)


def api_versions(address: str, kinds: Kinds = KINDS) -> Json:
    """/api: the versions of the core group. `address` is where the client reached us."""
    return {
        "kind": "APIVersions",
        "versions": [version for group, version in group_versions(kinds) if not group],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def group_list(kinds: Kinds = KINDS) -> Json:
    """/apis: all named groups."""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(name, kinds) for name in groups(kinds)]}


def api_group(name: str, kinds: Kinds = KINDS) -> Json:
    """/apis/GROUP."""
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, kinds)}


def _group(name: str, kinds: Kinds) -> Json:
    versions = [
        {"groupVersion": f"{name}/{version}", "version": version}
        for group, version in group_versions(kinds)
        if group == name
    ]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def resource_list(group: str, version: str, kinds: Kinds = KINDS) -> Json:
    """/api/v1 and /apis/GROUP/VERSION."""
    resources: list[Json] = []
    for kind in kinds_of(group, version, kinds):
        resources.append(_resource(kind))
        resources += (_subresource(kind, sub) for _, sub in sorted(kind.subresources.items()))
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": resources,
    }


def _resource(kind: Kind) -> Json:
    entry: Json = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        entry["shortNames"] = list(kind.short_names)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    if not kind.measured and "get" in kind.verbs:
        entry["storageVersionHash"] = _storage_hash(kind)
    return entry


def _storage_hash(kind: Kind) -> str:
    """Changes when objects are stored in another version: apiserver/pkg/endpoints/discovery/storageversionhash.go."""
    group, version = kind.stored_as[:2] if kind.stored_as is not None else (kind.group, kind.version)
    return b64encode(sha256(f"{group}/{version}/{kind.kind}".encode()).digest()[:8]).decode()


def _subresource(kind: Kind, sub: Subresource) -> Json:
    group, version, name = response_kind(kind, sub)
    entry: Json = {
        "name": f"{kind.plural}/{sub.name}",
        "singularName": "",
        "namespaced": kind.namespaced,
        "kind": name,
        "verbs": list(sub.verbs),
    }
    if (group, version) != (kind.group, kind.version):
        entry["group"], entry["version"] = group, version
    return entry


def response_kind(kind: Kind, sub: Subresource) -> tuple[str, str, str]:
    """(group, version, kind) of what a subresource answers with."""
    group = kind.group if sub.group is None else sub.group
    return group, sub.version or kind.version, sub.kind or kind.kind


def aggregated(kinds: Kinds = KINDS, *, core: bool) -> Json:
    """All resources in one document: those of /api (`core`) or of /apis."""
    items: list[Json] = []
    for group in ("",) if core else groups(kinds):
        versions = [
            _aggregated_version(group, version, kinds) for name, version in group_versions(kinds) if name == group
        ]
        metadata: Json = {"name": group, "creationTimestamp": None} if group else {"creationTimestamp": None}
        items.append({"metadata": metadata, "versions": versions})
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }


def _aggregated_version(group: str, version: str, kinds: Kinds) -> Json:
    resources = [_aggregated_resource(kind) for kind in kinds_of(group, version, kinds)]
    return {"version": version, "resources": resources, "freshness": "Current"}


def _aggregated_resource(kind: Kind) -> Json:
    entry: Json = {
        "resource": kind.plural,
        "responseKind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        entry["shortNames"] = list(kind.short_names)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    if kind.subresources:
        entry["subresources"] = [
            {
                "subresource": sub.name,
                "responseKind": dict(zip(("group", "version", "kind"), response_kind(kind, sub), strict=True)),
                "verbs": list(sub.verbs),
            }
            for _, sub in sorted(kind.subresources.items())
        ]
    return entry
