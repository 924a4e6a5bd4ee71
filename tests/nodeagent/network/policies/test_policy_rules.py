import msgspec
import pytest

from nodeagent.network.policies.rules import base, pod_rules, policy_rules
from nodeagent.network.policies.views import ContainerPort, PodSpec, PodStatus
from tests.nodeagent.network.policies.objects import known, namespace, pod, policy

WEB = pod("web", "10.42.1.2", ports=[ContainerPort(container_port=8080, name="http")])
API = pod("api", "10.42.1.3", tier="back")
FAR = pod("far", "10.42.2.2", "other", ports=[ContainerPort(container_port=9090, name="http")])
KNOWN = known([WEB, API, FAR], namespace("other", team="x"))
IN, OUT = "np-in/default/p", "np-eg/default/p"


def ingress(*rules: dict, **more) -> dict:
    return {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": list(rules)} | more


def egress(*rules: dict) -> dict:
    return {"podSelector": {}, "policyTypes": ["Egress"], "egress": list(rules)}


@pytest.mark.parametrize(
    ("spec", "rules", "elements"),
    [
        pytest.param(ingress(), {IN: ()}, {}, id="default deny"),
        pytest.param(ingress({}), {IN: ("accept",)}, {}, id="allow all"),
        pytest.param({"podSelector": {}}, {IN: ()}, {}, id="ingress where no type is named"),
        pytest.param(
            {"podSelector": {}, "egress": [{}]}, {IN: (), OUT: ("accept",)}, {}, id="egress too where it has rules"
        ),
        pytest.param(
            ingress({"from": [{"podSelector": {"matchLabels": {"app": "api"}}}]}),
            {IN: (f"ip saddr @{IN}/0 accept",)},
            {(f"{IN}/0", "10.42.1.3"): ""},
            id="pods of the own namespace",
        ),
        pytest.param(
            ingress({"from": [{"namespaceSelector": {"matchLabels": {"team": "x"}}}]}),
            {IN: (f"ip saddr @{IN}/0 accept",)},
            {(f"{IN}/0", "10.42.2.2"): ""},
            id="all pods of other namespaces",
        ),
        pytest.param(
            ingress({"from": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "web"}}}]}),
            {IN: (f"ip saddr @{IN}/0 accept",)},
            {(f"{IN}/0", "10.42.1.2"): ""},
            id="some pods of any namespace",
        ),
        pytest.param(
            ingress({"from": [{"ipBlock": {"cidr": "172.17.0.0/16", "except": ["172.17.1.0/24", "172.17.1.0/25"]}}]}),
            {IN: ("ip saddr 172.17.0.0/16 ip saddr != { 172.17.1.0/24 } accept",)},
            {},
            id="a block with holes",
        ),
        pytest.param(
            ingress({"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}), {IN: ("accept",)}, {}, id="the whole internet"
        ),
        pytest.param(
            ingress({"from": [{"ipBlock": {"cidr": "2001:db8::/32"}}]}), {IN: ()}, {}, id="a block that is not ours"
        ),
        pytest.param(
            ingress({"ports": [{"port": 80}, {"port": 53, "protocol": "UDP"}, {"port": 32000, "endPort": 32768}]}),
            {
                IN: (
                    "meta l4proto tcp th dport 80 accept",
                    "meta l4proto udp th dport 53 accept",
                    "meta l4proto tcp th dport 32000-32768 accept",
                )
            },
            {},
            id="ports and ranges from anywhere",
        ),
        pytest.param(
            ingress({"ports": [{"protocol": "UDP"}]}), {IN: ("meta l4proto udp accept",)}, {}, id="a whole protocol"
        ),
        pytest.param(
            ingress({"ports": [{"port": "http"}]}),
            {IN: (f"ip daddr . meta l4proto . th dport @{IN}/0/tcp/http accept",)},
            {(f"{IN}/0/tcp/http", "10.42.1.2 . tcp . 8080"): ""},
            id="a port by the name that the selected pods give it",
        ),
        pytest.param(
            egress({"to": [{"namespaceSelector": {}}], "ports": [{"port": "http"}]}),
            {OUT: (f"ip daddr @{OUT}/0 ip daddr . meta l4proto . th dport @{OUT}/0/tcp/http accept",)},
            {
                (f"{OUT}/0", "10.42.1.2"): "",
                (f"{OUT}/0", "10.42.1.3"): "",
                (f"{OUT}/0", "10.42.2.2"): "",
                (f"{OUT}/0/tcp/http", "10.42.1.2 . tcp . 8080"): "",
                (f"{OUT}/0/tcp/http", "10.42.2.2 . tcp . 9090"): "",
            },
            id="a port by the name that each destination gives it",
        ),
        pytest.param(
            egress(
                {
                    "to": [{"ipBlock": {"cidr": "10.0.0.0/24"}}, {"podSelector": {"matchLabels": {"app": "api"}}}],
                    "ports": [{"port": 5978}],
                }
            ),
            {
                OUT: (
                    f"ip daddr @{OUT}/0 meta l4proto tcp th dport 5978 accept",
                    "ip daddr 10.0.0.0/24 meta l4proto tcp th dport 5978 accept",
                )
            },
            {(f"{OUT}/0", "10.42.1.3"): ""},
            id="each peer with each port",
        ),
    ],
)
def test_a_policy_accepts_what_it_says(spec: dict, rules: dict, elements: dict) -> None:
    table = policy_rules(policy(spec), KNOWN)
    assert {name: chain.rules for name, chain in table.chains.items()} == rules
    assert table.elements == elements


