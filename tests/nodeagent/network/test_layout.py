import pytest

from nodeagent.network.layout import Layout, is_ipv4, networks
from tests.nodeagent.network.objects import LAYOUT, Config


def test_a_machine_s_addresses_follow_from_its_pod_network() -> None:
    assert (LAYOUT.gateway, LAYOUT.prefix_length, LAYOUT.bridge_mac) == ("10.42.1.1", 24, "0a:58:0a:2a:01:01")
    assert (LAYOUT.api_host, LAYOUT.api_port) == ("127.0.0.1", 6443)
    assert LAYOUT.built_in["default/kubernetes"].cluster_ip == "10.43.0.1"


@pytest.mark.parametrize("pod_cidr", ["", "10.42.1.0", "10.42.1.7/24", "fd00::/64", "10.42.1.0/33"])
def test_a_pod_network_that_is_none_is_refused(pod_cidr: str) -> None:
    if pod_cidr == "10.42.1.0":
        with pytest.raises(IndexError):
            Layout.of(Config(), "m1", pod_cidr)
        return
    with pytest.raises(ValueError):
        Layout.of(Config(), "m1", pod_cidr)


@pytest.mark.parametrize("text", ["0.0.0.0", "255.255.255.255", "10.42.1.2"])
def test_addresses(text: str) -> None:
    assert is_ipv4(text)


@pytest.mark.parametrize("text", ["", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4\n", "::1", "1.2.3.٤"])
def test_what_is_no_address(text: str) -> None:
    assert not is_ipv4(text)


def test_networks_lose_overlaps_and_what_is_none() -> None:
    assert networks(["192.0.2.128/25", "192.0.2.0/25", "x", "fd00::/8", "192.0.2.7"]) == ["192.0.2.0/24"]
