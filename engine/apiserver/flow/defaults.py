"""The FlowSchemas and PriorityLevelConfigurations that every cluster has."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from apimachinery.client.client import Client
from apimachinery.objects.errors import AlreadyExists
from apimachinery.objects.meta import Object
from apimachinery.objects.resources import FLOWSCHEMAS, PRIORITYLEVELS, Resource
from engine.apiserver.registry.flowcontrol.bootstrap import (
    FLOW_SCHEMAS,
    PRIORITY_LEVELS,
    SUGGESTED_LEVELS,
    SUGGESTED_SCHEMAS,
)

Json = dict[str, Any]


async def ensure_flows(client: Client) -> None:
    """Create what is missing; what is there, users may have changed for a reason."""
    await _ensure(client, PRIORITYLEVELS, {**PRIORITY_LEVELS, **SUGGESTED_LEVELS})
    # After the levels, so that they say at once that theirs exists.
    await _ensure(client, FLOWSCHEMAS, {**FLOW_SCHEMAS, **SUGGESTED_SCHEMAS})


async def _ensure(client: Client, resource: Resource, specs: dict[str, Json]) -> None:
    there = {obj.metadata.name for obj in (await client.list(resource, view=Object)).items}
    # Together, because writes of one moment share one fsync.
    await asyncio.gather(*(_tried(_create(client, resource, name, specs[name])) for name in specs if name not in there))


def _create(client: Client, resource: Resource, name: str, spec: Json) -> Awaitable[object]:
    metadata = {"name": name, "annotations": {"apf.kubernetes.io/autoupdate-spec": "true"}}
    body = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, "spec": spec}
    return client.create(resource, body)


async def _tried(creation: Awaitable[object]) -> None:
    try:
        await creation
    except AlreadyExists:
        return  # another engine that starts now was faster
