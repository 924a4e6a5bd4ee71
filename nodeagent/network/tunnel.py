"""A VXLAN tunnel (RFC 7348) to machines that are on other networks, as far as those route to each other.

Nothing is learned and nothing exchanged: a machine's address and MAC inside the tunnel follow from its pod network,
its address outside is its InternalIP. VXLAN does not encrypt: it is for networks of one owner.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nodeagent.network.iproute import Ip
from nodeagent.network.layout import TUNNEL, TUNNEL_MTU, Layout, mac_of, tunnel_end
from nodeagent.network.routes import Way

NETWORK_ID = 6443
UDP_PORT = 8472
"""Linux' own default, which the firewalls of home networks that ran other cluster networks know already."""


@dataclass(frozen=True, slots=True)
class TunnelCommands:
    """What `ip` and, for the table of MACs, `bridge` have to do."""

    ip: list[str] = field(default_factory=list[str])
    bridge: list[str] = field(default_factory=list[str])


def tunnel_commands(
    link: Mapping[str, Any] | None,
    neighbours: Iterable[Mapping[str, Any]],
    macs: Iterable[Mapping[str, Any]],
    layout: Layout,
    wanted: Iterable[Way],
) -> TunnelCommands:
    """What turns the tunnel in the kernel into one that leads to the machines behind `wanted`.

    `link`, `neighbours` and `macs` are as `ip -json` and `bridge -json fdb` tell them; a tunnel that leads nowhere
    is removed.
    """
    far = {way.via: way.underlay for way in wanted if way.underlay}
    commands = TunnelCommands()
    own_mac, own_address = mac_of(tunnel_end(layout.pod_cidr)), tunnel_end(layout.pod_cidr)
    if link is not None and (not far or link.get("address") != own_mac):
        commands.ip.append(f"link delete {TUNNEL}")
        link, neighbours, macs = None, (), ()
    if not far:
        return commands
    if link is None:
        vxlan = f"type vxlan id {NETWORK_ID} dstport {UDP_PORT} nolearning"
        commands.ip.append(f"link add {TUNNEL} mtu {TUNNEL_MTU} address {own_mac} {vxlan}")
        commands.ip.append(f"address add {own_address}/32 dev {TUNNEL}")
        commands.ip.append(f"link set {TUNNEL} up")
    known = {n["dst"]: n.get("lladdr") for n in neighbours}
    commands.ip.extend(f"neighbour del {dst} dev {TUNNEL}" for dst in known if dst not in far)
    commands.ip.extend(
        f"neighbour replace {dst} lladdr {mac_of(dst)} dev {TUNNEL} nud permanent"
        for dst in far
        if known.get(dst) != mac_of(dst)
    )
    listed = {entry["mac"]: entry.get("dst", "") for entry in macs if entry.get("dst")}
    leads = {mac_of(dst): underlay for dst, underlay in far.items()}
    commands.bridge.extend(f"fdb del {mac} dev {TUNNEL}" for mac in listed if mac not in leads)
    commands.bridge.extend(
        f"fdb replace {mac} dev {TUNNEL} dst {underlay} self permanent"
        for mac, underlay in leads.items()
        if listed.get(mac) != underlay
    )
    return commands


async def ensure_tunnel(ip: Ip, bridge: Ip, layout: Layout, wanted: list[Way]) -> None:
    """Make the tunnel right before routes lead into it. Raises CommandFailed."""
    link = await ip.link(TUNNEL)
    neighbours: list[dict[str, Any]] = []
    macs: list[dict[str, Any]] = []
    if link is not None:
        neighbours = await ip.show("neighbour", "show", "dev", TUNNEL, "nud", "permanent")
        macs = await bridge.show("fdb", "show", "dev", TUNNEL)
    commands = tunnel_commands(link, neighbours, macs, layout, wanted)
    await ip.batch(commands.ip)
    await bridge.batch(commands.bridge)


async def remove_tunnel(ip: Ip) -> None:
    if await ip.link(TUNNEL) is not None:
        await ip.batch([f"link delete {TUNNEL}"])
