import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeagent.network.routes import Way, route_commands, ways
from nodeagent.network.views import NodeView
from tests.nodeagent.network.objects import LAYOUT, node

HOME = ["192.168.1.1/24", "10.0.0.1/8"]
SELF = node("m1", "10.42.1.0/24", "192.168.1.1")
OTHER = node("m2", "10.42.2.0/24", "192.168.1.2")


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        pytest.param([SELF, OTHER], [Way(pod_cidr="10.42.2.0/24", via="192.168.1.2")], id="one other"),
        pytest.param([node("m2", "", "192.168.1.2")], [], id="no pod addresses yet"),
        pytest.param([node("m2", "10.42.2.0/24", "")], [], id="no address of its own yet"),
        pytest.param([node("m2", "10.42.2.0/24", "192.168.1.1")], [], id="our own address"),
        pytest.param([node("m2", "10.42.1.0/24", "192.168.1.2")], [], id="our own pod addresses"),
        pytest.param([node("odd", "10.42.3.1/24", "192.168.1.3")], [], id="pod addresses that are no network"),
        pytest.param(
            [node("far", "10.42.3.0/24", "198.51.100.3")],
            [Way(pod_cidr="10.42.3.0/24", via="10.42.3.0", underlay="198.51.100.3")],
            id="on another network",
        ),
        pytest.param(
            [node("b", "10.42.2.0/24", "192.168.1.3"), node("a", "10.42.2.0/24", "192.168.1.2")],
            [Way(pod_cidr="10.42.2.0/24", via="192.168.1.2")],
            id="two that claim the same",
        ),
    ],
)
def test_ways_to_other_machines(nodes: list[NodeView], expected: list[Way]) -> None:
    assert ways(nodes, LAYOUT, HOME) == expected


def test_a_way_that_is_right_is_left_alone() -> None:
    current = [{"dst": "10.42.2.0/24", "gateway": "192.168.1.2", "protocol": "80"}]
    assert route_commands(current, [Way(pod_cidr="10.42.2.0/24", via="192.168.1.2")]) == []


def test_stale_ways_go_and_moved_ones_are_replaced_in_one_step() -> None:
    current = [
        {"dst": "10.42.2.0/24", "gateway": "192.168.1.2"},
        {"dst": "10.42.9.0/24", "gateway": "192.168.1.9"},
        {"dst": "10.43.0.0/16", "dev": "ph0"},
    ]
    wanted = [Way(pod_cidr="10.42.2.0/24", via="192.168.1.7")]
    assert route_commands(current, wanted, keep=["10.43.0.0/16"]) == [
        "route del 10.42.9.0/24 proto 80",
        "route replace 10.42.2.0/24 via 192.168.1.7 proto 80",
    ]


def test_a_machine_on_another_network_is_reached_through_the_tunnel() -> None:
    way = Way(pod_cidr="10.42.3.0/24", via="10.42.3.0", underlay="198.51.100.3")
    assert route_commands([], [way]) == ["route replace 10.42.3.0/24 via 10.42.3.0 dev ph-vxlan onlink proto 80"]
    assert route_commands([{"dst": "10.42.3.0/24", "gateway": "10.42.3.0"}], [way]) == []


TABLES = st.dictionaries(
    st.sampled_from([f"10.42.{i}.0/24" for i in range(5)]), st.sampled_from(["192.168.1.2", "192.168.1.3"])
)


@given(TABLES, TABLES)
def test_commands_turn_any_routes_into_any_others(before: dict[str, str], after: dict[str, str]) -> None:
    kernel = dict(before)
    for line in route_commands(
        [{"dst": d, "gateway": g} for d, g in before.items()], [Way(pod_cidr=d, via=g) for d, g in after.items()]
    ):
        match line.split():
            case ["route", "del", cidr, "proto", "80"]:
                del kernel[cidr]
            case ["route", "replace", cidr, "via", gateway, "proto", "80"]:
                kernel[cidr] = gateway
            case _:
                raise AssertionError(line)
    assert kernel == after
