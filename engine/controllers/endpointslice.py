"""EndpointSlices: where the pods behind each Service with a selector can be reached."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from apimachinery.objects.meta import Object, format_time, key
from apimachinery.objects.resources import ENDPOINTSLICES, SERVICES
from engine.controllers.actions import Action, Create, Delete, Json, Patch
from engine.controllers.controller import Moment, Reader, Source, Watch
from engine.controllers.ownership import owner_reference
from engine.controllers.podstate import is_ready, is_terminal, is_terminating
from engine.controllers.views import NODE_SOURCE, POD_SOURCE, Node, Pod

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
HEADLESS = "service.kubernetes.io/headless"
TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"
ZONE = "topology.kubernetes.io/zone"
PER_SLICE = 100


class ServicePort(msgspec.Struct, frozen=True, rename="camel"):
    name: str = ""
    protocol: str = "TCP"
    port: int = 0
    target_port: int | str = 0
    app_protocol: str | None = None


class Ingress(msgspec.Struct, frozen=True, rename="camel"):
    ip: str = ""


class LoadBalancerStatus(msgspec.Struct, frozen=True, rename="camel"):
    ingress: tuple[Ingress, ...] = ()


class ServiceStatus(msgspec.Struct, frozen=True, rename="camel"):
    load_balancer: LoadBalancerStatus = LoadBalancerStatus()


class ServiceSpec(msgspec.Struct, frozen=True, rename="camel"):
    type: str = "ClusterIP"
    selector: dict[str, str] = {}
    ports: tuple[ServicePort, ...] = ()
    cluster_ip: str = msgspec.field(default="", name="clusterIP")
    publish_not_ready_addresses: bool = False
    load_balancer_ip: str = msgspec.field(default="", name="loadBalancerIP")
    load_balancer_class: str | None = None
    traffic_distribution: str | None = None


class Service(Object, frozen=True):
    spec: ServiceSpec = ServiceSpec()
    status: ServiceStatus = ServiceStatus()


def addresses_of(service: Service) -> list[str]:
    """The cluster addresses of a Service that has any."""
    spec = service.spec
    if spec.type == "ExternalName" or spec.cluster_ip in ("", "None"):
        return []
    return [spec.cluster_ip]


class EndpointSlice(Object, frozen=True):
    """Endpoints and ports as they stand on the wire: they are compared and rewritten whole."""

    address_type: str = "IPv4"
    endpoints: list[dict[str, Any]] | None = None
    ports: list[dict[str, Any]] | None = None


def _by_service(piece: EndpointSlice) -> list[str]:
    return [f"{piece.metadata.namespace}/{piece.metadata.labels.get(SERVICE_NAME, '')}"]


SERVICE_SOURCE = Source(SERVICES, Service, {"address": addresses_of})
SLICE_SOURCE = Source(ENDPOINTSLICES, EndpointSlice, {"service": _by_service})


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    service: Service
    pods: tuple[Pod, ...]
    """Those that the Service selects."""
    slices: tuple[EndpointSlice, ...]
    """Those of the Service that this controller manages."""
    zones: dict[str, str]
    """Zone by machine, where it is known."""
    now: datetime


Ports = tuple[tuple[str, str, int, str | None], ...]
"""(name, protocol, port, application protocol) of each port: pods with equal ports share slices."""


def plan(observed: Observed) -> list[Action]:
    service = observed.service
    if service.metadata.deletion_timestamp is not None or not service.spec.selector:
        return []
    if service.spec.type == "ExternalName":
        return []
    wanted = _endpoints_by_ports(observed)
    present: dict[Ports, list[EndpointSlice]] = {}
    for piece in sorted(observed.slices, key=lambda s: (s.metadata.creation_timestamp or "", s.metadata.name)):
        present.setdefault(_ports_of(piece), []).append(piece)
    if not wanted:
        wanted = {next(iter(present), ()): []}
    actions: list[Action] = []
    for ports, endpoints in wanted.items():
        actions += _fill(observed, ports, endpoints, present.pop(ports, []))
    return actions + [_delete(piece) for pieces in present.values() for piece in pieces]


def _endpoints_by_ports(observed: Observed) -> dict[Ports, list[Json]]:
    grouped: dict[Ports, list[Json]] = {}
    for pod in sorted(observed.pods, key=lambda pod: pod.metadata.name):
        if is_terminal(pod) or not _address(pod):
            continue
        ports = _resolve(observed.service, pod)
        if ports or not observed.service.spec.ports:
            grouped.setdefault(ports, []).append(_endpoint(observed, pod))
    return grouped


def _resolve(service: Service, pod: Pod) -> Ports:
    found = ((port, _target(port, pod)) for port in service.spec.ports)
    return tuple((p.name, p.protocol, number, p.app_protocol) for p, number in found if number is not None)


def _target(port: ServicePort, pod: Pod) -> int | None:
    """The pod's port number; None where a name fits no port of the pod."""
    if isinstance(port.target_port, int):
        return port.target_port or port.port
    sidecars = (c for c in pod.spec.init_containers if c.restart_policy == "Always")
    named = (p for c in (*pod.spec.containers, *sidecars) for p in c.ports)
    return next(
        (p.container_port for p in named if p.name == port.target_port and p.protocol == port.protocol), None
    )  # fmt: skip


