"""Services: what they take from the pools, what stays over updates, what is refused, and their columns."""

import copy
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from apimachinery.objects.errors import InternalError, Invalid
from engine.apiserver.allocators import AddressPool, Pool, note_service
from engine.apiserver.registry import strategy
from engine.apiserver.registry.core.service import SERVICE, ServiceRow
from engine.apiserver.registry.kind import Context


class Cluster:
    """The two pools, and the context of one request after another."""

    def __init__(self) -> None:
        self.addresses = AddressPool("10.43.0.0/16")
        self.ports = Pool(30000, 32767)

    def context(self) -> Context:
        return Context(now=datetime(2026, 1, 1, tzinfo=UTC), service_ips=self.addresses, node_ports=self.ports)

    def create(self, obj: dict[str, Any]) -> dict[str, Any]:
        context = self.context()
        strategy.admit_create(SERVICE, obj, "default", context)
        try:
            strategy.prepare_create(SERVICE, obj, context)
        except Exception:
            context.rolled_back()
            raise
        return self.stored(context, None, obj)

    def update(self, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
        context = self.context()
        strategy.admit_update(SERVICE, new, old, "default", context)
        try:
            strategy.prepare_update(SERVICE, new, old, context)
        except Exception:
            context.rolled_back()
            raise
        return self.stored(context, old, new)

    def delete(self, obj: dict[str, Any]) -> None:
        context = self.context()
        SERVICE.after_delete(obj, context)
        self.stored(context, obj, None)

    def stored(self, context: Context, before: Any, after: Any) -> Any:
        """What the store tells the pools, and then the strategy."""
        old, new = (None if obj is None else msgspec.json.encode(obj) for obj in (before, after))
        note_service(self.addresses, self.ports, "web", old, new)
        context.committed()
        return after


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def service(ports: Any = ({"port": 80},), **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"ports": copy.deepcopy(list(ports)), **spec},
    }


def test_a_plain_service_gets_an_address_and_its_defaults(cluster: Cluster) -> None:
    spec = cluster.create(service(selector={"app": "web"}))["spec"]
    address = spec.pop("clusterIP")
    assert spec == {
        "clusterIPs": [address],
        "internalTrafficPolicy": "Cluster",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
        "selector": {"app": "web"},
        "sessionAffinity": "None",
        "type": "ClusterIP",
    }
    assert not cluster.addresses.allocate(address)


def test_a_deleted_service_gives_back_what_it_held(cluster: Cluster) -> None:
    obj = cluster.create(service(type="NodePort"))
    address, port = obj["spec"]["clusterIP"], obj["spec"]["ports"][0]["nodePort"]
    cluster.delete(obj)
    assert cluster.addresses.allocate(address)
    assert cluster.ports.allocate(str(port))


def test_a_refused_service_leaves_nothing_taken(cluster: Cluster) -> None:
    cluster.create(service(type="NodePort", ports=[{"port": 80, "nodePort": 30080}]))
    with pytest.raises(
        Invalid, match=r"spec.ports\[0\].nodePort: Invalid value: 30080: provided port is already allocated"
    ):
        cluster.create(service(type="NodePort", clusterIP="10.43.0.77", ports=[{"port": 80, "nodePort": 30080}]))
    assert cluster.addresses.allocate("10.43.0.77")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param({"clusterIP": "10.1.2.3"}, "spec.clusterIPs: Invalid value: [\"10.1.2.3\"]: failed to allocate IP 10.1.2.3: the provided network does not match the current range", id="address-out-of-range"),
        pytest.param({"clusterIP": "nonsense"}, "spec.clusterIPs[0]: Invalid value: \"nonsense\": must be a valid IP address", id="no-address"),
        pytest.param({"type": "NodePort", "ports": [{"port": 80, "nodePort": 80}]}, "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767", id="node-port-out-of-range"),
        pytest.param({"ports": [{"port": 80, "nodePort": 30001}]}, "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'", id="node-port-without-type"),
        pytest.param({"type": "Magic"}, 'spec.type: Unsupported value: "Magic": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"', id="type"),
        pytest.param({"ports": []}, "spec.ports: Required value", id="no-ports"),
        pytest.param({"ports": [{"port": 1}, {"port": 2}]}, "spec.ports[0].name: Required value", id="unnamed-ports"),
        pytest.param({"ports": [{"port": 1, "name": "a"}, {"port": 2, "name": "a"}]}, 'spec.ports[1].name: Duplicate value: "a"', id="name-twice"),
        pytest.param({"ports": [{"port": 0}]}, "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive", id="port"),
        pytest.param({"type": "ExternalName", "ports": []}, "spec.externalName: Required value", id="external-name"),
        pytest.param({"type": "NodePort", "clusterIP": "None"}, "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services", id="headless-node-port"),
        pytest.param({"externalTrafficPolicy": "Local"}, 'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services', id="traffic-policy"),
        pytest.param({"sessionAffinity": "Cookie"}, 'spec.sessionAffinity: Unsupported value: "Cookie": supported values: "ClientIP", "None"', id="affinity"),
    ],
)  # fmt: skip
def test_broken_rules_are_named_in_upstreams_words(cluster: Cluster, spec: dict[str, Any], message: str) -> None:
    with pytest.raises(Invalid) as raised:
        cluster.create(service(**spec))
    assert message in raised.value.message