def test_a_selected_pod_is_shut_but_for_itself_and_its_policies() -> None:
    policies = [policy(ingress(), "b"), policy(egress(), "c"), policy({"podSelector": {}, "egress": [{}]}, "a")]
    table = pod_rules(WEB, policies)
    assert {name: chain.rules for name, chain in table.chains.items()} == {
        "in/default/web": (
            "ip saddr 10.42.1.2 accept",
            "jump np-in/default/a",
            "jump np-in/default/b",
            "drop",
        ),
        "eg/default/web": (
            "ip daddr 10.42.1.2 accept",
            "jump np-eg/default/a",
            "jump np-eg/default/c",
            "drop",
        ),
    }
    assert table.elements == {
        ("pod-ingress", "10.42.1.2"): "goto in/default/web",
        ("pod-egress", "10.42.1.2"): "goto eg/default/web",
    }


@pytest.mark.parametrize(
    ("spec", "namespace"),
    [
        pytest.param({"podSelector": {"matchLabels": {"app": "api"}}}, "default", id="other labels"),
        pytest.param({"podSelector": {}}, "other", id="another namespace"),
        pytest.param(
            {"podSelector": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}},
            "default",
            id="an expression",
        ),
    ],
)
def test_a_pod_that_no_policy_selects_stays_open(spec: dict, namespace: str) -> None:
    assert not pod_rules(WEB, [policy(spec, namespace=namespace)]).chains


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param(
            {"status": PodStatus(phase="Succeeded", pod_ip="10.42.1.2")}, id="ended: its address is free again"
        ),
        pytest.param({"spec": PodSpec(host_network=True)}, id="on its machine's network"),
        pytest.param({"status": PodStatus(phase="Pending")}, id="without an address yet"),
    ],
)
def test_a_pod_without_an_address_of_its_own_is_nobodys_peer_and_not_shut(changes: dict) -> None:

    gone = msgspec.structs.replace(WEB, **changes)
    assert not pod_rules(gone, [policy(ingress())]).chains
    table = policy_rules(policy(ingress({"from": [{"podSelector": {}}]})), known([gone, API]))
    assert table.elements == {(f"{IN}/0", "10.42.1.3"): ""}


def test_a_name_too_long_for_the_kernel_is_shortened_and_stays_its_own() -> None:
    one, two = (policy(ingress(), name=f"{'x' * 240}-{number}") for number in (1, 2))
    names = [next(iter(policy_rules(p, KNOWN).chains)) for p in (one, two)]
    assert len(set(names)) == 2
    assert max(map(len, names)) < 60
    assert f"jump {names[0]}" in pod_rules(WEB, [one]).chains["in/default/web"].rules


def test_without_policies_nothing_is_shut() -> None:
    assert not base().elements