def _endpoint(observed: Observed, pod: Pod) -> Json:
    service = observed.service
    serving, terminating = is_ready(pod), is_terminating(pod)
    endpoint: Json = {
        "addresses": [_address(pod)],
        "conditions": {
            "ready": service.spec.publish_not_ready_addresses or (serving and not terminating),
            "serving": serving,
            "terminating": terminating,
        },
        "targetRef": {
            "kind": "Pod",
            "namespace": pod.metadata.namespace,
            "name": pod.metadata.name,
            "uid": pod.metadata.uid,
        },
    }
    if pod.spec.node_name:
        endpoint["nodeName"] = pod.spec.node_name
        if pod.spec.node_name in observed.zones:
            endpoint["zone"] = observed.zones[pod.spec.node_name]
    if endpoint["conditions"]["ready"]:
        hints = _hints(service, endpoint)
        if hints:
            endpoint["hints"] = hints
    if pod.spec.hostname and pod.spec.subdomain == service.metadata.name:
        endpoint["hostname"] = pod.spec.hostname
    return endpoint


def _hints(service: Service, endpoint: Json) -> Json:
    """Whose clients should come here, where the Service prefers near ones (KEP 4444 and 3015)."""
    wanted = service.spec.traffic_distribution
    if wanted not in ("PreferClose", "PreferSameZone", "PreferSameNode") or not endpoint.get("nodeName"):
        return {}
    hints: Json = {}
    if endpoint.get("zone"):
        hints["forZones"] = [{"name": endpoint["zone"]}]
    if wanted == "PreferSameNode":
        hints["forNodes"] = [{"name": endpoint["nodeName"]}]
    return hints


def _address(pod: Pod) -> str:
    """Its IPv4 address."""
    found = (ip.ip for ip in pod.status.pod_ips if ":" not in ip.ip)
    return next(found, pod.status.pod_ip if ":" not in pod.status.pod_ip else "")


def _fill(observed: Observed, ports: Ports, endpoints: list[Json], present: list[EndpointSlice]) -> list[Action]:
    """Keep each endpoint in the slice it is in, put new ones where there is room, make slices for the rest."""
    by_pod = {endpoint["targetRef"]["uid"]: endpoint for endpoint in endpoints}
    contents: list[list[Json]] = []
    for piece in present:
        uids = (_uid_of(endpoint) for endpoint in piece.endpoints or ())
        contents.append([by_pod.pop(uid) for uid in uids if uid in by_pod])
    rest = list(by_pod.values())
    for content in contents:
        room = PER_SLICE - len(content)
        content.extend(rest[:room])
        rest = rest[room:]
    actions: list[Action] = []
    for number, (piece, content) in enumerate(zip(present, contents, strict=True)):
        if not content and (number > 0 or any(contents[1:]) or rest):
            actions.append(_delete(piece))
        else:
            actions += _update(observed, piece, content)
    batches = [rest[i : i + PER_SLICE] for i in range(0, len(rest), PER_SLICE)]
    if not present and not batches:
        batches = [[]]
    return actions + [_create(observed, ports, batch) for batch in batches]


def _uid_of(endpoint: Json) -> str:
    return (endpoint.get("targetRef") or {}).get("uid", "")