def test_headless_and_external_services_take_nothing(cluster: Cluster) -> None:
    headless = cluster.create(service(clusterIP="None"))["spec"]
    assert (headless["clusterIP"], headless["clusterIPs"]) == ("None", ["None"])
    assert "clusterIP" not in cluster.create(service(type="ExternalName", externalName="db.example.com."))["spec"]


def test_dns_gets_one_node_port_for_both_protocols(cluster: Cluster) -> None:
    ports = [{"port": 53, "protocol": protocol, "name": protocol.lower()} for protocol in ("UDP", "TCP")]
    given = cluster.create(service(type="NodePort", ports=ports))["spec"]["ports"]
    assert given[0]["nodePort"] == given[1]["nodePort"]


def test_an_update_that_says_nothing_of_addresses_keeps_them(cluster: Cluster) -> None:
    old = cluster.create(service(type="NodePort"))
    new = cluster.update(old, service(type="NodePort", ports=[{"port": 81}]))
    assert new["spec"]["clusterIP"] == old["spec"]["clusterIP"]
    assert new["spec"]["ports"][0]["nodePort"] == old["spec"]["ports"][0]["nodePort"]


def test_the_address_of_a_service_may_not_change(cluster: Cluster) -> None:
    old = cluster.create(service())
    new = copy.deepcopy(old)
    new["spec"]["clusterIP"] = "10.43.0.99"
    with pytest.raises(
        Invalid, match=r'spec.clusterIPs\[0\]: Invalid value: \["10.43.0.99"\]: may not change once set'
    ):
        cluster.update(old, new)


def test_becoming_a_cluster_ip_service_gives_the_node_port_back(cluster: Cluster) -> None:
    old = cluster.create(service(type="NodePort"))
    port = old["spec"]["ports"][0]["nodePort"]
    new = copy.deepcopy(old)
    new["spec"]["type"] = "ClusterIP"
    changed = cluster.update(old, new)["spec"]
    assert "nodePort" not in changed["ports"][0]
    assert "externalTrafficPolicy" not in changed
    assert cluster.ports.allocate(str(port))


def test_becoming_external_gives_the_address_back(cluster: Cluster) -> None:
    old = cluster.create(service())
    address = old["spec"]["clusterIP"]
    new = copy.deepcopy(old)
    new["spec"] |= {"type": "ExternalName", "externalName": "example.com"}
    assert "clusterIP" not in cluster.update(old, new)["spec"]
    assert cluster.addresses.allocate(address)


def test_an_exhausted_pool_is_told(cluster: Cluster) -> None:
    cluster.ports = Pool(30000, 30000)
    cluster.create(service(type="NodePort"))
    with pytest.raises(InternalError, match="failed to allocate a nodePort: range is full"):
        cluster.create(service(type="NodePort"))


@pytest.mark.parametrize(
    ("spec", "status", "expected"),
    [
        pytest.param({"type": "ClusterIP", "clusterIP": "10.43.0.1", "ports": [{"port": 443, "protocol": "TCP"}]}, {}, ("10.43.0.1", "<none>", "443/TCP"), id="cluster-ip"),
        pytest.param({"type": "NodePort", "clusterIP": "10.43.0.1", "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]}, {}, ("10.43.0.1", "<none>", "80:30080/TCP,53/UDP"), id="node-port"),
        pytest.param({"type": "LoadBalancer", "clusterIP": "10.43.0.1"}, {}, ("10.43.0.1", "<pending>", "<none>"), id="pending"),
        pytest.param({"type": "LoadBalancer", "clusterIP": "10.43.0.1", "externalIPs": ["1.1.1.1"]}, {"loadBalancer": {"ingress": [{"ip": "2.2.2.2"}]}}, ("10.43.0.1", "2.2.2.2,1.1.1.1", "<none>"), id="balanced"),
        pytest.param({"type": "ExternalName", "externalName": "example.com"}, {}, ("<none>", "example.com", "<none>"), id="external"),
    ],
)  # fmt: skip
def test_columns_read_as_kubectl_prints_them(spec: Any, status: Any, expected: tuple[str, str, str]) -> None:
    obj = {"metadata": {"name": "web"}, "spec": spec, "status": status}
    view = msgspec.json.decode(msgspec.json.encode(obj), type=ServiceRow)
    printed = {column.name: column.cell(view) for column in SERVICE.columns}
    assert (printed["Cluster-IP"], printed["External-IP"], printed["Port(s)"]) == expected
