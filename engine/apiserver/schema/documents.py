"""All documents about the API by their paths: discovery and OpenAPI."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha512
from typing import Any

import msgspec

from engine.apiserver.registry.catalog import KINDS
from engine.apiserver.schema import discovery, openapi
from engine.apiserver.schema.discovery import Kinds, group_versions

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Document:
    """A body with its content type; `etag` is for If-None-Match."""

    body: bytes
    content_type: str
    etag: str
    vary: str = "Accept"


def find(path: str, accept: str, address: str, kinds: Kinds = KINDS) -> Document | None:
    """The document at a path, in the form that `accept` asks for; None when there is none.

    `address` is the host and port at which the client reached the server; `kinds` are all that it serves.
    """
    parts = path.strip("/").split("/")
    if parts[0] in {"api", "apis"} and len(parts) == 1 and wants_aggregated(accept):
        return _aggregated(kinds, core=parts[0] == "api")
    match parts:
        case [""]:
            return document_of({"paths": _root_paths(kinds)})
        case ["api"]:
            return document_of(discovery.api_versions(address, kinds))
        case ["apis"]:
            return document_of(discovery.group_list(kinds))
        case ["api", version] if ("", version) in group_versions(kinds):
            return document_of(discovery.resource_list("", version, kinds))
        case ["apis", group] if group in discovery.groups(kinds):
            return document_of(discovery.api_group(group, kinds))
        case ["apis", group, version] if (group, version) in group_versions(kinds):
            return document_of(discovery.resource_list(group, version, kinds))
        case ["openapi", "v2"]:
            return _of_bytes(openapi.document_v2(kinds))
        case ["openapi", "v3"]:
            return _of_bytes(openapi.index(kinds))
        case ["openapi", "v3", *rest]:
            body = openapi.document_v3("/".join(rest), kinds)
            return None if body is None else _of_bytes(body)
        case _:
            return None


def wants_aggregated(accept: str) -> bool:
    """Whether the first kind of document that we know in an Accept header is the aggregated one."""
    for choice in accept.split(","):
        words = {word.strip() for word in choice.split(";")}
        if {"g=apidiscovery.k8s.io", "v=v2", "as=APIGroupDiscoveryList"} <= words:
            return True
        if words == {JSON}:
            return False
    return False


def _root_paths(kinds: Kinds) -> list[str]:
    paths = ["/api", "/apis", "/healthz", "/livez", "/metrics", "/openapi/v2", "/openapi/v3", "/readyz", "/version"]
    for group, version in group_versions(kinds):
        paths += (f"/apis/{group}", f"/apis/{group}/{version}") if group else (f"/api/{version}",)
    return sorted(paths)


@lru_cache(4)
def _aggregated(kinds: Kinds, *, core: bool) -> Document:
    body = msgspec.json.encode(discovery.aggregated(kinds, core=core))
    return Document(body, discovery.AGGREGATED, _etag(body))


def document_of(content: dict[str, Any], content_type: str = JSON) -> Document:
    """A document of this content."""
    body = msgspec.json.encode(content)
    return Document(body, content_type, _etag(body))


@lru_cache(128)
def _of_bytes(body: bytes) -> Document:
    return Document(body, JSON, _etag(body))


def _etag(body: bytes) -> str:
    return f'"{sha512(body).hexdigest().upper()}"'
