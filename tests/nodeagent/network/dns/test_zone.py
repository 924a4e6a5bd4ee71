import pytest

from nodeagent.network.dns.directory import Directory
from nodeagent.network.dns.zone import Answer, Record, Zone
from nodeagent.network.state import ClusterState, Snapshot
from nodeagent.network.views import EndpointPort, ServicePort
from tests.nodeagent.network.objects import LAYOUT, endpoint, endpoints, http, service

POSTGRES = [EndpointPort(name="http", port=5432, protocol="TCP")]
STATE = Snapshot(
    services=(
        service(
            "web", ports=[http(), ServicePort(port=443, name="https"), ServicePort(port=53, name="d", protocol="UDP")]
        ),
        service("db", "data", ip="None", ports=[http()]),
        service("empty", "data", ip="None"),
        service("outside", ip="", ports=[], type="ExternalName", external_name="Example.com."),
        service("alias", ip="", ports=[], type="ExternalName", external_name="web.default.svc.cluster.local"),
        service("loop", ip="", ports=[], type="ExternalName", external_name="loop.default.svc.cluster.local"),
        service("dual", ip="10.43.0.60", ports=[], cluster_ips=("10.43.0.60", "fd00:43::60")),
    ),
    slices=(
        endpoints(endpoint("10.42.1.2")),
        endpoints(
            endpoint("10.42.1.5", hostname="db-0"),
            endpoint("10.42.2.5", hostname="db-1"),
            endpoint("10.42.2.6"),
            endpoint("10.42.2.7", hostname="db-2", ready=False),
            of="db",
            namespace="data",
            ports=POSTGRES,
        ),
        endpoints(
            endpoint("fd00:42::5", hostname="db-0"),
            of="db",
            namespace="data",
            suffix="v6",
            address_type="IPv6",
            ports=POSTGRES,
        ),
    ),
)


def zone(state: Snapshot | None = STATE) -> Zone:
    return Zone(
        Directory(ClusterState(state)),
        "cluster.local",
        "10.43.0.10",
        ("10.42.0.0/16", "10.43.0.0/16"),
        {name: service.cluster_ip for name, service in LAYOUT.built_in.items()},
    )


def ask(name: str, qtype: str = "A", of: Zone | None = None) -> Answer:
    answer = (of or zone()).answer(tuple(name.split(".")), qtype)
    assert answer is not None
    return answer


def data(answer: Answer) -> list[str]:
    return [record.data for record in answer.records]


@pytest.mark.parametrize(
    ("name", "qtype", "expected"),
    [
        pytest.param("web.default.svc.cluster.local", "A", ["10.43.0.50"], id="cluster IP"),
        pytest.param("web.default.svc.cluster.local", "ANY", ["10.43.0.50"], id="any is answered as A"),
        pytest.param("dual.default.svc.cluster.local", "AAAA", ["fd00:43::60"], id="second family"),
        pytest.param(
            "db.data.svc.cluster.local", "A", ["10.42.1.5", "10.42.2.5", "10.42.2.6"], id="headless, ready only"
        ),
        pytest.param("db.data.svc.cluster.local", "AAAA", ["fd00:42::5"], id="headless in the other family"),
        pytest.param("db-0.db.data.svc.cluster.local", "A", ["10.42.1.5"], id="host name of a stateful pod"),
        pytest.param("10-42-2-6.db.data.svc.cluster.local", "A", ["10.42.2.6"], id="endpoint without a host name"),
        pytest.param(
            "_http._tcp.web.default.svc.cluster.local", "SRV", ["0 100 80 web.default.svc.cluster.local"], id="SRV"
        ),
        pytest.param(
            "_http._tcp.db.data.svc.cluster.local",
            "SRV",
            [
                "0 33 5432 10-42-2-6.db.data.svc.cluster.local",
                "0 33 5432 db-0.db.data.svc.cluster.local",
                "0 33 5432 db-1.db.data.svc.cluster.local",
            ],
            id="SRV of a headless Service points at hosts and their own port",
        ),
        pytest.param("outside.default.svc.cluster.local", "CNAME", ["Example.com"], id="external name"),
        pytest.param(
            "alias.default.svc.cluster.local",
            "A",
            ["web.default.svc.cluster.local", "10.43.0.50"],
            id="external name that is inside after all",
        ),
        pytest.param("10-42-1-2.default.pod.cluster.local", "A", ["10.42.1.2"], id="pod by address"),
        pytest.param("fd00--5.default.pod.cluster.local", "AAAA", ["fd00::5"], id="pod by IPv6 address"),
        pytest.param("dns-version.cluster.local", "TXT", ["1.1.0"], id="version of the specification"),
        pytest.param("cluster.local", "NS", ["ns.dns.cluster.local"], id="name server"),
        pytest.param("ns.dns.cluster.local", "A", ["10.43.0.10"], id="the name server's address"),
        pytest.param("50.0.43.10.in-addr.arpa", "PTR", ["web.default.svc.cluster.local"], id="reverse of a cluster IP"),
        pytest.param("5.1.42.10.in-addr.arpa", "PTR", ["db-0.db.data.svc.cluster.local"], id="reverse of an endpoint"),
        pytest.param("kubernetes.default.svc.cluster.local", "A", ["10.43.0.1"], id="built in, before it is known"),
    ],
)
def test_names_that_have_records(name: str, qtype: str, expected: list[str]) -> None:
    assert data(ask(name, qtype)) == expected


