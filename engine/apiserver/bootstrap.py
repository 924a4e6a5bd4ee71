"""The objects that every cluster has from its first second, and housekeeping that never ends."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

import msgspec

from apimachinery.aio.clock import Clock
from apimachinery.client.client import Client
from apimachinery.objects.errors import NotFound, StatusError
from apimachinery.objects.resources import (
    CONFIGMAPS,
    ENDPOINTSLICES,
    NAMESPACES,
    PRIORITYCLASSES,
    SERVICECIDRS,
    SERVICES,
    Resource,
)
from engine.apiserver.authz.reconcile import ensure_defaults
from engine.apiserver.flow.defaults import ensure_flows
from engine.apiserver.storageclasses import ensure_first_class

# Value and description of upstream's two classes for the pods that a cluster cannot do without.
_PRIORITY_CLASSES = {
    "system-cluster-critical": (
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
    "system-node-critical": (
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
}
AUTHENTICATION = "extension-apiserver-authentication"
SYSTEM_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


_LOOK_EVERY = 10.0
_READY = {
    "type": "Ready",
    "status": "True",
    "reason": "",
    "message": "Kubernetes default Service CIDR is ready",
}


async def keep_objects(
    client: Client, clock: Clock, *, service_cidr: str, address: tuple[str, int], authentication: Mapping[str, str]
) -> None:
    """Create again what somebody deleted, forever."""
    while True:
        await clock.sleep(_LOOK_EVERY)
        await _ensure_all(client, service_cidr, address)
        await _ensure_authentication(client, authentication)


async def ensure_objects(
    client: Client, *, service_cidr: str, address: tuple[str, int], authentication: Mapping[str, str]
) -> None:
    """Create what is missing; point the kubernetes endpoints at where we listen.

    `authentication`: what servers of aggregated APIs have to know of us.
    """
    if not await _ensure_all(client, service_cidr, address):
        endpoints = _kubernetes_endpoints(address)
        patch = {"endpoints": endpoints["endpoints"], "ports": endpoints["ports"]}
        await client.patch(ENDPOINTSLICES, "kubernetes", patch, "default", kind="merge")
    await _ensure_authentication(client, authentication)


async def _ensure_authentication(client: Client, data: Mapping[str, str]) -> None:
    """Authorities are renewed: the ConfigMap says which ones hold now."""
    try:
        found = await client.get(CONFIGMAPS, AUTHENTICATION, "kube-system")
    except NotFound:
        await _ensure(client, CONFIGMAPS, {"metadata": {"name": AUTHENTICATION}, "data": dict(data)}, "kube-system")
        return
    if any((found.get("data") or {}).get(key) != value for key, value in data.items()):
        await client.patch(CONFIGMAPS, AUTHENTICATION, {"data": dict(data)}, "kube-system", kind="merge")


async def _ensure_all(client: Client, service_cidr: str, address: tuple[str, int]) -> bool:
    """Whether the kubernetes endpoints had to be created."""
    first = ipaddress.ip_network(service_cidr).network_address
    for name in SYSTEM_NAMESPACES:
        await _ensure(client, NAMESPACES, {"metadata": {"name": name}})
    for name, (value, description) in _PRIORITY_CLASSES.items():
        await _ensure(client, PRIORITYCLASSES, {"metadata": {"name": name}, "value": value, "description": description})
    await ensure_first_class(client)
    await ensure_defaults(client)
    await ensure_flows(client)
    if await _ensure(client, SERVICECIDRS, {"metadata": {"name": "kubernetes"}, "spec": {"cidrs": [service_cidr]}}):
        await _tell(client, SERVICECIDRS, "kubernetes", _READY)
    await _ensure(client, SERVICES, _kubernetes_service(str(first + 1), address[1]), "default")
    await _ensure(client, SERVICES, _dns_service(str(first + 10)), "kube-system")
    return await _ensure(client, ENDPOINTSLICES, _kubernetes_endpoints(address), "default")


async def _tell(client: Client, resource: Resource, name: str, condition: dict[str, Any]) -> None:
    """Write the one condition of an object that we have just made."""
    made = await client.get(resource, name)
    when = made["metadata"]["creationTimestamp"]
    status = {"status": {"conditions": [{**condition, "lastTransitionTime": when}]}}
    await client.patch(resource, name, status, kind="merge", subresource="status")


async def _ensure(client: Client, resource: Resource, obj: dict[str, Any], namespace: str | None = None) -> bool:
    """Whether it was created just now, and by us."""
    if await _is_there(client, resource, obj, namespace):
        return False
    try:
        await client.create(resource, {"apiVersion": resource.api_version, "kind": resource.kind, **obj}, namespace)
    except StatusError:
        # Another engine that starts now may have been faster; a Service's address is then refused before its name.
        if not await _is_there(client, resource, obj, namespace):
            raise
        return False
    return True


async def _is_there(client: Client, resource: Resource, obj: dict[str, Any], namespace: str | None) -> bool:
    try:
        await client.get(resource, obj["metadata"]["name"], namespace, view=msgspec.Raw)
    except NotFound:
        return False
    return True


def _kubernetes_service(address: str, port: int) -> dict[str, Any]:
    return {
        "metadata": {"name": "kubernetes", "labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {
            "clusterIP": address,
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": port}],
            "sessionAffinity": "None",
            "type": "ClusterIP",
        },
    }


def _kubernetes_endpoints(address: tuple[str, int]) -> dict[str, Any]:
    return {
        "metadata": {"name": "kubernetes", "labels": {"kubernetes.io/service-name": "kubernetes"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address[0]], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": address[1], "protocol": "TCP"}],
    }


def _dns_service(address: str) -> dict[str, Any]:
    labels = {"k8s-app": "kube-dns", "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"}
    return {
        "metadata": {"name": "kube-dns", "labels": labels},
        "spec": {
            "clusterIP": address,
            "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53},
                {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53},
            ],
        },
    }
