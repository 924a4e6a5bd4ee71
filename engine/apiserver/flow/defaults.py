"""The FlowSchemas and PriorityLevelConfigurations that every cluster has."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from apimachinery.client.client import Client
from apimachinery.objects.errors import AlreadyExists, Conflict, NotFound
from apimachinery.objects.resources import FLOWSCHEMAS, PRIORITYLEVELS, Resource
from engine.apiserver.registry.flowcontrol.bootstrap import (
    FLOW_SCHEMAS,
    PRIORITY_LEVELS,
    SUGGESTED_LEVELS,
    SUGGESTED_SCHEMAS,
)

Json = dict[str, Any]
_FOLLOWS = "apf.kubernetes.io/autoupdate-spec"


async def ensure_flows(client: Client) -> None:
    """Create what is missing, and bring back what should follow upstream's suggestion, as its annotation says."""
    await _ensure(client, PRIORITYLEVELS, {**PRIORITY_LEVELS, **SUGGESTED_LEVELS}, SUGGESTED_LEVELS)
    # After the levels, so that they say at once that theirs exists.
    await _ensure(client, FLOWSCHEMAS, {**FLOW_SCHEMAS, **SUGGESTED_SCHEMAS}, SUGGESTED_SCHEMAS)


async def _ensure(client: Client, resource: Resource, specs: dict[str, Json], suggested: dict[str, Json]) -> None:
    there = {obj["metadata"]["name"]: obj for obj in (await client.list(resource)).items}
    missing = [_create(client, resource, name, spec) for name, spec in specs.items() if name not in there]
    changed = [
        client.update(resource, {**there[name], "spec": spec})
        for name, spec in suggested.items()
        if name in there and there[name]["spec"] != spec and _follows(there[name])
    ]
    # Together, because writes of one moment share one fsync.
    await asyncio.gather(*map(_tried, (*missing, *changed)))


def _follows(obj: Json) -> bool:
    return (obj["metadata"].get("annotations") or {}).get(_FOLLOWS) == "true"


def _create(client: Client, resource: Resource, name: str, spec: Json) -> Awaitable[object]:
    metadata = {"name": name, "annotations": {_FOLLOWS: "true"}}
    body = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, "spec": spec}
    return client.create(resource, body)


async def _tried(write: Awaitable[object]) -> None:
    try:
        await write
    except (AlreadyExists, Conflict, NotFound):
        return  # somebody else was faster; what he left is looked at again
