"""Policies over real network namespaces: two machines, four pods in two namespaces, and a client on the home network."""

import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from nodeagent.network.policies.state import PolicySnapshot
from nodeagent.network.policies.views import ContainerPort
from nodeagent.network.state import Snapshot
from tests.nodeagent.network.netns import Machine, Namespace, Pod, network
from tests.nodeagent.network.objects import endpoint, endpoints, http, node, service
from tests.nodeagent.network.policies.objects import namespace, pod, policy

pytestmark = pytest.mark.lab

VIP, NODE_PORT = "10.43.0.50", 30080
SHUT = ["TimeoutError"]
NAMED = [ContainerPort(container_port=8080, name="echo")]
DENY = {"podSelector": {}, "policyTypes": ["Ingress"]}


@dataclass
class Cluster:
    """`web` and `near` on m1 and `far` on m2 in one namespace, `other` on m2 in another."""

    m1: Machine
    m2: Machine
    lan: Namespace
    pods: dict[str, Pod] = field(default_factory=dict)

    def has(self, *specs: dict) -> None:
        """Both machines learn that these are the policies of the default namespace."""
        nodes = (node("m1", "10.42.1.0/24", self.m1.address), node("m2", "10.42.2.0/24", self.m2.address))
        peers = [
            pod(name, p.address, "other" if name == "other" else "default", NAMED) for name, p in self.pods.items()
        ]
        snapshot = Snapshot(
            services=(service(ip=VIP, ports=(http(node_port=NODE_PORT),), type="NodePort"),),
            slices=(endpoints(endpoint(self.pods["web"].address)),) if self.pods else (),
            nodes=nodes,
            policies=PolicySnapshot(
                policies=tuple(policy(spec, f"p{number}") for number, spec in enumerate(specs)),
                pods=tuple(peers),
                namespaces=(namespace("default"), namespace("other", team="x")),
            ),
        )
        for machine in (self.m1, self.m2):
            assert machine.tell(snapshot) == "settled"

    def reach(self, source: str, target: str = "web", port: int = 8080) -> bool:
        """Whether a pod's connection to another gets through; anything but an answer or silence is a failure."""
        said = self.pods[source].connect(self.pods[target].address, port, timeout=0.7)
        assert said == SHUT or said[0].startswith(f"{target} "), said
        return said != SHUT


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with network(tmp_path_factory.mktemp("net")) as net:
        made = Cluster(Machine(net, 1), Machine(net, 2), net.client("10.98.0.99"))
        made.has()
        made.pods = {
            "web": made.m1.pod("web"),
            "near": made.m1.pod("near"),
            "far": made.m2.pod("far"),
            "other": made.m2.pod("other"),
        }
        yield made


def test_without_policies_everybody_reaches_everybody(cluster: Cluster) -> None:
    cluster.has()
    assert [cluster.reach(name) for name in ("near", "far", "other")] == [True] * 3


def test_default_deny_shuts_a_pod_on_its_own_machine_and_across(cluster: Cluster) -> None:
    cluster.has(DENY)
    assert [cluster.reach(name) for name in ("near", "far", "other")] == [False] * 3
    assert cluster.pods["near"].send(cluster.pods["web"].address, 8080) == SHUT


def test_the_machine_reaches_its_own_shut_pod_as_probes_must(cluster: Cluster) -> None:
    cluster.has(DENY)
    assert cluster.m1.connect(cluster.pods["web"].address, 8080)[0].startswith("web ")


def test_a_shut_pod_still_reaches_others_and_gets_their_answers(cluster: Cluster) -> None:
    cluster.has({"podSelector": {"matchLabels": {"app": "web"}}})
    assert cluster.reach("web", "far")


