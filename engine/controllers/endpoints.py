"""Endpoints: what EndpointSlices say, in the one object per Service that older clients read."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apimachinery.objects.meta import Object, format_time, key
from apimachinery.objects.resources import ENDPOINTS
from engine.controllers.actions import Action, Create, Delete, Json, Patch
from engine.controllers.controller import Moment, Reader, Source, Watch
from engine.controllers.endpointslice import (
    HEADLESS,
    MANAGED_BY,
    MANAGER,
    SERVICE_NAME,
    SERVICE_SOURCE,
    SLICE_SOURCE,
    TRIGGER_TIME,
    EndpointSlice,
    Service,
)

ENDPOINTS_MANAGED_BY = "endpoints.kubernetes.io/managed-by"
ENDPOINTS_MANAGER = "endpoint-controller"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
MOST_ADDRESSES = 1000


class Endpoints(Object, frozen=True):
    """Subsets as they stand on the wire: they are compared and rewritten whole."""

    subsets: list[dict[str, Any]] | None = None


ENDPOINTS_SOURCE = Source(ENDPOINTS, Endpoints)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    service: Service | None
    slices: tuple[EndpointSlice, ...] = ()
    """Those of the Service that the EndpointSlice controller manages."""
    endpoints: Endpoints | None
    now: datetime


def plan(observed: Observed) -> list[Action]:
    service, present = observed.service, observed.endpoints
    if service is None or service.metadata.deletion_timestamp is not None:
        return [] if present is None or not _is_ours(present) else [_delete(present)]
    if not service.spec.selector or service.spec.type == "ExternalName":
        return []
    subsets, truncated = subsets_of(observed.slices)
    labels = _labels(service)
    if present is None:
        meta: Json = {
            "name": service.metadata.name,
            "namespace": service.metadata.namespace,
            "labels": labels,
            "annotations": {TRIGGER_TIME: format_time(observed.now)},
        }
        body = {"apiVersion": "v1", "kind": "Endpoints", "metadata": meta, "subsets": subsets}
        return [Create(resource=ENDPOINTS, namespace=service.metadata.namespace, body=body)]
    if (present.subsets or []) == subsets and present.metadata.labels == labels:
        return []
    stale = {name: None for name in present.metadata.labels if name not in labels}
    annotations: Json = {
        TRIGGER_TIME: format_time(observed.now),
        OVER_CAPACITY: "truncated" if truncated else None,
    }
    return [
        Patch(
            resource=ENDPOINTS,
            namespace=present.metadata.namespace,
            name=present.metadata.name,
            uid=present.metadata.uid,
            resource_version=present.metadata.resource_version,
            body={"metadata": {"labels": {**stale, **labels}, "annotations": annotations}, "subsets": subsets},
        )
    ]


def subsets_of(slices: Iterable[EndpointSlice]) -> tuple[list[Json], bool]:
    """Addresses by the ports they serve, ready and not; and whether there were more than Endpoints may hold."""
    subsets: list[Json] = []
    left = MOST_ADDRESSES
    truncated = False
    by_ports: dict[str, tuple[list[Json], list[Json], list[Json]]] = {}
    for piece in sorted(slices, key=lambda piece: piece.metadata.name):
        ports = piece.ports or []
        _, ready, waiting = by_ports.setdefault(repr(ports), (ports, [], []))
        for endpoint in piece.endpoints or []:
            conditions = endpoint.get("conditions") or {}
            if conditions.get("terminating"):
                continue
            (ready if conditions.get("ready") else waiting).append(_address(endpoint))
    for ports, ready, waiting in by_ports.values():
        subset: Json = {}
        for field, addresses in (("addresses", ready), ("notReadyAddresses", waiting)):
            taken = sorted(addresses, key=lambda address: address["ip"])[:left]
            truncated = truncated or len(taken) < len(addresses)
            left -= len(taken)
            if taken:
                subset[field] = taken
        if subset:
            subsets.append({**subset, **({"ports": _ports(ports)} if ports else {})})
    return subsets, truncated


def _address(endpoint: Json) -> Json:
    address: Json = {"ip": endpoint["addresses"][0]}
    for field in ("hostname", "nodeName", "targetRef"):
        if endpoint.get(field):
            address[field] = endpoint[field]
    return address


def _ports(ports: list[Json]) -> list[Json]:
    fields = ("name", "port", "protocol", "appProtocol")
    return [{field: port[field] for field in fields if port.get(field)} for port in ports]


def _labels(service: Service) -> dict[str, str]:
    own = {ENDPOINTS_MANAGED_BY: ENDPOINTS_MANAGER}
    if service.spec.cluster_ip == "None":
        own["service.kubernetes.io/headless"] = ""
    return {name: value for name, value in service.metadata.labels.items() if name != HEADLESS} | own


def _is_ours(endpoints: Endpoints) -> bool:
    return endpoints.metadata.labels.get(ENDPOINTS_MANAGED_BY) == ENDPOINTS_MANAGER


def _delete(endpoints: Endpoints) -> Delete:
    meta = endpoints.metadata
    return Delete(resource=ENDPOINTS, namespace=meta.namespace, name=meta.name, uid=meta.uid)


class EndpointsController:
    name = "endpoints"
    component = "endpoint-controller"

    def __init__(self) -> None:
        self.watches = (
            Watch(SERVICE_SOURCE, lambda service, _: [key(service)]),
            Watch(SLICE_SOURCE, _service_of_slice),
            Watch(ENDPOINTS_SOURCE, lambda endpoints, _: [key(endpoints)]),
        )

    async def observe(self, key: str, reader: Reader, moment: Moment) -> Observed | None:
        service = reader.get(SERVICE_SOURCE, key)
        present = reader.get(ENDPOINTS_SOURCE, key)
        if service is None and present is None:
            return None
        slices = (
            piece
            for piece in reader.by_index(SLICE_SOURCE, "service", key)
            if piece.metadata.labels.get(MANAGED_BY) == MANAGER and piece.address_type == "IPv4"
        )
        return Observed(service=service, slices=tuple(slices), endpoints=present, now=moment.now)

    def plan(self, observed: Observed) -> list[Action]:
        return plan(observed)


def _service_of_slice(piece: EndpointSlice, _reader: Reader) -> Iterable[str]:
    name = piece.metadata.labels.get(SERVICE_NAME)
    return [f"{piece.metadata.namespace}/{name}"] if name else []