@pytest.mark.parametrize(
    ("name", "qtype"),
    [
        pytest.param("web.default.svc.cluster.local", "AAAA", id="no address of that family"),
        pytest.param("web.default.svc.cluster.local", "MX", id="a type that nothing has"),
        pytest.param("_http._tcp.web.default.svc.cluster.local", "A", id="address of a port"),
        pytest.param("_tcp.web.default.svc.cluster.local", "SRV", id="above the ports"),
        pytest.param("empty.data.svc.cluster.local", "A", id="headless without endpoints"),
        pytest.param("data.svc.cluster.local", "A", id="a namespace"),
        pytest.param("svc.cluster.local", "A", id="above all namespaces"),
        pytest.param("default.pod.cluster.local", "A", id="a namespace of pods"),
        pytest.param("cluster.local", "A", id="the domain itself"),
        pytest.param("50.0.43.10.in-addr.arpa", "A", id="address of a reverse name"),
    ],
)
def test_names_that_exist_without_such_records_are_nodata(name: str, qtype: str) -> None:
    answer = ask(name, qtype)
    assert answer.exists
    assert answer.records == ()


@pytest.mark.parametrize(
    "name",
    [
        "nothing.default.svc.cluster.local",
        "web.nowhere.svc.cluster.local",
        "nowhere.svc.cluster.local",
        "_smtp._tcp.web.default.svc.cluster.local",
        "_http._udp.web.default.svc.cluster.local",
        "db-2.db.data.svc.cluster.local",
        "db-9.db.data.svc.cluster.local",
        "a.b.c.web.default.svc.cluster.local",
        "not-an-address.default.pod.cluster.local",
        "example.com.default.svc.cluster.local",
        "elsewhere.cluster.local",
        "99.9.42.10.in-addr.arpa",
    ],
)
def test_names_that_do_not_exist(name: str) -> None:
    answer = ask(name)
    assert not answer.exists
    assert answer.records == ()


@pytest.mark.parametrize("name", ["example.com", "local", "mycluster.local", "4.4.8.8.in-addr.arpa", "in-addr.arpa"])
def test_names_outside_are_not_ours(name: str) -> None:
    assert zone().answer(tuple(name.split(".")), "A") is None


def test_an_external_name_outside_is_to_be_followed() -> None:
    answer = ask("outside.default.svc.cluster.local")
    assert answer.records == (Record("outside.default.svc.cluster.local", "CNAME", "Example.com"),)
    assert answer.follow == "Example.com"


def test_external_names_one_behind_the_other_are_all_told() -> None:
    state = Snapshot(
        services=(
            *STATE.services,
            service("two", ip="", type="ExternalName", external_name="alias.default.svc.cluster.local"),
        )
    )
    assert data(ask("two.default.svc.cluster.local", of=zone(state))) == [
        "alias.default.svc.cluster.local",
        "web.default.svc.cluster.local",
        "10.43.0.50",
    ]


@pytest.mark.parametrize("target", ["", "a..b", "x" * 64, "é.example"])
def test_an_external_name_that_is_no_name_is_nodata(target: str) -> None:
    state = Snapshot(services=(service("bad", ip="", type="ExternalName", external_name=target),))
    answer = ask("bad.default.svc.cluster.local", "CNAME", of=zone(state))
    assert (answer.exists, answer.records) == (True, ())


def test_an_external_name_that_points_at_itself_ends() -> None:
    assert data(ask("loop.default.svc.cluster.local")) == ["loop.default.svc.cluster.local"]


def test_srv_brings_the_addresses_of_its_targets() -> None:
    additional = ask("_http._tcp.db.data.svc.cluster.local", "SRV").additional
    assert ("db-0.db.data.svc.cluster.local", "A", "10.42.1.5") in [(r.name, r.type, r.data) for r in additional]


def test_changes_show_at_the_next_question() -> None:
    state = ClusterState(STATE)
    directory = Directory(state)
    state.on_service(directory.changed)
    changing = Zone(directory, "cluster.local", "10.43.0.10", (), {})
    before = changing.generation
    old = state.services["default/web"]
    state.service_changed(old, None)
    state.service_changed(None, service("new", ip="10.43.0.77"))
    state.slice_changed(None, endpoints(endpoint("10.42.1.9"), of="db", namespace="data", suffix="more"))
    assert changing.generation > before
    assert not ask("web.default.svc.cluster.local", of=changing).exists
    assert data(ask("new.default.svc.cluster.local", of=changing)) == ["10.43.0.77"]
    assert "10.42.1.9" in data(ask("db.data.svc.cluster.local", of=changing))
    assert directory.by_address("10.43.0.50") == []