def test_a_pod_selector_lets_in_these_pods_alone_on_either_machine(cluster: Cluster) -> None:
    far_only = {"podSelector": {"matchLabels": {"app": "web"}}, "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "far"}}}]}]}  # fmt: skip
    cluster.has(far_only)
    assert [cluster.reach(name) for name in ("near", "far", "other")] == [False, True, False]


def test_a_namespace_selector_lets_in_the_pods_of_these_namespaces(cluster: Cluster) -> None:
    cluster.has(DENY | {"ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"team": "x"}}}]}]})
    assert [cluster.reach(name) for name in ("near", "far", "other")] == [False, False, True]


def test_policies_add_up(cluster: Cluster) -> None:
    cluster.has(DENY, DENY | {"ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "near"}}}]}]})
    assert [cluster.reach(name) for name in ("near", "far", "other")] == [True, False, False]


@pytest.mark.parametrize("port", [8080, "echo"])
def test_ports_by_number_and_by_name(cluster: Cluster, port: int | str) -> None:
    cluster.has(DENY | {"ingress": [{"ports": [{"port": port}]}]})
    assert cluster.reach("far")
    assert cluster.pods["far"].send(cluster.pods["web"].address, 8080) == SHUT, "UDP was not allowed"
    cluster.has(DENY | {"ingress": [{"ports": [{"port": 8081, "endPort": 8090}]}]})
    assert not cluster.reach("far")
    cluster.has(DENY | {"ingress": [{"ports": [{"port": 8000, "endPort": 8090}]}]})
    assert cluster.reach("far")


def test_through_a_service_the_policy_sees_the_pods_behind_it(cluster: Cluster) -> None:
    near_only = DENY | {"ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "near"}}}], "ports": [{"port": 8080}]}]}  # fmt: skip
    cluster.has(near_only)
    assert cluster.pods["near"].connect(VIP, 80)[0].startswith("web ")
    assert cluster.pods["far"].connect(VIP, 80, timeout=0.7) == SHUT


def test_a_shut_pod_reaches_itself_through_its_service(cluster: Cluster) -> None:
    cluster.has({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})
    assert cluster.pods["web"].connect(VIP, 80)[0].startswith("web ")


def test_a_block_lets_in_clients_of_the_home_network_but_for_its_holes(cluster: Cluster) -> None:
    address = cluster.pods["web"].address
    cluster.lan.ip("route", "replace", address, "via", cluster.m1.address)
    block = {"cidr": "10.98.0.0/24", "except": []}
    cluster.has(DENY)
    assert cluster.lan.connect(address, 8080, timeout=0.7) == SHUT
    cluster.has(DENY | {"ingress": [{"from": [{"ipBlock": block}]}]})
    assert cluster.lan.connect(address, 8080) == ["web 10.98.0.99"]
    cluster.has(DENY | {"ingress": [{"from": [{"ipBlock": block | {"except": ["10.98.0.96/29"]}}]}]})
    assert cluster.lan.connect(address, 8080, timeout=0.7) == SHUT


def test_egress_is_judged_where_the_sender_is_and_leaves_names_and_the_machine_in_reach(cluster: Cluster) -> None:
    out = {"podSelector": {"matchLabels": {"app": "near"}}, "policyTypes": ["Egress"]}
    cluster.has(out)
    assert [cluster.reach("near", name) for name in ("web", "far", "other")] == [False] * 3
    assert cluster.reach("far", "near"), "egress says nothing about who may come in"
    cluster.has(out | {"egress": [{"to": [{"namespaceSelector": {"matchLabels": {"team": "x"}}}]}]})
    assert [cluster.reach("near", name) for name in ("web", "far", "other")] == [False, False, True]
    lookup = """
    import socket
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2); s.connect(("10.43.0.10", 53))
    s.send(bytes.fromhex("000101000001000000000000") + b"\\x03web\\x07default\\x03svc\\x07cluster\\x05local\\0\\0\\1\\0\\1")
    print(socket.inet_ntoa(s.recv(512)[-4:]))
    """
    assert cluster.pods["near"].python(lookup).strip() == VIP


def test_to_be_let_out_is_not_to_be_let_in(cluster: Cluster) -> None:
    cluster.has(
        {"podSelector": {"matchLabels": {"app": "near"}}, "policyTypes": ["Egress"], "egress": [{}]},
        {"podSelector": {"matchLabels": {"app": "web"}}},
    )
    assert not cluster.reach("near", "web")
    assert cluster.reach("near", "far")


def test_an_established_connection_outlasts_changes_that_still_allow_it(cluster: Cluster) -> None:
    cluster.has()
    code = """
    import socket, sys
    with socket.create_connection((sys.argv[1], 8080), timeout=5) as c:
        f = c.makefile("rwb"); f.readline()
        print("open", flush=True); sys.stdin.readline()
        f.write(b"still\\n"); f.flush(); print(f.readline().decode(), end="", flush=True)
    """

    client = cluster.pods["far"].start(
        sys.executable, "-I", "-S", "-c", textwrap.dedent(code), cluster.pods["web"].address
    )
    assert client.stdout.readline() == "open\n"
    cluster.has(DENY, DENY | {"ingress": [{"from": [{"podSelector": {}}]}]})
    client.stdin.write("\n")
    client.stdin.flush()
    assert client.stdout.readline() == "still\n"
    assert client.wait(5) == 0


def test_rules_come_back_after_somebody_flushed_them_and_survive_a_restart(cluster: Cluster) -> None:
    cluster.has(DENY)
    assert cluster.m1.tell("flush") == "flushed"
    assert cluster.reach("near")
    assert cluster.m1.tell("check") == "checked"
    assert not cluster.reach("near")
