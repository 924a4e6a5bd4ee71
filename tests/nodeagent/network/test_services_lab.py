"""Services over real network namespaces: two machines, three pods, and a client on the home network."""

import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from nodeagent.network.state import Snapshot
from nodeagent.network.views import EndpointPort, EndpointSliceView, Ingress, ServicePort, ServiceView
from tests.nodeagent.network.netns import Machine, Namespace, Pod, TestNet, network
from tests.nodeagent.network.objects import endpoint, endpoints, http, node, service

pytestmark = pytest.mark.lab

BULK = """
import socket, sys
with socket.create_connection((sys.argv[1], 8080), timeout=5) as c:
    f = c.makefile("rb"); f.readline(); c.sendall(b"x" * 300000); print(len(f.read(300000)))
"""
VIP, NODE_PORT = "10.43.0.50", 30080


@dataclass
class Cluster:
    net: TestNet
    m1: Machine
    m2: Machine
    lan: Namespace
    pods: dict[str, Pod]

    def has(self, services: list[ServiceView], slices: list[EndpointSliceView]) -> None:
        """Both machines learn that this is the cluster now."""
        nodes = (node("m1", "10.42.1.0/24", self.m1.address), node("m2", "10.42.2.0/24", self.m2.address))
        snapshot = Snapshot(services=tuple(services), slices=tuple(slices), nodes=nodes)
        for machine in (self.m1, self.m2):
            assert machine.tell(snapshot) == "settled"

    def web(self, *names: str, **more: object) -> None:
        """One Service over these pods."""
        found = [
            endpoint(self.pods[n].address, "m1" if self.pods[n].address.startswith("10.42.1.") else "m2") for n in names
        ]
        ports = (
            EndpointPort(name="http", port=8080, protocol="TCP"),
            EndpointPort(name="u", port=8080, protocol="UDP"),
        )
        both = (http(node_port=NODE_PORT), ServicePort(port=80, name="u", protocol="UDP", node_port=NODE_PORT))
        self.has([service(ip=VIP, ports=both, type="NodePort", **more)], [endpoints(*found, ports=ports)])  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with network(tmp_path_factory.mktemp("net")) as net:
        m1, m2 = Machine(net, 1), Machine(net, 2)
        made = Cluster(net, m1, m2, net.client("10.98.0.99"), {})
        made.has([], [])
        made.pods = {"a": m1.pod("a"), "b": m2.pod("b"), "c": m1.pod("c")}
        yield made


def names(lines: list[str]) -> Counter[str]:
    return Counter(line.split()[0] for line in lines)


def test_a_pod_reaches_a_pod_on_another_machine_with_its_own_address(cluster: Cluster) -> None:
    assert cluster.pods["a"].connect(cluster.pods["b"].address, 8080) == [f"b {cluster.pods['a'].address}"]


def test_cluster_ip_spreads_over_endpoints_of_both_machines(cluster: Cluster) -> None:
    cluster.web("a", "b")
    seen = names(cluster.pods["c"].connect(VIP, 80, times=60))
    assert set(seen) == {"a", "b"}
    assert min(seen.values()) >= 12
    assert set(names([r for _ in range(12) for r in cluster.pods["c"].send(VIP, 80)])) == {"a", "b"}


def test_cluster_ip_keeps_the_address_of_the_pod_that_asks(cluster: Cluster) -> None:
    cluster.web("b")
    assert cluster.pods["a"].connect(VIP, 80) == [f"b {cluster.pods['a'].address}"]


def test_a_pod_reaches_itself_through_its_service(cluster: Cluster) -> None:
    cluster.web("a")
    assert cluster.pods["a"].connect(VIP, 80, times=3) == ["a 10.42.1.1"] * 3


def test_the_machine_itself_reaches_services_without_a_default_route(cluster: Cluster) -> None:
    cluster.web("a", "b")
    assert set(names(cluster.m1.connect(VIP, 80, times=20))) == {"a", "b"}


