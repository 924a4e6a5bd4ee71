"""The bridge that pods' interfaces hang on, made before the first pod so that DNS has an address to listen on."""

from collections.abc import Mapping
from typing import Any

from nodeagent.network.iproute import Ip
from nodeagent.network.layout import BRIDGE, ROUTE_PROTOCOL, Layout


def bridge_commands(link: Mapping[str, Any] | None, layout: Layout) -> list[str]:
    """What `ip` has to do so that the bridge is there, up, and has the gateway address and no other IPv4 one."""
    lines: list[str] = []
    wanted = f"{layout.gateway}/{layout.prefix_length}"
    addresses: list[str] = []
    if link is None:
        lines += [f"link add {BRIDGE} address {layout.bridge_mac} type bridge"]
    else:
        if link.get("address") != layout.bridge_mac:
            lines += [f"link set {BRIDGE} address {layout.bridge_mac}"]
        found = [a for a in link.get("addr_info", []) if a.get("family") == "inet"]
        addresses = [f"{a['local']}/{a['prefixlen']}" for a in found]
    lines += [f"address del {address} dev {BRIDGE}" for address in addresses if address != wanted]
    if wanted not in addresses:
        lines += [f"address add {wanted} dev {BRIDGE}"]
    if link is None or "UP" not in link.get("flags", []):
        lines += [f"link set {BRIDGE} up"]
    return lines


def service_route(layout: Layout) -> str:
    """Service addresses lead to the bridge, where nobody has them.

    So a machine without a default route reaches Services too, its own traffic to them carries an address that other
    machines know the way back to, and what no rule translates never leaves the machine.
    """
    return f"route replace {layout.service_cidr} dev {BRIDGE} proto {ROUTE_PROTOCOL} src {layout.gateway}"


async def ensure_bridge(ip: Ip, layout: Layout) -> bool:
    """Make the bridge right; says whether anything had to change. Raises CommandFailed."""
    lines = bridge_commands(await ip.link(BRIDGE), layout)
    await ip.batch(lines)
    return bool(lines)


async def remove_bridge(ip: Ip) -> None:
    if await ip.link(BRIDGE) is not None:
        await ip.batch([f"link delete {BRIDGE}"])
