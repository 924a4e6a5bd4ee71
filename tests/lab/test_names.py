import ipaddress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.names import (
    IFNAMSIZ,
    MAX_MACHINES,
    free_subnet,
    gateway_address,
    hardware_address,
    is_lab_name,
    lab_names,
    machine_address,
    machine_name,
)


@given(st.text(min_size=1), st.integers(1, MAX_MACHINES))
def test_every_interface_name_fits_the_kernels_limit(folder: str, number: int) -> None:
    names = lab_names(Path("/data", folder))
    assert len(names.bridge) <= IFNAMSIZ
    assert len(names.link(machine_name(number))) <= IFNAMSIZ


def test_labs_of_one_name_in_two_data_folders_share_no_name() -> None:
    one, other = lab_names(Path("/a/lab/lab")), lab_names(Path("/b/lab/lab"))
    assert {one.bridge, one.cgroup, one.link("m1")}.isdisjoint({other.bridge, other.cgroup, other.link("m1")})


@given(st.lists(st.integers(0, 255).map(lambda third: f"10.99.{third}.254/24"), max_size=200))
def test_a_free_subnet_overlaps_no_network_in_use(in_use: list[str]) -> None:
    subnet = ipaddress.IPv4Network(free_subnet(in_use))
    assert not any(subnet.overlaps(ipaddress.IPv4Network(network, strict=False)) for network in in_use)


def test_a_route_to_everywhere_takes_no_subnet() -> None:
    assert free_subnet(["0.0.0.0/0", "10.99.0.254/24"]) == "10.99.1.0/24"


def test_no_subnet_is_left_when_a_wider_network_covers_them_all() -> None:
    with pytest.raises(ValueError, match="every network"):
        free_subnet(["10.96.0.0/11"])


def test_machines_and_gateway_have_addresses_of_their_own() -> None:
    addresses = {machine_address("10.99.3.0/24", number) for number in range(1, MAX_MACHINES + 1)}
    assert len(addresses) == MAX_MACHINES
    assert gateway_address("10.99.3.0/24") not in addresses
    assert machine_address("10.99.3.0/24", 1) == "10.99.3.1"


def test_hardware_addresses_are_local_unicast_and_follow_the_address() -> None:
    assert hardware_address("10.99.3.1") == "02:50:0a:63:03:01"


@pytest.mark.parametrize(
    ("name", "good"),
    [
        pytest.param("lab", True, id="plain"),
        pytest.param("my-lab-2", True, id="dashes"),
        pytest.param("", False, id="empty"),
        pytest.param("../other", False, id="a way out of the folder"),
        pytest.param("Lab", False, id="capital"),
        pytest.param("-lab", False, id="an option"),
        pytest.param("a" * 33, False, id="too long"),
    ],
)
def test_lab_names_are_safe_as_folder_names(name: str, good: bool) -> None:
    assert is_lab_name(name) is good