def test_node_port_answers_on_each_machine_and_each_of_its_addresses(cluster: Cluster) -> None:
    cluster.web("a", "b")
    for machine in (cluster.m1, cluster.m2):
        assert set(names(cluster.lan.connect(machine.address, NODE_PORT, times=20))) == {"a", "b"}
    assert set(names(cluster.pods["c"].connect("10.42.1.1", NODE_PORT, times=20))) == {"a", "b"}
    assert set(names(cluster.lan.send(cluster.m1.address, NODE_PORT, times=3))) <= {"a", "b"}


def test_a_service_without_endpoints_refuses_at_once(cluster: Cluster) -> None:
    cluster.web()
    assert cluster.pods["a"].connect(VIP, 80) == ["ConnectionRefusedError"]
    assert cluster.m1.connect(VIP, 80) == ["ConnectionRefusedError"]
    assert cluster.lan.connect(cluster.m1.address, NODE_PORT) == ["ConnectionRefusedError"]
    assert cluster.pods["a"].send(VIP, 80) == ["ConnectionRefusedError"]


def test_a_port_that_the_service_does_not_have_is_refused(cluster: Cluster) -> None:
    cluster.web("a")
    assert cluster.pods["a"].connect(VIP, 81) == ["ConnectionRefusedError"]


def test_session_affinity_keeps_a_client_at_its_endpoint_until_that_goes(cluster: Cluster) -> None:
    cluster.web("a", "b", affinity_seconds=60)
    (first,) = names(cluster.pods["c"].connect(VIP, 80, times=15))
    cluster.web(*({"a", "b"} - {first}), affinity_seconds=60)
    (second,) = names(cluster.pods["c"].connect(VIP, 80, times=15))
    assert second != first


def test_external_policy_local_keeps_the_client_address_and_stays_on_the_machine(cluster: Cluster) -> None:
    cluster.web("a", external_traffic_policy="Local")
    assert cluster.lan.connect(cluster.m1.address, NODE_PORT) == ["a 10.98.0.99"]
    assert cluster.lan.connect(cluster.m2.address, NODE_PORT, timeout=0.5) == ["TimeoutError"]


def test_external_policy_cluster_brings_the_answer_back_through_the_machine_asked(cluster: Cluster) -> None:
    cluster.web("a")
    assert cluster.lan.connect(cluster.m2.address, NODE_PORT) == ["a 10.98.0.2"]


def test_an_established_connection_survives_changes_around_it(cluster: Cluster) -> None:
    cluster.web("a")
    code = """
    import socket, sys
    with socket.create_connection((sys.argv[1], 80), timeout=5) as c:
        f = c.makefile("rw")
        print(f.readline().strip(), flush=True)
        for line in sys.stdin:
            f.write(line); f.flush()
            print(f.readline().strip(), flush=True)
    """
    talk = cluster.pods["c"].start(sys.executable, "-I", "-S", "-c", textwrap.dedent(code), VIP)
    assert talk.stdin is not None
    assert talk.stdout is not None
    assert talk.stdout.readline().startswith("a ")
    for change in (("a", "b"), ("b",), (), ("b", "c")):
        cluster.web(*change)
        talk.stdin.write(f"still {len(change)}\n")
        talk.stdin.flush()
        assert talk.stdout.readline() == f"still {len(change)}\n"
    assert set(names(cluster.pods["a"].connect(VIP, 80, times=15))) == {"b", "c"}
    cluster.net.stop(talk)


def test_a_udp_client_is_moved_off_an_endpoint_that_went(cluster: Cluster) -> None:
    cluster.web("a")
    assert names(cluster.pods["c"].send(VIP, 80, source_port=5555)) == {"a": 1}
    cluster.web("b")
    assert names(cluster.pods["c"].send(VIP, 80, source_port=5555)) == {"b": 1}


