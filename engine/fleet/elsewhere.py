"""The way to a node's agent when another engine of the cluster holds the links: through that engine."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Protocol

import msgspec

from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import ServiceUnavailable, StatusError
from apimachinery.objects.meta import Object
from apimachinery.objects.resources import LEASES
from engine.fleet.links import NodeEndpoint

LEASE = "pilothouse-fleet"
ADDRESS = "pilothouse.dev/engine-address"
"""Annotation of the Lease: where the engine that holds the links serves."""
PATH = "/pilothouse/nodes"
"""Below it an engine serves agents' paths by node, to administrators and other engines."""


class Endpoints(Protocol):
    async def endpoint(self, node_name: str) -> NodeEndpoint: ...


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    holder_identity: str = ""


class _Lease(Object, frozen=True):
    spec: _Spec = _Spec()


class Elsewhere:
    """Our own links while we hold them, else the holder's. Implements the API server's NodeConnections."""

    def __init__(self, own: Endpoints, leads: Callable[[], bool], client: Client, tls: ssl.SSLContext) -> None:
        """`tls`: with a certificate that may administer the other engines."""
        self._own = own
        self._leads = leads
        self._client = client
        self._tls = tls

    async def endpoint(self, node_name: str) -> NodeEndpoint:
        """Raises ServiceUnavailable."""
        if self._leads():
            return await self._own.endpoint(node_name)
        try:
            lease = await self._client.get(LEASES, LEASE, "kube-system", view=_Lease)
        except (StatusError, ConnectionFailed) as error:
            raise ServiceUnavailable(f'node "{node_name}" is not connected: {error}') from error
        address = lease.metadata.annotations.get(ADDRESS, "")
        if not address or not lease.spec.holder_identity:
            raise ServiceUnavailable(f'node "{node_name}" is not connected: no engine holds the links at this moment')
        return NodeEndpoint(f"{address}{PATH}/{node_name}", self._tls)
