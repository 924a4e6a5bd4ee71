"""All documents about the API by their paths: discovery and OpenAPI."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha512
from typing import Any

import msgspec

from apimachinery.objects.errors import NotAcceptable
from engine.apiserver.accept import Clause, clauses
from engine.apiserver.registry.catalog import KINDS
from engine.apiserver.schema import discovery, openapi, openapi_protobuf
from engine.apiserver.schema.discovery import Kinds, group_versions

JSON = "application/json"
_PROTOBUF_V2 = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
# The name before media types had to do without an `@`; clients still ask by it.
_PROTOBUF_V2_BEFORE = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
_PLAIN = (JSON, "application/yaml")


@dataclass(frozen=True, slots=True)
class Document:
    """A body with its content type; `etag` is for If-None-Match."""

    body: bytes
    content_type: str
    etag: str
    cache_control: str = ""
    """Empty: the default, which is to keep nothing."""
    negotiated: bool = False
    """Whether it may be said in YAML and indented as well; then the tag is nobody's."""


def find(path: str, accept: str, address: str, kinds: Kinds = KINDS, digest: str = "") -> Document | str | None:
    """The document at a path, in the form that `accept` asks for; None when there is none.

    `address` is the host and port at which the client reached the server; `kinds` are all that it serves. `digest` is
    what the client has read of the document in an index: when that has changed, the answer is the address of the new
    one. Raises NotAcceptable.
    """
    parts = path.strip("/").split("/")
    if parts[0] == "openapi":
        return _openapi(parts[1:], accept, kinds, digest)
    if parts[0] in {"api", "apis"} and len(parts) == 1 and wants_aggregated(accept):
        return _aggregated(kinds, core=parts[0] == "api")
    match parts:
        case ["api"]:
            content = discovery.api_versions(address, kinds)
        case ["apis"]:
            content = discovery.group_list(kinds)
        case ["api", version] if ("", version) in group_versions(kinds):
            content = discovery.resource_list("", version, kinds)
        case ["apis", group] if group in discovery.groups(kinds):
            content = discovery.api_group(group, kinds)
        case ["apis", group, version] if (group, version) in group_versions(kinds):
            content = discovery.resource_list(group, version, kinds)
        case _:
            return None
    if _chosen(accept, _PLAIN, plain=True) is None:
        raise NotAcceptable("only the following media types are accepted: application/json, application/yaml")
    return document_of(content, negotiated=True)


def wants_aggregated(accept: str) -> bool:
    """Whether the first kind of document that we know in an Accept header is the aggregated one."""
    for clause in clauses(accept):
        if clause.covers(JSON) and _transform(clause) == ("apidiscovery.k8s.io", "v2", "APIGroupDiscoveryList"):
            return True
        if clause.covers(JSON) and _transform(clause) is None:
            return False
    return False


def _transform(clause: Clause) -> tuple[str, str, str] | None:
    """(group, version, kind) of what the object shall be turned into."""
    asked = clause.parameters
    if not asked.keys() & {"as", "g", "v"}:
        return None
    return asked.get("g", ""), asked.get("v", ""), asked.get("as", "")


def _chosen(accept: str, offered: tuple[str, ...], *, plain: bool = False) -> str | None:
    """The offer that the client likes best; with `plain`, clauses that want the object transformed do not count."""
    for clause in clauses(accept or "*/*"):
        if plain and _transform(clause) is not None:
            continue
        for media in offered:
            if clause.covers(media):
                return media
    return None


def _openapi(parts: list[str], accept: str, kinds: Kinds, digest: str) -> Document | str | None:
    match parts:
        case ["v2"]:
            match _chosen(accept, (JSON, _PROTOBUF_V2_BEFORE, _PROTOBUF_V2)):
                case None:
                    raise NotAcceptable(f"only the following media types are accepted: {JSON}, {_PROTOBUF_V2}")
                case media if media == JSON:
                    return _of_bytes(openapi.document_v2(kinds))
                case _:
                    # The same tag for both: answers vary by Accept.
                    etag = _of_bytes(openapi.document_v2(kinds)).etag
                    return Document(openapi.protobuf_v2(kinds), _PROTOBUF_V2, etag)
        case ["v3"]:
            return _of_bytes(openapi.index(kinds))
        case ["v3", *rest]:
            body = openapi.document_v3("/".join(rest), kinds)
            if body is None:
                return None
            if _chosen(accept, (JSON,)) is None:
                raise NotAcceptable(f"only the following media types are accepted: {JSON}")
            return _immutable("/".join(rest), body, digest) if digest else _of_bytes(body)
        case _:
            return None


def _immutable(path: str, body: bytes, digest: str) -> Document | str:
    """The document under the address that names its content: whoever has it never needs to ask again."""
    found = _of_bytes(body)
    current = found.etag.strip('"')
    if digest != current:
        return f"/openapi/v3/{path}?hash={current}"
    return Document(found.body, found.content_type, found.etag, cache_control="public, immutable")


def root_paths(kinds: Kinds) -> list[str]:
    """Where these documents are."""
    paths = ["/api", "/apis", "/apis/", "/openapi/v2", "/openapi/v3", "/openapi/v3/"]
    for group, version in group_versions(kinds):
        paths += (f"/apis/{group}", f"/apis/{group}/{version}") if group else (f"/api/{version}",)
    return paths


@lru_cache(4)
def _aggregated(kinds: Kinds, *, core: bool) -> Document:
    body = msgspec.json.encode(discovery.aggregated(kinds, core=core))
    return Document(body, discovery.AGGREGATED, _etag(body), cache_control="public")


def document_of(content: dict[str, Any], content_type: str = JSON, *, negotiated: bool = False) -> Document:
    """A document of this content."""
    body = msgspec.json.encode(content)
    return Document(body, content_type, _etag(body), negotiated=negotiated)


def as_protobuf(document: Document) -> Document:
    """OpenAPI 2 as protobuf, under the tag that it has as JSON."""
    return Document(_packed(document.body), _PROTOBUF_V2, document.etag)


def is_protobuf(document: Document) -> bool:
    return document.content_type == _PROTOBUF_V2


@lru_cache(2)
def _packed(body: bytes) -> bytes:
    document: dict[str, Any] = msgspec.json.decode(body)
    part = openapi_protobuf.part(document.pop("paths", {}), document.pop("definitions", {}))
    return openapi_protobuf.document(document, part)


@lru_cache(128)
def _of_bytes(body: bytes) -> Document:
    return Document(body, JSON, _etag(body))


def _etag(body: bytes) -> str:
    return f'"{sha512(body).hexdigest().upper()}"'
