from typing import Any

import pytest

from nodeagent.network.bridge import bridge_commands, service_route
from tests.nodeagent.network.objects import LAYOUT

MAC = "0a:58:0a:2a:01:01"


def link(*addresses: tuple[str, int], mac: str = MAC, flags: tuple[str, ...] = ("BROADCAST", "UP")) -> dict[str, Any]:
    info = [{"family": "inet", "local": a, "prefixlen": p} for a, p in addresses]
    return {"address": mac, "flags": list(flags), "addr_info": [*info, {"family": "inet6", "local": "fe80::1"}]}


@pytest.mark.parametrize(
    ("found", "commands"),
    [
        pytest.param(
            None,
            [f"link add ph0 address {MAC} type bridge", "address add 10.42.1.1/24 dev ph0", "link set ph0 up"],
            id="none yet",
        ),
        pytest.param(link(("10.42.1.1", 24)), [], id="as it should be"),
        pytest.param(
            link(("10.42.7.1", 24)),
            ["address del 10.42.7.1/24 dev ph0", "address add 10.42.1.1/24 dev ph0"],
            id="from when this machine had other pods' addresses",
        ),
        pytest.param(link(("10.42.1.1", 24), flags=()), ["link set ph0 up"], id="down"),
        pytest.param(
            link(("10.42.1.1", 24), mac="02:00:00:00:00:01"), [f"link set ph0 address {MAC}"], id="another mac"
        ),
    ],
)
def test_bridge_is_brought_to_what_it_should_be(found: dict[str, Any] | None, commands: list[str]) -> None:
    assert bridge_commands(found, LAYOUT) == commands


def test_service_addresses_lead_to_the_bridge() -> None:
    assert service_route(LAYOUT) == "route replace 10.43.0.0/16 dev ph0 proto 80 src 10.42.1.1"
