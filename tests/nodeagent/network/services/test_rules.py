import pytest
from hypothesis import given

from nodeagent.network.nft.table import Table, transaction
from nodeagent.network.services.rules import PROXY_NAME_LABEL, Frontend, ruleset, service_rules
from nodeagent.network.views import EndpointPort, EndpointSliceView, Ingress, ServicePort, ServiceView
from tests.nodeagent.network.nft_model import Model
from tests.nodeagent.network.objects import LAYOUT, endpoint, endpoints, http, service
from tests.nodeagent.network.strategies import clusters

HERE, THERE = endpoint("10.42.1.2", "m1"), endpoint("10.42.2.2", "m2")
ONE, BOTH = [endpoints(HERE)], [endpoints(HERE, THERE)]
VIP = "10.43.0.50 . tcp . 80"


def rules_of(wanted: ServiceView, slices: list[EndpointSliceView]) -> Table:
    return service_rules(wanted, slices, LAYOUT).table


def test_cluster_ip_leads_to_one_rule_over_all_endpoints() -> None:
    table = rules_of(service(), BOTH)
    assert table.elements == {
        ("cluster-ips", "10.43.0.50"): "",
        ("services", VIP): "goto svc/default/web/tcp/80",
        ("hairpin", "10.42.1.2 . 10.42.1.2"): "",
    }
    assert {name: chain.rules for name, chain in table.chains.items()} == {
        "svc/default/web/tcp/80": (
            "meta l4proto tcp dnat to numgen random mod 2 map { 0 : 10.42.1.2 . 8080, 1 : 10.42.2.2 . 8080 }",
        )
    }


def test_one_endpoint_needs_no_dice() -> None:
    assert rules_of(service(), ONE).chains["svc/default/web/tcp/80"].rules == (
        "meta l4proto tcp dnat to 10.42.1.2:8080",
    )


def test_without_endpoints_anywhere_traffic_is_refused() -> None:
    table = rules_of(service(type="NodePort", ports=[http(node_port=30080)]), [])
    assert table.elements == {
        ("cluster-ips", "10.43.0.50"): "",
        ("refused", VIP): "goto refuse-packet",
        ("refused-nodeports", "tcp . 30080"): "goto refuse-packet",
    }
    assert table.chains == {}


def test_without_endpoints_here_local_traffic_is_dropped() -> None:
    table = rules_of(service(internal_traffic_policy="Local"), [endpoints(THERE)])
    assert table.elements["refused", VIP] == "drop"
    assert ("services", VIP) not in table.elements


def test_outside_traffic_is_masqueraded_unless_its_policy_is_local() -> None:
    ports = [http(node_port=30080)]
    cluster = rules_of(service(type="NodePort", ports=ports), BOTH)
    assert cluster.elements["nodeports", "tcp . 30080"] == "goto ext/default/web/tcp/80"
    assert cluster.chains["ext/default/web/tcp/80"].rules == ("jump masquerade-later", "goto svc/default/web/tcp/80")
    local = rules_of(service(type="NodePort", ports=ports, external_traffic_policy="Local"), BOTH)
    assert local.chains["ext/default/web/tcp/80"].rules == (
        "ip saddr 10.42.0.0/16 goto svc/default/web/tcp/80",
        "fib saddr type local jump masquerade-later",
        "fib saddr type local goto svc/default/web/tcp/80",
        "goto local/default/web/tcp/80",
    )
    assert local.chains["local/default/web/tcp/80"].rules == ("meta l4proto tcp dnat to 10.42.1.2:8080",)


def test_external_and_balancer_addresses_lead_where_node_ports_do() -> None:
    ingress = [Ingress(ip="198.51.100.7"), Ingress(ip="198.51.100.8", ip_mode="Proxy"), Ingress(ip="fd00::1")]
    table = rules_of(service(type="LoadBalancer", external_ips=("203.0.113.5",), ingress=ingress), ONE)
    found = {key.split(" ")[0] for container, key in table.elements if container == "services"}
    assert found == {"10.43.0.50", "203.0.113.5", "198.51.100.7"}


def test_source_ranges_are_checked_without_overlaps() -> None:
    wanted = service(
        type="LoadBalancer",
        ingress=[Ingress(ip="198.51.100.7")],
        load_balancer_source_ranges=("192.0.2.0/24", " 192.0.2.128/25", "fd00::/8"),
    )
    table = rules_of(wanted, ONE)
    assert table.elements["firewalls", "198.51.100.7 . tcp . 80"] == "goto fw/default/web/tcp/80"
    assert table.chains["fw/default/web/tcp/80"].rules == ("ip saddr != { 192.0.2.0/24 } drop",)