def test_rules_that_somebody_flushed_come_back(cluster: Cluster) -> None:
    cluster.web("a")
    assert cluster.m1.tell("flush") == "flushed"
    assert cluster.m1.connect(VIP, 80, timeout=0.5) != ["a 10.42.1.1"]
    assert cluster.m1.tell("check") == "checked"
    assert cluster.m1.connect(VIP, 80) == ["a 10.42.1.1"]


def test_a_restarted_agent_changes_nothing_in_rules_that_are_right(cluster: Cluster) -> None:
    cluster.web("a", "b", affinity_seconds=60)
    (first,) = names(cluster.pods["c"].connect(VIP, 80, times=3))
    before = cluster.m1.run("nft", "-s", "list", "table", "ip", "pilothouse")
    assert cluster.m1.agent is not None
    cluster.net.stop(cluster.m1.agent)
    assert names(cluster.pods["c"].connect(VIP, 80, times=3)) == {first: 3}
    cluster.m1.boot()
    cluster.web("a", "b", affinity_seconds=60)
    transactions, _ = cluster.m1.tell("table").split()
    assert transactions == "0"
    assert cluster.m1.run("nft", "-s", "list", "table", "ip", "pilothouse") == before
    assert names(cluster.pods["c"].connect(VIP, 80, times=3)) == {first: 3}


def test_load_balancer_addresses_respect_their_source_ranges(cluster: Cluster) -> None:
    cluster.lan.ip("route", "replace", "198.51.100.7", "via", cluster.m1.address)
    balanced = {"type": "LoadBalancer", "ingress": [Ingress(ip="198.51.100.7")]}
    found = [endpoints(endpoint(cluster.pods["b"].address, "m2"))]
    cluster.has([service(ip=VIP, **balanced)], found)  # type: ignore[arg-type]
    assert names(cluster.lan.connect("198.51.100.7", 80)) == {"b": 1}
    cluster.has([service(ip=VIP, load_balancer_source_ranges=("192.0.2.0/24",), **balanced)], found)  # type: ignore[arg-type]
    assert cluster.lan.connect("198.51.100.7", 80, timeout=0.5) == ["TimeoutError"]


def test_the_longest_names_are_no_trouble(cluster: Cluster) -> None:
    longest = "n" * 63
    named = service(longest, longest, ip="10.43.0.66", type="NodePort", affinity_seconds=60)
    cluster.has([named], [endpoints(endpoint(cluster.pods["b"].address, "m2"), of=longest, namespace=longest)])
    assert names(cluster.pods["a"].connect("10.43.0.66", 80)) == {"b": 1}


def test_machines_on_different_networks_reach_each_others_pods_through_a_tunnel(tmp_path: Path) -> None:
    with network(tmp_path) as net:
        near, far = Machine(net, 1), Machine(net, 2, subnet="10.97.0")
        router = net.client("10.98.0.254")
        router.ip("address", "add", "10.97.0.254/24", "dev", "eth0")
        router.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        near.ip("route", "add", "default", "via", "10.98.0.254")
        far.ip("route", "add", "default", "via", "10.97.0.254")
        nodes = (node("m1", "10.42.1.0/24", near.address), node("m2", "10.42.2.0/24", far.address))
        one = Snapshot(services=(service(ip=VIP),), slices=(endpoints(endpoint("10.42.2.2", "m2")),), nodes=nodes)
        assert [machine.tell(one) for machine in (near, far)] == ["settled"] * 2
        a, b = near.pod("a"), far.pod("b")
        assert a.connect(b.address, 8080) == [f"b {a.address}"]
        assert b.connect(a.address, 8080) == [f"a {b.address}"]
        assert a.connect(VIP, 80) == [f"b {a.address}"]
        assert near.connect(VIP, 80) == ["b 10.42.1.1"]
        assert a.python(BULK, b.address).strip() == "300000"
        alone = Snapshot(nodes=nodes[:1])
        assert near.tell(alone) == "settled"
        assert "ph-vxlan" not in near.ip("link")
