from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nodeagent.network.layout import mac_of
from nodeagent.network.routes import Way
from nodeagent.network.tunnel import TunnelCommands, tunnel_commands
from tests.nodeagent.network.objects import LAYOUT

OWN: dict[str, Any] = {"address": "0a:58:0a:2a:01:00", "flags": ["UP"]}
MAKE = [
    "link add ph-vxlan mtu 1450 address 0a:58:0a:2a:01:00 type vxlan id 6443 dstport 8472 nolearning",
    "address add 10.42.1.0/32 dev ph-vxlan",
    "link set ph-vxlan up",
]


def far(number: int, underlay: str) -> Way:
    return Way(pod_cidr=f"10.42.{number}.0/24", via=f"10.42.{number}.0", underlay=underlay)


def test_without_machines_elsewhere_there_is_no_tunnel() -> None:
    near = Way(pod_cidr="10.42.2.0/24", via="192.168.1.2")
    assert tunnel_commands(None, [], [], LAYOUT, [near]) == TunnelCommands()
    assert tunnel_commands(OWN, [], [], LAYOUT, [near]) == TunnelCommands(ip=["link delete ph-vxlan"])


def test_the_first_machine_elsewhere_makes_the_tunnel() -> None:
    commands = tunnel_commands(None, [], [], LAYOUT, [far(3, "198.51.100.3")])
    assert commands.ip == [
        *MAKE,
        "neighbour replace 10.42.3.0 lladdr 0a:58:0a:2a:03:00 dev ph-vxlan nud permanent",
    ]
    assert commands.bridge == ["fdb replace 0a:58:0a:2a:03:00 dev ph-vxlan dst 198.51.100.3 self permanent"]


def test_a_tunnel_from_when_this_machine_had_other_pods_is_made_anew() -> None:
    stale = {"address": "0a:58:0a:2a:09:00"}
    neighbours = [{"dst": "10.42.3.0", "lladdr": "0a:58:0a:2a:03:00"}]
    commands = tunnel_commands(stale, neighbours, [], LAYOUT, [far(3, "198.51.100.3")])
    assert commands.ip[:4] == ["link delete ph-vxlan", *MAKE]
    assert len(commands.ip) == 5


MACHINES = st.dictionaries(st.integers(2, 6), st.sampled_from(["198.51.100.3", "198.51.100.4"]), min_size=1)


@given(MACHINES, MACHINES)
def test_commands_turn_any_tunnel_into_any_other(before: dict[int, str], after: dict[int, str]) -> None:
    neighbours = {f"10.42.{n}.0": mac_of(f"10.42.{n}.0") for n in before}
    macs = {mac_of(f"10.42.{n}.0"): underlay for n, underlay in before.items()}
    commands = tunnel_commands(
        OWN,
        [{"dst": dst, "lladdr": mac} for dst, mac in neighbours.items()],
        [{"mac": mac, "dst": dst} for mac, dst in macs.items()],
        LAYOUT,
        [far(n, underlay) for n, underlay in after.items()],
    )
    for line in commands.ip:
        match line.split():
            case ["neighbour", "del", dst, *_]:
                del neighbours[dst]
            case ["neighbour", "replace", dst, "lladdr", mac, *_]:
                neighbours[dst] = mac
            case _:
                raise AssertionError(line)
    for line in commands.bridge:
        match line.split():
            case ["fdb", "del", mac, *_]:
                del macs[mac]
            case ["fdb", "replace", mac, "dev", _, "dst", underlay, *_]:
                macs[mac] = underlay
            case _:
                raise AssertionError(line)
    assert neighbours == {f"10.42.{n}.0": mac_of(f"10.42.{n}.0") for n in after}
    assert macs == {mac_of(f"10.42.{n}.0"): underlay for n, underlay in after.items()}