def test_session_affinity_asks_each_endpoint_for_its_clients_first() -> None:
    table = rules_of(service(affinity_seconds=60), BOTH)
    assert table.chains["svc/default/web/tcp/80"].rules == (
        "ip saddr @aff/60/default/web/tcp/80/10.42.1.2_8080 goto ep/default/web/tcp/80/10.42.1.2_8080",
        "ip saddr @aff/60/default/web/tcp/80/10.42.2.2_8080 goto ep/default/web/tcp/80/10.42.2.2_8080",
        "numgen random mod 2 vmap { 0 : goto ep/default/web/tcp/80/10.42.1.2_8080,"
        " 1 : goto ep/default/web/tcp/80/10.42.2.2_8080 }",
    )
    assert table.containers["aff/60/default/web/tcp/80/10.42.1.2_8080"].timeout == 60


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(service(ip="None"), id="headless"),
        pytest.param(service(ip=""), id="not yet given an address"),
        pytest.param(service(ip="", type="ExternalName", external_name="example.com"), id="external name"),
        pytest.param(service(labels={PROXY_NAME_LABEL: "other"}), id="another proxy's"),
        pytest.param(service(ip="fd00::50"), id="IPv6 only"),
        pytest.param(service("x } ; flush ruleset"), id="a name that is none"),
    ],
)
def test_services_that_need_no_rules(wanted: ServiceView) -> None:
    assert rules_of(wanted, BOTH) == Table()


def test_addresses_that_are_none_never_reach_nft() -> None:
    table = rules_of(service(external_ips=("1.2.3.4; flush ruleset", "1.2.3", "01.2.3.4")), [endpoints(endpoint("}"))])
    assert {container for container, _ in table.elements} == {"cluster-ips", "refused"}


def test_each_machine_answers_dns_and_api_itself() -> None:
    elements = ruleset([], [], LAYOUT).elements
    assert elements["services", "10.43.0.10 . udp . 53"] == "goto svc/kube-system/kube-dns/udp/53"
    chains = ruleset([], [], LAYOUT).chains
    assert chains["svc/kube-system/kube-dns/udp/53"].rules == ("meta l4proto udp dnat to 10.42.1.1:53",)
    assert chains["svc/default/kubernetes/tcp/443"].rules == ("meta l4proto tcp dnat to 10.42.1.1:6444",)


def test_endpoints_of_the_built_in_services_do_not_count() -> None:
    kubernetes = service("kubernetes", ip="10.43.0.1", ports=[ServicePort(port=443, name="https")])
    listening = [EndpointPort(name="https", port=6443, protocol="TCP")]
    slices = [endpoints(endpoint("127.0.0.1"), of="kubernetes", ports=listening)]
    table = ruleset([kubernetes], slices, LAYOUT)
    assert table.chains["svc/default/kubernetes/tcp/443"].rules == ("meta l4proto tcp dnat to 10.42.1.1:6444",)


def test_udp_frontends_know_their_endpoints() -> None:
    ports = [ServicePort(port=53, name="dns", protocol="UDP", node_port=30053)]
    listening = [EndpointPort(name="dns", port=5353, protocol="UDP")]
    found = service_rules(service(type="NodePort", ports=ports), [endpoints(HERE, ports=listening)], LAYOUT).udp
    backends = frozenset({("10.42.1.2", 5353)})
    assert found == {Frontend(address="10.43.0.50", port=53): backends, Frontend(address="", port=30053): backends}


@given(clusters())
def test_every_table_is_one_that_nft_takes(cluster: tuple[list[ServiceView], list[EndpointSliceView]]) -> None:

    model = Model()
    model.apply(transaction(Table(), ruleset(*cluster, LAYOUT), "ip pilothouse"))
    assert all(rules or name.startswith("refuse") for name, rules in model.rules.items())


@given(clusters())
def test_order_of_objects_does_not_matter(cluster: tuple[list[ServiceView], list[EndpointSliceView]]) -> None:
    services, slices = cluster
    assert ruleset(services, slices[::-1], LAYOUT) == ruleset(services, slices, LAYOUT)
