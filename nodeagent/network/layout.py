"""Addresses and names that the parts of one machine's network agree on."""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

BRIDGE = "ph0"
TUNNEL = "ph-vxlan"
TUNNEL_MTU = 1450
"""What is left of the usual 1500 bytes inside VXLAN over IPv4."""

TABLE = "pilothouse"
"""The nft table `ip pilothouse`: everything in it is ours."""

DNS_PORT = 53
RELAY_PORT = 6444
"""On the bridge's gateway address: where pods' connections to the `kubernetes` Service end."""

ROUTE_PROTOCOL = 80
"""The routing protocol number that marks routes as ours; free in iproute2's list."""

Port = tuple[str, int]
"""(protocol in lower case, number)"""


class NetworkConfig(Protocol):
    """The part of the agent's configuration that this package reads."""

    @property
    def api_server(self) -> str: ...
    @property
    def cluster_domain(self) -> str: ...
    @property
    def cluster_dns(self) -> str: ...
    @property
    def cluster_cidr(self) -> str: ...
    @property
    def service_cidr(self) -> str: ...
    @property
    def node_ip(self) -> str: ...
    @property
    def state_dir(self) -> str: ...
    @property
    def cni_conf_dir(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltIn:
    """A Service that every machine answers itself: its ports lead to ports on the bridge's gateway address."""

    namespace: str
    name: str
    cluster_ip: str
    ports: dict[Port, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One machine's place in the cluster network. IPv4 only; `gateway` is the first address of `pod_cidr`."""

    node_name: str
    pod_cidr: str
    gateway: str
    cluster_cidr: str
    service_cidr: str
    cluster_domain: str
    cluster_dns: str
    api_host: str
    api_port: int

    @classmethod
    def of(cls, config: NetworkConfig, node_name: str, pod_cidr: str) -> "Layout":
        """Raises ValueError when an address or network does not parse."""
        server = urlsplit(config.api_server)
        if not server.hostname:
            raise ValueError(f"api_server {config.api_server!r} is not a URL with a host")
        return cls(
            node_name=node_name,
            pod_cidr=pod_cidr,
            gateway=str(ipaddress.IPv4Network(pod_cidr)[1]),
            cluster_cidr=str(ipaddress.IPv4Network(config.cluster_cidr)),
            service_cidr=str(ipaddress.IPv4Network(config.service_cidr)),
            cluster_domain=config.cluster_domain.strip(".").lower(),
            cluster_dns=str(ipaddress.IPv4Address(config.cluster_dns)),
            api_host=server.hostname,
            api_port=server.port or 443,
        )

    @property
    def prefix_length(self) -> int:
        return ipaddress.IPv4Network(self.pod_cidr).prefixlen

    @property
    def bridge_mac(self) -> str:
        """Made from the gateway address, so that it never changes as pods come and go, and names its machine."""
        return mac_of(self.gateway)

    @property
    def built_in(self) -> dict[str, BuiltIn]:
        """By key of the Service. Their EndpointSlices, if any, do not count on a machine."""
        kubernetes = BuiltIn(
            namespace="default",
            name="kubernetes",
            cluster_ip=str(ipaddress.IPv4Network(self.service_cidr)[1]),
            ports={("tcp", 443): RELAY_PORT},
        )
        dns = BuiltIn(
            namespace="kube-system",
            name="kube-dns",
            cluster_ip=self.cluster_dns,
            ports={("udp", 53): DNS_PORT, ("tcp", 53): DNS_PORT},
        )
        return {f"{service.namespace}/{service.name}": service for service in (kubernetes, dns)}


def tunnel_end(pod_cidr: str) -> str:
    """A machine's address inside the tunnel: the first of its pod network, which no pod gets. Raises ValueError."""
    return str(ipaddress.IPv4Network(pod_cidr).network_address)


def mac_of(address: str) -> str:
    """A locally administered MAC that spells an IPv4 address, as docker and kubenet make them."""
    return "0a:58:" + ":".join(f"{byte:02x}" for byte in ipaddress.IPv4Address(address).packed)


_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}", re.ASCII)


def is_ipv4(text: str) -> bool:
    """Whether this is an IPv4 address in its one usual form (no leading zeros)."""
    return _IPV4.fullmatch(text) is not None


def networks(texts: Iterable[str]) -> list[str]:
    """The IPv4 networks among these, without overlaps, which nft refuses in a set."""
    parsed: list[ipaddress.IPv4Network] = []
    for text in texts:
        try:
            parsed.append(ipaddress.IPv4Network(text.strip(), strict=False))
        except ValueError:
            continue  # IPv6, or nothing the API server lets through
    return [str(network) for network in ipaddress.collapse_addresses(parsed)]
