"""Routes to the pods of other machines.

On one network the other machine's own address is the next hop. Machines on other networks are reached through a
tunnel (`tunnel`); another kind of tunnel (WireGuard) would be another kind of `Way`, chosen in `ways`.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nodeagent.network.iproute import Ip
from nodeagent.network.layout import BRIDGE, ROUTE_PROTOCOL, TUNNEL, Layout, is_ipv4, tunnel_end
from nodeagent.network.views import NodeView


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How packets for one machine's pods leave this one: to the next hop `via`.

    With an `underlay` that hop is the far end of a tunnel to this address of the machine.
    """

    pod_cidr: str
    via: str
    underlay: str = ""

    @property
    def command(self) -> str:
        onward = f"dev {TUNNEL} onlink " if self.underlay else ""
        return f"route replace {self.pod_cidr} via {self.via} {onward}proto {ROUTE_PROTOCOL}"


def ways(nodes: Iterable[NodeView], layout: Layout, own_networks: Iterable[str]) -> list[Way]:
    """The ways to all other machines that have pods' addresses and one of their own.

    `own_networks` are this machine's addresses with prefix (`192.168.1.10/24`), the bridge's left out.
    """
    interfaces = [ipaddress.IPv4Interface(text) for text in own_networks]
    own = {str(interface.ip) for interface in interfaces}
    found: dict[str, Way] = {}
    for node in sorted(nodes, key=lambda n: n.metadata.name):
        cidr, address = node.spec.pod_cidr, node.internal_ip
        if node.metadata.name == layout.node_name or cidr in {"", layout.pod_cidr} or ":" in cidr:
            continue
        if not is_ipv4(address) or address in own:
            continue
        try:
            far_end = tunnel_end(cidr)
        except ValueError:
            continue  # no IPv4 network: nothing that the API server would let through
        if any(ipaddress.IPv4Address(address) in interface.network for interface in interfaces):
            found.setdefault(cidr, Way(pod_cidr=cidr, via=address))
        else:
            found.setdefault(cidr, Way(pod_cidr=cidr, via=far_end, underlay=address))
    return list(found.values())


def route_commands(current: Iterable[Mapping[str, Any]], wanted: Iterable[Way], keep: Iterable[str] = ()) -> list[str]:
    """What `ip` has to do to turn our routes in the kernel into the wanted ones.

    `current` are the routes with our protocol number, as `ip -json route` tells them; destinations in `keep` are
    somebody else's business.
    """
    kept = set(keep)
    have = {route["dst"]: route.get("gateway", "") for route in current if route["dst"] not in kept}
    want = {way.pod_cidr: way for way in wanted}
    gone = [f"route del {cidr} proto {ROUTE_PROTOCOL}" for cidr in have if cidr not in want]
    changed = [way.command for cidr, way in want.items() if have.get(cidr) != way.via]
    return gone + changed


async def own_networks(ip: Ip) -> list[str]:
    """This machine's IPv4 addresses with prefix, but those that we or loopback have."""
    links = await ip.show("-4", "address", "show")
    return [
        f"{address['local']}/{address['prefixlen']}"
        for link in links
        if link.get("ifname") not in {BRIDGE, TUNNEL, "lo"}
        for address in link.get("addr_info", [])
    ]


async def our_routes(ip: Ip) -> list[dict[str, Any]]:
    return await ip.show("-4", "route", "show", "proto", str(ROUTE_PROTOCOL))


async def remove_routes(ip: Ip) -> None:
    await ip.batch(f"route del {route['dst']} proto {ROUTE_PROTOCOL}" for route in await our_routes(ip))
