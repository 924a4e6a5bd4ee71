"""The addresses and node ports of a Service: what it takes, keeps over updates, and gives back."""

from __future__ import annotations

from apimachinery.objects.errors import InternalError, Invalid
from apimachinery.objects.field import FieldError, invalid
from engine.apiserver.registry import metadata
from engine.apiserver.registry.core.service_validation import HEADLESS, is_external, needs_cluster_ip, needs_node_ports
from engine.apiserver.registry.kind import Allocator, Context, Json


def allocate(obj: Json, context: Context) -> None:
    """Give a new Service what its type needs. Raises Invalid for values that are taken or out of range."""
    _fill_and_take(obj, {"spec": {}}, context)


def allocate_update(new: Json, old: Json, context: Context) -> None:
    """Give a changed Service what it lacks. What it no longer has is free once the store holds the change."""
    _fill_and_take(new, old, context)


def _reserved(context: Context, pool: Allocator, value: str) -> None:
    """Reserved until the store holds the Service, or is known not to."""

    def release() -> None:
        pool.release(value)

    context.on_rollback.append(release)
    context.on_commit.append(release)


def _address(spec: Json) -> str:
    address = spec.get("clusterIP", "")
    return "" if address == HEADLESS else address


def _node_ports(spec: Json) -> set[int]:
    ports = {port["nodePort"] for port in spec.get("ports", ()) if port.get("nodePort")}
    if spec.get("healthCheckNodePort"):
        ports.add(spec["healthCheckNodePort"])
    return ports


def _fill_and_take(new: Json, old: Json, context: Context) -> None:
    spec: Json = new["spec"]
    if needs_cluster_ip(spec):
        _take_address(new, _address(old["spec"]), context)
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")
    if needs_node_ports(spec):
        _take_node_ports(new, _node_ports(old["spec"]), context)
    if _is_health_checked(spec) and not spec.get("healthCheckNodePort"):
        spec["healthCheckNodePort"] = _next_port(context)


def _is_health_checked(spec: Json) -> bool:
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def _take_address(obj: Json, held: str, context: Context) -> None:
    spec: Json = obj["spec"]
    wanted: str = spec.get("clusterIP", "")
    pool = context.service_ips
    if (wanted in {HEADLESS, held} and wanted) or pool is None:
        return
    if not wanted:
        found = pool.allocate_next()
        if found is None:
            raise InternalError("failed to allocate a serviceIP: range is full")
        wanted = found
    elif not pool.contains(wanted):
        raise _refused(
            obj,
            "spec.clusterIPs",
            [wanted],
            f"failed to allocate IP {wanted}: the provided network does not match the current range",
        )
    elif not pool.allocate(wanted):
        raise _refused(
            obj,
            "spec.clusterIPs",
            [wanted],
            f"failed to allocate IP {wanted}: provided IP is already allocated",
        )
    _reserved(context, pool, wanted)
    spec["clusterIP"], spec["clusterIPs"] = wanted, [wanted]


def _take_node_ports(obj: Json, held: set[int], context: Context) -> None:
    pool = context.node_ports
    if pool is None:
        return
    taken = set(held)
    ports: list[Json] = obj["spec"].get("ports", [])
    for index, port in enumerate(ports):
        wanted = port.get("nodePort", 0)
        if wanted and wanted not in taken:
            _take_node_port(obj, pool, wanted, index, context)
            taken.add(wanted)
    for port in ports:
        if not port.get("nodePort"):
            # The same port over TCP and UDP gets the same node port: DNS servers expect it.
            sibling = next((other["nodePort"] for other in ports if _is_sibling(other, port)), 0)
            port["nodePort"] = sibling or _next_port(context)


def _is_sibling(other: Json, port: Json) -> bool:
    return bool(other.get("nodePort")) and other["port"] == port["port"] and other["protocol"] != port["protocol"]


def _take_node_port(obj: Json, pool: Allocator, wanted: int, index: int, context: Context) -> None:
    path = f"spec.ports[{index}].nodePort"
    if not pool.contains(str(wanted)):
        raise _refused(
            obj, path, wanted, "provided port is not in the valid range. The range of valid ports is 30000-32767"
        )
    if not pool.allocate(str(wanted)):
        raise _refused(obj, path, wanted, "provided port is already allocated")
    _reserved(context, pool, str(wanted))


def _next_port(context: Context) -> int:
    pool = context.node_ports
    found = pool.allocate_next() if pool is not None else None
    if pool is None or found is None:
        raise InternalError("failed to allocate a nodePort: range is full")
    _reserved(context, pool, found)
    return int(found)


def _refused(obj: Json, path: str, value: object, detail: str) -> Invalid:
    error: FieldError = invalid(path, value, detail)
    return Invalid.of("Service", "", obj["metadata"].get("name", ""), [error])


def prepare_update(new: Json, old: Json, _context: Context) -> None:
    """Keep what the client need not repeat, and drop what its new type has no use for."""
    metadata.put_back_part(new, old, "status")
    spec, before = new["spec"], old["spec"]
    if spec.get("clusterIP") != before.get("clusterIP") and spec.get("clusterIPs") == before.get("clusterIPs"):
        # The client changed the old field alone: the list follows it.
        spec["clusterIPs"] = [spec["clusterIP"]] if spec.get("clusterIP") else []
    _keep_allocated(spec, before)
    _drop_unused(spec, before)


def _keep_allocated(spec: Json, before: Json) -> None:
    if needs_cluster_ip(spec) and needs_cluster_ip(before):
        if not spec.get("clusterIP"):
            for field in ("clusterIP", "clusterIPs"):
                if field in before:
                    spec[field] = before[field]
        for field in ("ipFamilies", "ipFamilyPolicy"):
            if field not in spec and field in before:
                spec[field] = before[field]
    if needs_node_ports(spec) and needs_node_ports(before):
        used = _node_ports(spec) & _node_ports(before)
        by_name = {port.get("name", ""): port.get("nodePort", 0) for port in before.get("ports", ())}
        for port in spec.get("ports", ()):
            known = by_name.get(port.get("name", ""), 0)
            if not port.get("nodePort") and known and known not in used:
                port["nodePort"] = known
    if not spec.get("healthCheckNodePort") and before.get("healthCheckNodePort"):
        spec["healthCheckNodePort"] = before["healthCheckNodePort"]


def _drop_unused(spec: Json, before: Json) -> None:
    if needs_cluster_ip(before) and not needs_cluster_ip(spec) and spec.get("clusterIP") == before.get("clusterIP"):
        for field in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"):
            spec.pop(field, None)
    if needs_node_ports(before) and not needs_node_ports(spec) and _node_ports(spec) <= _node_ports(before):
        for port in spec.get("ports", ()):
            port.pop("nodePort", None)
    if is_external(before) and not is_external(spec):
        _drop_if_same(spec, before, "externalTrafficPolicy")
    if not _is_health_checked(spec):
        spec.pop("healthCheckNodePort", None)
    if spec.get("type") != "LoadBalancer" and spec.get("type") != before.get("type"):
        spec.pop("allocateLoadBalancerNodePorts", None)
    if before.get("type") == "ExternalName" != spec.get("type"):
        _drop_if_same(spec, before, "externalName")


def _drop_if_same(spec: Json, before: Json, field: str) -> None:
    # What the client changed beside the type it meant, and hears about.
    if spec.get(field) == before.get(field):
        spec.pop(field, None)
