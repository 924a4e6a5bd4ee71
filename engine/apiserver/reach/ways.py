"""From an object in the cluster to the backend that answers for it: looks up, chooses, opens nothing."""

from __future__ import annotations

import random
import ssl
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

import msgspec

from apimachinery.aio.tasks import TaskScope
from apimachinery.objects.errors import NotFound
from engine.apiserver import stored
from engine.apiserver.reach import locating
from engine.apiserver.reach.backends import (
    AgentBackend,
    MachineBackend,
    NodeConnections,
    NodeEndpoint,
    OutsideBackend,
    Tls,
)
from engine.apiserver.reach.locating import Asked, Place
from engine.apiserver.registry.core.node import NODE
from engine.apiserver.request import Backend
from engine.store.protocol import Store

Json = dict[str, Any]
Endpoint = Callable[[str], Awaitable[NodeEndpoint]]


class _Ready(msgspec.Struct, frozen=True):
    type: str = ""
    status: str = ""


class _Status(msgspec.Struct, frozen=True):
    conditions: tuple[_Ready, ...] = ()


class _Named(msgspec.Struct, frozen=True):
    name: str


class _Node(msgspec.Struct, frozen=True):
    metadata: _Named
    status: _Status = _Status()

    @property
    def ready(self) -> bool:
        return any(one.type == "Ready" and one.status == "True" for one in self.status.conditions)


class Ways:
    """Reads the store as it stands at each call; `endpoint` leads to the machines. Use as an async context manager."""

    def __init__(self, store: Store, endpoint: Endpoint) -> None:
        self._store = store
        self._scope = TaskScope("ways")
        self._connections: NodeConnections = _Connections(endpoint)

    async def __aenter__(self) -> Ways:
        await self._scope.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._scope.__aexit__(kind, error, trace)

    async def to_agent(self, node: str) -> Backend:
        """A machine's agent. Raises ServiceUnavailable."""
        return AgentBackend(await self._connections.endpoint(node))

    async def to_node(self, text: str) -> Backend:
        """`[scheme:]NAME[:port]`. Raises BadRequest, NotFound, ServiceUnavailable."""
        asked = locating.asked_of(text, "node")
        node = self._object("", "nodes", "", asked.name)
        place = locating.place_of_node(node, asked)
        return await self.to_agent(asked.name) if place is None else self._to(place, _blind(asked))

    async def to_pod(self, namespace: str, text: str) -> Backend:
        """Raises BadRequest, NotFound."""
        asked = locating.asked_of(text, "pod")
        pod = self._object("", "pods", namespace, asked.name)
        return self._to(locating.place_of_pod(pod, asked), _blind(asked))

    async def to_service(self, namespace: str, text: str) -> Backend:
        """A ready pod behind a Service, as a client names it. Raises BadRequest, NotFound, ServiceUnavailable."""
        asked = locating.asked_of(text, "service")
        service = self._object("", "services", namespace, asked.name)
        places = locating.places_of_service(service, self.slices(namespace, asked.name), asked)
        return self._to(random.choice(places), _blind(asked))  # noqa: S311 - spreads load, keeps no secret

    async def to_service_port(self, namespace: str, name: str, port: int, trust: ssl.SSLContext) -> Backend:
        """A ready endpoint behind a Service, which must prove to be `NAME.NAMESPACE.svc`.

        Raises NotFound, ServiceUnavailable.
        """
        service = self.service(namespace, name)
        if service is None:
            raise NotFound.of("service", name)
        tls = Tls(trust, f"{name}.{namespace}.svc")
        if service["spec"].get("type") == "ExternalName":
            return OutsideBackend(service["spec"]["externalName"], port, tls)
        places = locating.endpoints_of(service, self.slices(namespace, name), port)
        return self._to(random.choice(places), tls)  # noqa: S311

    def service(self, namespace: str, name: str) -> Json | None:
        return stored.lookup(self._store, "", "services", namespace, name)

    def slices(self, namespace: str, service: str) -> list[Json]:
        """The EndpointSlices of a Service."""
        found = stored.find(self._store, "discovery.k8s.io", "endpointslices", namespace)
        return [one for one in found if (one["metadata"].get("labels") or {}).get(locating.SERVICE_NAME) == service]

    def _object(self, group: str, plural: str, namespace: str, name: str) -> Json:
        found = stored.lookup(self._store, group, plural, namespace, name)
        if found is None:
            raise NotFound.of(plural, name, group=group)
        return found

    def _to(self, place: Place, tls: Tls | None) -> Backend:
        nodes = (place.node,) if place.node else self._machines()
        return MachineBackend(self._connections, nodes, (place.host, place.port), tls, self._scope.spawn)

    def _machines(self) -> tuple[str, ...]:
        """The machines that are well, in any order."""
        listed = (
            msgspec.json.decode(record.value, type=_Node) for record in self._store.list(NODE.storage_prefix).records
        )
        names = [node.metadata.name for node in listed if node.ready]
        random.shuffle(names)
        return tuple(names)


class _Connections:
    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def endpoint(self, node_name: str) -> NodeEndpoint:
        return await self._endpoint(node_name)


def _blind(asked: Asked) -> Tls | None:
    """Clients choose pods and Services by address: there is no name that a certificate could be held against."""
    if asked.scheme != "https":
        return None
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return Tls(context)
