"""Where a node, pod or Service answers, found in objects. Pure but for chance, which spreads the load.

Sources: pkg/registry/core/{pod,node,service} (ResourceLocation), pkg/util/proxy (ResolveEndpoint), and
k8s.io/apimachinery/pkg/util/net (SplitSchemeNamePort).
"""

from __future__ import annotations

import ipaddress
import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from apimachinery.objects.errors import BadRequest, ServiceUnavailable

Json = dict[str, Any]

SERVICE_NAME = "kubernetes.io/service-name"
_SCHEMES = frozenset({"", "http", "https"})
_CLUSTER_TYPES = frozenset({"", "ClusterIP", "NodePort", "LoadBalancer"})
# What Go leaves as it is in the path of a URL.
_PLAIN = "/$&+,:;=@~"


@dataclass(frozen=True, slots=True)
class Asked:
    """`scheme:name:port` of a proxied path taken apart."""

    scheme: str
    name: str
    port: str


@dataclass(frozen=True, slots=True)
class Place:
    """A TCP endpoint in the cluster; an empty `node`: any machine may be the way to it."""

    node: str
    host: str
    port: int


def asked_of(text: str, kind: str) -> Asked:
    """Raises BadRequest."""
    parts = text.split(":")
    scheme, name, port = "", "", ""
    if len(parts) == 1:
        name = parts[0]
    elif len(parts) == 2:
        name, port = parts
    elif len(parts) == 3:
        scheme, name, port = parts
    if not name or scheme not in _SCHEMES:
        raise BadRequest(f'invalid {kind} request "{text}"')
    return Asked(scheme or "http", name, port)


def backend_path(rest: str, whole: str) -> str:
    """The path at the other end: `rest` is what follows the proxy, `whole` the path as the client wrote it.

    Cleaned of `..` and doubled slashes, so that nobody climbs out of what he may ask for.
    """
    decoded = unquote(rest, errors="surrogateescape")
    if not decoded:
        return "/" if whole.endswith("/") else ""
    cleaned = posixpath.normpath(f"/{decoded.lstrip('/')}")
    if whole.endswith("/") and not cleaned.endswith("/"):
        cleaned += "/"
    return quote(cleaned, safe=_PLAIN, errors="surrogateescape")


def place_of_pod(pod: Json, asked: Asked) -> Place:
    """Raises BadRequest."""
    status: Json = pod.get("status") or {}
    addresses: list[Json] = status.get("podIPs") or []
    host: str = status.get("podIP") or next((one["ip"] for one in addresses), "")
    if not _proxyable(host):
        raise BadRequest("address not allowed")
    port = asked.port or _first_port(pod) or ("443" if asked.scheme == "https" else "80")
    return Place(pod["spec"].get("nodeName", ""), host, _number(port, "pod", asked))


def place_of_node(node: Json, asked: Asked) -> Place | None:
    """Another port of a machine; None for its agent. Raises BadRequest."""
    status: Json = node.get("status") or {}
    agent = ((status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port")
    if not asked.port or asked.port == str(agent):
        return None
    addresses: list[Json] = status.get("addresses") or []
    host = next((one["address"] for one in addresses if one.get("type") == "InternalIP"), "")
    if not _proxyable(host):
        raise BadRequest("address not allowed")
    return Place(node["metadata"]["name"], host, _number(asked.port, "node", asked))


def places_of_service(service: Json, slices: Iterable[Json], asked: Asked) -> list[Place]:
    """The ready pods behind a Service's port, which the client named or numbered. Raises ServiceUnavailable."""
    name, port = service["metadata"]["name"], asked.port
    if port.isdecimal():
        ports: list[Json] = service["spec"].get("ports") or []
        found = next((one for one in ports if one["port"] == int(port)), None)
        if found is None:
            raise ServiceUnavailable(f'no service port {port} found for service "{name}"')
        port = found.get("name", "")
    places = [place for place, pod in _ready(slices, port) if pod]
    if not places:
        raise ServiceUnavailable(f'no endpoints available for service "{name}"')
    return places


def port_of_service(service: Json, number: int) -> Json:
    """The port of a Service with this number. Raises ServiceUnavailable."""
    kind = service["spec"].get("type", "")
    if kind not in _CLUSTER_TYPES:
        raise ServiceUnavailable(f'unsupported service type "{kind}"')
    ports: list[Json] = service["spec"].get("ports") or []
    found = next((one for one in ports if one["port"] == number), None)
    if found is None:
        raise ServiceUnavailable(f'no service port {number} found for service "{service["metadata"]["name"]}"')
    return found


def endpoints_of(service: Json, slices: Iterable[Json], number: int) -> list[Place]:
    """All ready endpoints of a Service's port, pods or not. Raises ServiceUnavailable."""
    port = port_of_service(service, number)
    places = [place for place, _ in _ready(slices, port.get("name", ""))]
    if not places:
        raise ServiceUnavailable(f'no endpoints available for service "{service["metadata"]["name"]}"')
    return places


def _ready(slices: Iterable[Json], port_name: str) -> Iterator[tuple[Place, bool]]:
    """Ready endpoints of a port, and whether each is a pod."""
    for piece in slices:
        numbers = [
            one["port"]
            for one in piece.get("ports") or ()
            if (one.get("name") or "") == port_name and one.get("protocol", "TCP") == "TCP" and one.get("port")
        ]
        for number in numbers:
            for endpoint in piece.get("endpoints") or ():
                if (endpoint.get("conditions") or {}).get("ready") is False:
                    continue
                pod = (endpoint.get("targetRef") or {}).get("kind") == "Pod"
                for address in endpoint.get("addresses", ())[:1]:
                    yield Place(endpoint.get("nodeName") or "", address, number), pod


def _first_port(pod: Json) -> str:
    for container in pod["spec"].get("containers") or ():
        for port in container.get("ports") or ():
            return str(port["containerPort"])
    return ""


def _proxyable(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified)


def _number(port: str, kind: str, asked: Asked) -> int:
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise BadRequest(f'invalid {kind} request "{asked.name}:{asked.port}"')
    return int(port)
