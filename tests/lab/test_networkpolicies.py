"""Network policies on three machines with real containers, as the documentation's page on them has it."""

import json
from collections.abc import Iterator

import pytest

from tests.lab.cluster import REPOSITORY, Cluster, eventually

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]

MANIFEST = REPOSITORY / "tests/lab/data/networkpolicies.yaml"
SHOP, GUESTS = "shop", "guests"
DOCUMENTED = {
    "podSelector": {"matchLabels": {"role": "db"}},
    "policyTypes": ["Ingress", "Egress"],
    "ingress": [
        {
            "from": [
                {"ipBlock": {"cidr": "172.17.0.0/16", "except": ["172.17.1.0/24"]}},
                {"namespaceSelector": {"matchLabels": {"project": "myproject"}}},
                {"podSelector": {"matchLabels": {"role": "frontend"}}},
            ],
            "ports": [{"protocol": "TCP", "port": 6379}],
        }
    ],
    "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/24"}}], "ports": [{"protocol": "TCP", "port": 5978}]}],
}


@pytest.fixture(scope="module")
def shop(cluster: Cluster) -> Iterator[Cluster]:
    cluster.kubectl("apply", "-f", str(MANIFEST))
    cluster.kubectl("rollout", "status", "-n", SHOP, "daemonset/db", "--timeout=60s", timeout=70)
    cluster.kubectl("wait", "-n", SHOP, "--for=condition=Ready", "pod/frontend", "pod/stranger", "--timeout=60s")
    cluster.kubectl("wait", "-n", GUESTS, "--for=condition=Ready", "pod/guest", "--timeout=60s")
    yield cluster
    cluster.kubectl("delete", "namespace", SHOP, GUESTS, "--timeout=60s", timeout=70)


@pytest.fixture(autouse=True)
def without_policies(shop: Cluster) -> Iterator[None]:
    yield
    shop.kubectl("delete", "networkpolicies", "-n", SHOP, "--all")


def decree(cluster: Cluster, name: str, spec: dict) -> None:
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name}, "spec": spec}
    cluster.kubectl("apply", "-n", SHOP, "-f", "-", stdin=json.dumps(policy))


def reaches(cluster: Cluster, name: str, address: str, namespace: str = SHOP) -> bool:
    fetch = ["timeout", "1", "wget", "-q", "-O-", f"http://{address}/"]
    done = cluster.try_kubectl("exec", "-n", namespace, name, "--", *fetch)
    assert done.stdout in {"open\n", ""}, done
    return done.stdout == "open\n"


def everywhere(cluster: Cluster, name: str, namespace: str = SHOP) -> list[bool]:
    """Whether the pod reaches each machine's db."""
    addresses = [pod["status"]["podIP"] for pod in cluster.pods("role=db", SHOP)]
    return [reaches(cluster, name, f"{address}:6379", namespace) for address in addresses]


def test_the_documented_policy_lets_in_whom_it_names(shop: Cluster) -> None:
    assert everywhere(shop, "stranger") == [True] * 3
    decree(shop, "test-network-policy", DOCUMENTED)
    assert eventually(lambda: everywhere(shop, "stranger") == [False] * 3, within=10)
    assert everywhere(shop, "frontend") == [True] * 3
    assert everywhere(shop, "guest", GUESTS) == [True] * 3
    assert reaches(shop, "frontend", "db"), "by the Service's name"
    one, *_, another = shop.pods("role=db", SHOP)
    assert not reaches(shop, one["metadata"]["name"], f"{another['status']['podIP']}:6379"), "its egress is shut"


def test_default_deny_and_allow_all_of_the_documentation(shop: Cluster) -> None:
    decree(shop, "default-deny-ingress", {"podSelector": {}, "policyTypes": ["Ingress"]})
    assert eventually(lambda: everywhere(shop, "frontend") == [False] * 3, within=10)
    ready = shop.pods("role=db", SHOP)
    assert all(c["status"] == "True" for pod in ready for c in pod["status"]["conditions"]), "probes pass all the same"
    decree(shop, "allow-all-ingress", {"podSelector": {}, "ingress": [{}], "policyTypes": ["Ingress"]})
    assert eventually(lambda: everywhere(shop, "guest", GUESTS) == [True] * 3, within=10)


def test_labels_of_pods_and_namespaces_count_from_the_moment_they_change(shop: Cluster) -> None:
    decree(shop, "test-network-policy", DOCUMENTED)
    assert eventually(lambda: everywhere(shop, "stranger") == [False] * 3, within=10)
    shop.kubectl("label", "pod", "-n", SHOP, "stranger", "role=frontend")
    try:
        assert eventually(lambda: everywhere(shop, "stranger") == [True] * 3, within=10)
        shop.kubectl("label", "namespace", GUESTS, "project-")
        assert eventually(lambda: everywhere(shop, "guest", GUESTS) == [False] * 3, within=10)
    finally:
        shop.kubectl("label", "pod", "-n", SHOP, "stranger", "role-")
        shop.kubectl("label", "namespace", GUESTS, "project=myproject", "--overwrite")


def test_a_pod_is_shut_from_its_first_instruction_on(shop: Cluster) -> None:
    decree(shop, "deny-egress", {"podSelector": {"matchLabels": {"kept": "in"}}, "policyTypes": ["Egress"]})
    target = shop.pods("role=db", SHOP)[0]["status"]["podIP"]
    script = f"timeout 1 wget -q -O- http://{target}:6379/ 2>/dev/null || echo shut"
    for number in range(3):
        name = f"early-{number}"
        spec = {
            "containers": [{"name": "c", "image": "busybox", "command": ["sh", "-c", script]}],
            "restartPolicy": "Never",
        }
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"kept": "in"}}, "spec": spec}
        shop.kubectl("apply", "-n", SHOP, "-f", "-", stdin=json.dumps(pod))
    for number in range(3):
        name = f"early-{number}"
        shop.kubectl("wait", "-n", SHOP, "--for=jsonpath={.status.phase}=Succeeded", f"pod/{name}", "--timeout=30s")
        assert shop.kubectl("logs", "-n", SHOP, name).splitlines()[-1] == "shut"
