"""Which kinds a server has: aggregated discovery, and the older way for servers without it."""

import asyncio
from collections.abc import Iterable
from typing import Any

import msgspec

from apimachinery.client.client import Client
from apimachinery.objects.errors import NotAcceptable, NotFound, ServiceUnavailable, StatusError
from apimachinery.objects.resources import Resource

_AGGREGATED = ",".join(
    [
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
        "application/json",
    ]
)


async def discover(client: Client) -> list[Resource]:
    """Every kind in every served version, preferred versions first. Raises StatusError, ConnectionFailed."""
    found: list[Resource] = []
    for root in ("/api", "/apis"):
        document = msgspec.json.decode(await client.call("GET", root, headers={"Accept": _AGGREGATED}))
        if document.get("kind") == "APIGroupDiscoveryList":
            found += _aggregated(document)
        else:
            found += await _one_by_one(client, root, document)
    return found


def _aggregated(document: dict[str, Any]) -> Iterable[Resource]:
    for group in document.get("items") or ():
        name = group.get("metadata", {}).get("name", "")
        for version in group.get("versions") or ():
            for item in version.get("resources") or ():
                kind = item.get("responseKind") or {}
                yield Resource(
                    name,
                    version["version"],
                    item["resource"],
                    kind.get("kind", ""),
                    item.get("scope") == "Namespaced",
                    singular=item.get("singularResource", ""),
                    short_names=tuple(item.get("shortNames") or ()),
                    categories=tuple(item.get("categories") or ()),
                    verbs=tuple(item.get("verbs") or ()),
                    subresources=tuple(s["subresource"] for s in item.get("subresources") or ()),
                )


async def _one_by_one(client: Client, root: str, document: dict[str, Any]) -> list[Resource]:
    if root == "/api":
        versions = [("", version) for version in document.get("versions") or ()]
    else:
        versions = [
            (group["name"], version["version"])
            for group in document.get("groups") or ()
            for version in group.get("versions") or ()
        ]
    lists = await asyncio.gather(*(_resources_of(client, root, group, version) for group, version in versions))
    return [resource for one in lists for resource in one]


async def _resources_of(client: Client, root: str, group: str, version: str) -> list[Resource]:
    path = f"{root}/{group}/{version}" if group else f"{root}/{version}"
    try:
        document = msgspec.json.decode(await client.call("GET", path))
    except (NotFound, ServiceUnavailable, NotAcceptable):
        return []  # an aggregated API whose server is away must not hide all others
    except StatusError as error:
        if error.code >= 500:
            return []
        raise
    listed = document.get("resources") or ()
    subresources: dict[str, list[str]] = {}
    for item in listed:
        plural, slash, subresource = item["name"].partition("/")
        if slash:
            subresources.setdefault(plural, []).append(subresource)
    return [
        Resource(
            group,
            version,
            item["name"],
            item["kind"],
            bool(item.get("namespaced")),
            singular=item.get("singularName", ""),
            short_names=tuple(item.get("shortNames") or ()),
            categories=tuple(item.get("categories") or ()),
            verbs=tuple(item.get("verbs") or ()),
            subresources=tuple(subresources.get(item["name"], ())),
        )
        for item in listed
        if "/" not in item["name"]
    ]
