"""What others serve, put into our documents about the API: groups, resources, OpenAPI. Pure but for a cache."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import msgspec

from engine.apiserver.aggregation import openapi
from engine.apiserver.aggregation.registration import GROUP_PRIORITIES, USERS_PRIORITY
from engine.apiserver.aggregation.table import APIService
from engine.apiserver.registry.kind import Kind
from engine.apiserver.schema.discovery import AGGREGATED
from engine.apiserver.schema.documents import Document, document_of

Json = dict[str, Any]
Kinds = tuple[Kind, ...]
_CACHED = 16


class Described(Protocol):
    """What a server says of itself."""

    resources: list[Json]
    openapi_v2: Json | None
    openapi_v3: Json | None


class Joined:
    """Our documents with what `remote` serve in them. Costs nothing while there are none."""

    def __init__(
        self,
        remote: Callable[[], Sequence[APIService]],
        described: Mapping[tuple[str, str], Described],
        generation: Callable[[], int],
    ) -> None:
        self._remote = remote
        self._described = described
        self._generation = generation
        self._kinds: tuple[Kinds, frozenset[tuple[str, str]], Kinds] = ((), frozenset(), ())
        self._cache: dict[Any, Document] = {}

    def ours(self, kinds: Kinds) -> Kinds:
        """Without the kinds that another server serves in our place; the same tuple for the same kinds."""
        taken = frozenset(one.group_version for one in self._remote())
        if not taken:
            return kinds
        if self._kinds[0] is not kinds or self._kinds[1] != taken:
            left = tuple(kind for kind in kinds if (kind.group, kind.version) not in taken)
            self._kinds = (kinds, taken, left if len(left) < len(kinds) else kinds)
        return self._kinds[2]

    def paths(self) -> set[str]:
        """Where what others serve is."""
        ways = ((f"/apis/{one.spec.group}", f"/apis/{one.spec.group}/{one.spec.version}") for one in self._remote())
        return {way for pair in ways for way in pair}

    def joined(self, path: str, found: Document | None) -> Document | None:
        """The document at a path; `found` is ours."""
        remote = self._remote()
        if not remote:
            return found
        state = (self._generation(), *((one.name, one.available, one.spec.group_priority_minimum) for one in remote))
        key = (path, found.etag if found is not None else "", found.content_type if found is not None else "", state)
        known = self._cache.get(key)
        if known is None:
            made = self._made(path, found, remote)
            if made is None:
                return None
            known = self._cache[key] = made
            while len(self._cache) > _CACHED:
                del self._cache[next(iter(self._cache))]
        return known

    def _made(self, path: str, found: Document | None, remote: Sequence[APIService]) -> Document | None:
        parts = path.strip("/").split("/")
        if found is None:
            if len(parts) == 2 and parts[0] == "apis" and any(one.spec.group == parts[1] for one in remote):
                group = {"kind": "APIGroup", "apiVersion": "v1", **_group(parts[1], [], remote)}
                return document_of(group, negotiated=True)
            return None
        match parts:
            case ["apis"]:
                change = self._aggregated if found.content_type == AGGREGATED else _groups
            case ["apis", group] if any(one.spec.group == group for one in remote):
                change = _versions
            case ["openapi", "v2"]:
                change = self._openapi_v2
            case ["openapi", "v3"]:
                change = self._openapi_v3
            case _:
                return found
        content: Json = msgspec.json.decode(found.body)
        change(content, remote)
        made = document_of(content, found.content_type, negotiated=found.negotiated)
        return replace(made, cache_control=found.cache_control)

    def _aggregated(self, content: Json, remote: Sequence[APIService]) -> None:
        items: list[Json] = content["items"]
        for one in remote:
            group: Json | None = next((item for item in items if item["metadata"].get("name") == one.spec.group), None)
            if group is None:
                group = {"metadata": {"name": one.spec.group, "creationTimestamp": None}, "versions": []}
                _insert(items, group, one, lambda item: item["metadata"].get("name", ""))
            described = self._described.get(one.group_version)
            fresh = one.available and described is not None
            resources = resources_of(described.resources, one) if fresh and described is not None else []
            freshness = "Current" if fresh else "Stale"
            versions: list[Json] = group["versions"]
            versions.append({"version": one.spec.version, "resources": resources, "freshness": freshness})

    def _openapi_v2(self, content: Json, remote: Sequence[APIService]) -> None:
        for one in remote:
            described = self._described.get(one.group_version)
            if described is not None and described.openapi_v2 is not None:
                openapi.merge_v2(content, described.openapi_v2, *one.group_version)

    def _openapi_v3(self, content: Json, remote: Sequence[APIService]) -> None:
        for one in remote:
            described = self._described.get(one.group_version)
            path = f"apis/{one.spec.group}/{one.spec.version}"
            entry = (described.openapi_v3 or {}).get(path) if described is not None else None
            if entry is not None:
                content["paths"][path] = entry


def resources_of(listed: Sequence[Json], service: APIService) -> list[Json]:
    """Resources as aggregated discovery has them, from an APIResourceList's."""
    found: dict[str, Json] = {}
    for one in listed:
        name, _, subresource = one.get("name", "").partition("/")
        kind = {
            "group": one.get("group") or service.spec.group,
            "version": one.get("version") or service.spec.version,
            "kind": one.get("kind", ""),
        }
        if subresource:
            entry = {"subresource": subresource, "responseKind": kind, "verbs": one.get("verbs") or []}
            found.setdefault(name, {}).setdefault("subresources", []).append(entry)
            continue
        found.setdefault(name, {}).update(
            {
                "resource": name,
                "responseKind": kind,
                "scope": "Namespaced" if one.get("namespaced") else "Cluster",
                "singularResource": one.get("singularName", ""),
                "verbs": one.get("verbs") or [],
                **{key: one[key] for key in ("shortNames", "categories") if one.get(key)},
            }
        )
    return [one for _, one in sorted(found.items()) if "resource" in one]


def _groups(content: Json, remote: Sequence[APIService]) -> None:
    groups: list[Json] = content["groups"]
    for one in remote:
        group = next((item for item in groups if item["name"] == one.spec.group), None)
        if group is None:
            group = {"name": one.spec.group, "versions": []}
            _insert(groups, group, one, lambda item: item["name"])
        _add_version(group, one)


def _versions(content: Json, remote: Sequence[APIService]) -> None:
    content.update(_group(content["name"], content["versions"], remote))


def _group(name: str, versions: list[Json], remote: Sequence[APIService]) -> Json:
    group: Json = {"name": name, "versions": list(versions)}
    for one in remote:
        if one.spec.group == name:
            _add_version(group, one)
    return group


def _add_version(group: Json, one: APIService) -> None:
    version = one.spec.version
    group["versions"].append({"groupVersion": f"{one.spec.group}/{version}", "version": version})
    group["preferredVersion"] = group["versions"][0]


def _insert(groups: list[Json], group: Json, one: APIService, name: Callable[[Json], str]) -> None:
    """Put a group before the first that is less important."""
    mine = one.spec.group_priority_minimum
    at = next((i for i, g in enumerate(groups) if GROUP_PRIORITIES.get(name(g), USERS_PRIORITY) < mine), len(groups))
    groups.insert(at, group)