def _update(observed: Observed, piece: EndpointSlice, content: list[Json]) -> list[Action]:
    labels = _labels(observed.service)
    stale = {name: None for name in piece.metadata.labels if name not in labels}
    changed = {name: value for name, value in labels.items() if piece.metadata.labels.get(name) != value}
    if not stale and not changed and (piece.endpoints or []) == content:
        return []
    meta: Json = {"annotations": {TRIGGER_TIME: format_time(observed.now)}}
    if stale or changed:
        meta["labels"] = {**stale, **changed}
    return [
        Patch(
            resource=ENDPOINTSLICES,
            namespace=piece.metadata.namespace,
            name=piece.metadata.name,
            uid=piece.metadata.uid,
            resource_version=piece.metadata.resource_version,
            body={"metadata": meta, "endpoints": content},
        )
    ]


def _create(observed: Observed, ports: Ports, content: list[Json]) -> Create:
    service = observed.service
    meta: Json = {
        "generateName": f"{service.metadata.name}-",
        "namespace": service.metadata.namespace,
        "labels": _labels(service),
        "annotations": {TRIGGER_TIME: format_time(observed.now)},
        "ownerReferences": [owner_reference(SERVICES, service)],
    }
    body: Json = {
        "apiVersion": ENDPOINTSLICES.api_version,
        "kind": ENDPOINTSLICES.kind,
        "metadata": meta,
        "addressType": "IPv4",
        "endpoints": content,
        "ports": [_port(port) for port in ports],
    }
    return Create(resource=ENDPOINTSLICES, namespace=service.metadata.namespace, body=body)


def _port(port: tuple[str, str, int, str | None]) -> Json:
    name, protocol, number, app_protocol = port
    written: Json = {"name": name, "protocol": protocol, "port": number}
    return {**written, "appProtocol": app_protocol} if app_protocol is not None else written


def _ports_of(piece: EndpointSlice) -> Ports:
    return tuple(
        (port.get("name") or "", port.get("protocol") or "TCP", port.get("port") or 0, port.get("appProtocol"))
        for port in piece.ports or ()
    )


def _labels(service: Service) -> dict[str, str]:
    own = {SERVICE_NAME: service.metadata.name, MANAGED_BY: MANAGER}
    if service.spec.cluster_ip == "None":
        own[HEADLESS] = ""
    return {name: value for name, value in service.metadata.labels.items() if name != HEADLESS} | own


def _delete(piece: EndpointSlice) -> Delete:
    meta = piece.metadata
    return Delete(resource=ENDPOINTSLICES, namespace=meta.namespace, name=meta.name, uid=meta.uid)


class EndpointSliceController:
    name = "endpointslice"
    component = "endpoint-slice-controller"

    def __init__(self) -> None:
        self.watches = (
            Watch(SERVICE_SOURCE, lambda service, _: [key(service)]),
            Watch(POD_SOURCE, _services_of_pod),
            Watch(SLICE_SOURCE, _service_of_slice),
            Watch(NODE_SOURCE, _nothing),
        )

    async def observe(self, key: str, reader: Reader, moment: Moment) -> Observed | None:
        service = reader.get(SERVICE_SOURCE, key)
        if service is None or not service.spec.selector:
            return None
        selected = service.spec.selector.items()
        return Observed(
            service=service,
            pods=tuple(
                pod
                for pod in reader.list(POD_SOURCE, service.metadata.namespace)
                if selected <= pod.metadata.labels.items()
            ),
            slices=tuple(
                piece
                for piece in reader.by_index(SLICE_SOURCE, "service", key)
                if piece.metadata.labels.get(MANAGED_BY) == MANAGER
            ),
            zones={
                n.metadata.name: n.metadata.labels[ZONE] for n in reader.list(NODE_SOURCE) if ZONE in n.metadata.labels
            },
            now=moment.now,
        )

    def plan(self, observed: Observed) -> list[Action]:
        return plan(observed)


def _services_of_pod(pod: Pod, reader: Reader) -> Iterable[str]:
    labels = pod.metadata.labels.items()
    return [
        key(service)
        for service in reader.list(SERVICE_SOURCE, pod.metadata.namespace)
        if service.spec.selector and service.spec.selector.items() <= labels
    ]


def _service_of_slice(piece: EndpointSlice, _reader: Reader) -> Iterable[str]:
    return _by_service(piece) if piece.metadata.labels.get(MANAGED_BY) == MANAGER else []


def _nothing(_node: Node, _reader: Reader) -> Iterable[str]:
    """Zones are read when a Service is looked at anyway: a machine does not change its zone under its pods."""
    return ()
