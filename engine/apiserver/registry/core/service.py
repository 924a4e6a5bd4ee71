"""Service: one stable address in front of pods that come and go."""

from __future__ import annotations

import msgspec

from engine.apiserver.registry import metadata, names
from engine.apiserver.registry.core.service_allocation import allocate, allocate_update, prepare_update
from engine.apiserver.registry.core.service_validation import is_external, validate, validate_update
from engine.apiserver.registry.kind import Cell, Column, Context, Json, Kind, Subresource
from engine.apiserver.registry.views import AGE, NAME, NONE, Metadata, labels_text

_AFFINITY_SECONDS = 10_800


class _Port(msgspec.Struct, frozen=True, rename="camel"):
    port: int = 0
    protocol: str = ""
    node_port: int = 0


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    type: str = ""
    cluster_ip: str = msgspec.field(default="", name="clusterIP")
    external_ips: list[str] = msgspec.field(default=[], name="externalIPs")
    external_name: str = ""
    ports: list[_Port] = []
    selector: dict[str, str] = {}


class _Ingress(msgspec.Struct, frozen=True):
    ip: str = ""
    hostname: str = ""


class _Balancer(msgspec.Struct, frozen=True):
    ingress: list[_Ingress] = []


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    load_balancer: _Balancer = _Balancer()


class ServiceRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata
    spec: _Spec = _Spec()
    status: _Status = _Status()


class ServiceFields(msgspec.Struct, frozen=True):
    """What field selectors read."""

    spec: _Spec = _Spec()


def _cluster_ip(view: ServiceRow) -> Cell:
    return view.spec.cluster_ip or NONE


def _external_ip(view: ServiceRow) -> Cell:
    spec = view.spec
    match spec.type:
        case "ExternalName":
            return spec.external_name
        case "LoadBalancer":
            balancers = sorted({item.ip or item.hostname for item in view.status.load_balancer.ingress} - {""})
            return ",".join([*balancers, *spec.external_ips]) or "<pending>"
        case _:
            return ",".join(spec.external_ips) or NONE


def _ports(view: ServiceRow) -> Cell:
    return (
        ",".join(
            f"{port.port}:{port.node_port}/{port.protocol}" if port.node_port else f"{port.port}/{port.protocol}"
            for port in view.spec.ports
        )
        or NONE
    )


def _set_defaults(obj: Json) -> None:
    spec: Json = obj.setdefault("spec", {})
    spec["type"] = kind = spec.get("type") or "ClusterIP"
    affinity = spec["sessionAffinity"] = spec.get("sessionAffinity") or "None"
    if affinity == "None":
        spec.pop("sessionAffinityConfig", None)
    elif affinity == "ClientIP":
        client: Json = spec.setdefault("sessionAffinityConfig", {}).setdefault("clientIP", {})
        client.setdefault("timeoutSeconds", _AFFINITY_SECONDS)
    for port in spec.get("ports", ()):
        port["protocol"] = port.get("protocol") or "TCP"
        port["targetPort"] = port.get("targetPort") or port.get("port", 0)
    if is_external(spec):
        spec["externalTrafficPolicy"] = spec.get("externalTrafficPolicy") or "Cluster"
    if kind in {"ClusterIP", "LoadBalancer", "NodePort"}:
        spec.setdefault("internalTrafficPolicy", "Cluster")
    if kind == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
    if spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]
    elif spec.get("clusterIPs") and not spec.get("clusterIP"):
        spec["clusterIP"] = spec["clusterIPs"][0]


def _prepare_create(obj: Json, _context: Context) -> None:
    obj["status"] = {"loadBalancer": {}}


def _status_update(new: Json, old: Json, _context: Context) -> None:
    metadata.put_back_part(new, old, "spec")


SERVICE = Kind(
    group="",
    version="v1",
    kind="Service",
    plural="services",
    singular="service",
    namespaced=True,
    short_names=("svc",),
    categories=("all",),
    storage="services/specs",
    subresources={
        "proxy": Subresource(
            name="proxy", verbs=("create", "delete", "get", "patch", "update"), kind="ServiceProxyOptions"
        ),
        "status": Subresource(name="status", verbs=("get", "patch", "update"), prepare=_status_update),
    },
    name_errors=names.dns_1035_label,
    set_defaults=_set_defaults,
    validate=validate,
    validate_update=validate_update,
    prepare_create=_prepare_create,
    prepare_update=prepare_update,
    allocate=allocate,
    allocate_update=allocate_update,
    returns_deleted=True,
    table_view=ServiceRow,
    columns=(
        NAME,
        Column(
            name="Type", cell=lambda view: view.spec.type, description="type determines how the Service is exposed."
        ),
        Column(name="Cluster-IP", cell=_cluster_ip, description="clusterIP is the IP address of the service."),
        Column(
            name="External-IP",
            cell=_external_ip,
            description="externalIPs is a list of IP addresses for which nodes in the cluster will also accept"
            " traffic for this service.",
        ),
        Column(name="Port(s)", cell=_ports, description="The list of ports that are exposed by this service."),
        AGE,
        Column(
            name="Selector",
            priority=1,
            cell=lambda view: labels_text(view.spec.selector),
            description="Route service traffic to pods with label keys and values matching this selector.",
        ),
    ),
    field_view=ServiceFields,
    field_labels=lambda view: {"spec.clusterIP": view.spec.cluster_ip, "spec.type": view.spec.type},
)
