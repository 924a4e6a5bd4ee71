"""What a Service may say. Source: ValidateService and its siblings in pkg/apis/core/validation/validation.go."""

from __future__ import annotations

from apimachinery.objects.field import FieldError, duplicate, forbidden, invalid, not_supported, required
from engine.apiserver.registry import metadata, names
from engine.apiserver.registry.kind import Json
from engine.apiserver.registry.podspec.handlers import append_port_errors

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
HEADLESS = "None"
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_AFFINITIES = ("ClientIP", "None")
_TRAFFIC = ("Cluster", "Local")
_LONGEST_AFFINITY = 86_400
_KUBELET_PORT = 10_250


def is_external(spec: Json) -> bool:
    """Whether traffic from outside the cluster is expected."""
    return spec.get("type") in {"LoadBalancer", "NodePort"} or (
        spec.get("type") == "ClusterIP" and bool(spec.get("externalIPs"))
    )


def needs_cluster_ip(spec: Json) -> bool:
    """Whether this type of Service has an address of its own."""
    return spec.get("type") in {"ClusterIP", "LoadBalancer", "NodePort"}


def needs_node_ports(spec: Json) -> bool:
    """Whether this type of Service has a port on every machine."""
    return spec.get("type") == "NodePort" or (
        spec.get("type") == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts", True)
    )


def validate(obj: Json) -> list[FieldError]:
    """Judge a Service, its defaults being set."""
    spec: Json = obj["spec"]
    errors: list[FieldError] = []
    _append_type_errors(errors, spec)
    _append_ports_errors(errors, spec)
    if "selector" in spec:
        metadata.append_label_errors(errors, spec["selector"], "spec.selector")
    _append_affinity_errors(errors, spec)
    for index, address in enumerate(spec.get("externalIPs", ())):
        errors += (invalid(f"spec.externalIPs[{index}]", address, message) for message in names.ip_address(address))
    _append_traffic_errors(errors, spec)
    return errors


def _append_type_errors(errors: list[FieldError], spec: Json) -> None:
    kind: str = spec["type"]
    addresses: list[str] = spec.get("clusterIPs", [])
    if kind not in TYPES:
        errors.append(not_supported("spec.type", kind, TYPES))
        return
    if kind == "ExternalName":
        if addresses:
            errors.append(forbidden("spec.clusterIPs", "may not be set for ExternalName services"))
        name = spec.get("externalName", "").removesuffix(".")
        if not name:
            errors.append(required("spec.externalName"))
        else:
            errors += (invalid("spec.externalName", name, message) for message in names.dns_subdomain(name))
        return
    if addresses[:1] == [HEADLESS]:
        if kind != "ClusterIP":
            errors.append(invalid("spec.clusterIPs[0]", HEADLESS, f"may not be set to 'None' for {kind} services"))
        if len(addresses) > 1:
            detail = "'None' must be the first and only value"
            errors.append(invalid("spec.clusterIPs", addresses, detail))
        return
    if addresses and spec.get("clusterIP") != addresses[0]:
        errors.append(invalid("spec.clusterIPs", addresses, "first value must match `clusterIP`"))
    for index, address in enumerate(addresses):
        errors += (invalid(f"spec.clusterIPs[{index}]", address, message) for message in names.ip_address(address))


def _append_ports_errors(errors: list[FieldError], spec: Json) -> None:
    ports: list[Json] = spec.get("ports", [])
    kind: str = spec["type"]
    if not ports and kind != "ExternalName" and spec.get("clusterIP") != HEADLESS:
        errors.append(required("spec.ports"))
    seen_names: set[str] = set()
    seen: set[tuple[str, int]] = set()
    node_ports: set[tuple[str, int]] = set()
    for index, port in enumerate(ports):
        here = f"spec.ports[{index}]"
        number, protocol, node_port = port.get("port", 0), port.get("protocol", ""), port.get("nodePort", 0)
        _append_port_name_errors(errors, port.get("name", ""), seen_names, here, only=len(ports) == 1)
        errors += (invalid(f"{here}.port", number, message) for message in names.port_number(number))
        if kind == "LoadBalancer" and number == _KUBELET_PORT:
            detail = f"may not expose port {_KUBELET_PORT} externally since it is used by kubelet"
            errors.append(invalid(f"{here}.port", number, detail))
        if protocol not in _PROTOCOLS:
            errors.append(not_supported(f"{here}.protocol", protocol, _PROTOCOLS))
        append_port_errors(errors, port.get("targetPort", 0), f"{here}.targetPort")
        if port.get("appProtocol"):
            application = port["appProtocol"]
            errors += (invalid(f"{here}.appProtocol", application, text) for text in names.qualified_name(application))
        if (protocol, number) in seen:
            shown = {
                "Name": "",
                "Protocol": protocol,
                "AppProtocol": None,
                "Port": number,
                "TargetPort": 0,
                "NodePort": 0,
            }
            errors.append(duplicate(here, shown))
        seen.add((protocol, number))
        if node_port:
            if kind in {"ClusterIP", "ExternalName"}:
                errors.append(forbidden(f"{here}.nodePort", f"may not be used when `type` is '{kind}'"))
            if (protocol, node_port) in node_ports:
                errors.append(duplicate(f"{here}.nodePort", node_port))
            node_ports.add((protocol, node_port))


def _append_port_name_errors(errors: list[FieldError], name: str, seen: set[str], path: str, *, only: bool) -> None:
    if not name:
        if not only:
            errors.append(required(f"{path}.name"))
        return
    errors += (invalid(f"{path}.name", name, message) for message in names.dns_label(name))
    if name in seen:
        errors.append(duplicate(f"{path}.name", name))
    seen.add(name)


def _append_affinity_errors(errors: list[FieldError], spec: Json) -> None:
    affinity = spec["sessionAffinity"]
    if affinity not in _AFFINITIES:
        errors.append(not_supported("spec.sessionAffinity", affinity, _AFFINITIES))
    if affinity == "ClientIP":
        seconds = spec["sessionAffinityConfig"]["clientIP"].get("timeoutSeconds", 0)
        if not 0 < seconds <= _LONGEST_AFFINITY:
            errors.append(
                invalid(
                    "spec.sessionAffinityConfig.clientIP.timeoutSeconds",
                    seconds,
                    f"must be greater than 0 and less than {_LONGEST_AFFINITY}",
                )
            )


def _append_traffic_errors(errors: list[FieldError], spec: Json) -> None:
    inside, outside = spec.get("internalTrafficPolicy"), spec.get("externalTrafficPolicy")
    if inside is not None and inside not in _TRAFFIC:
        errors.append(not_supported("spec.internalTrafficPolicy", inside, _TRAFFIC))
    if outside:
        if not is_external(spec):
            detail = "may only be set for externally-accessible services"
            errors.append(invalid("spec.externalTrafficPolicy", outside, detail))
        elif outside not in _TRAFFIC:
            errors.append(not_supported("spec.externalTrafficPolicy", outside, _TRAFFIC))


def validate_update(new: Json, old: Json) -> list[FieldError]:
    """Judge a changed Service: its address stays while it has one."""
    spec, before = new["spec"], old["spec"]
    if not (needs_cluster_ip(spec) and needs_cluster_ip(before)):
        return []
    addresses, earlier = spec.get("clusterIPs", []), before.get("clusterIPs", [])
    if earlier and not addresses:
        return [invalid("spec.clusterIPs[0]", addresses, "primary clusterIP can not be unset")]
    if earlier and addresses[0] != earlier[0]:
        return [invalid("spec.clusterIPs[0]", addresses, "may not change once set")]
    return []
