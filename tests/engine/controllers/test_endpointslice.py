"""Which endpoints a Service gets."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apimachinery.objects.meta import ObjectMeta
from engine.controllers import endpointslice
from engine.controllers.actions import Action, Create, Delete, Patch
from engine.controllers.endpointslice import PER_SLICE, EndpointSlice, Service, ServicePort, ServiceSpec
from engine.controllers.views import Container, ContainerPort, Pod
from tests.engine.controllers.objects import NOW, ago, pod

PORTS = (ServicePort(name="http", port=80, target_port=8080),)


def service(ports: tuple[ServicePort, ...] = PORTS, labels: dict[str, str] | None = None, **spec: Any) -> Service:
    whole: dict[str, Any] = {"selector": {"app": "web"}, "ports": ports, **spec}
    return Service(
        metadata=ObjectMeta(name="web", namespace="default", uid="uid-web", labels=labels or {}),
        spec=ServiceSpec(**whole),
    )


def plan(wanted: Service, *pods: Pod, slices: tuple[EndpointSlice, ...] = (), **facts: Any) -> list[Action]:
    zones = facts.pop("zones", {})
    return endpointslice.plan(
        endpointslice.Observed(service=wanted, pods=pods, slices=slices, zones=zones, now=NOW, **facts)
    )


def carried_out(actions: list[Action], slices: tuple[EndpointSlice, ...] = ()) -> tuple[EndpointSlice, ...]:
    """The slices after these actions."""
    present = {piece.metadata.name: piece for piece in slices}
    for number, action in enumerate(actions):
        match action:
            case Create():
                body = {**action.body, "metadata": {**action.body["metadata"], "name": f"s{len(present)}-{number}"}}
                piece = msgspec.convert(body, EndpointSlice)
                present[piece.metadata.name] = piece
            case Patch():
                assert isinstance(action.body, dict)
                old = present[action.name]
                labels = {**old.metadata.labels, **action.body["metadata"].get("labels", {})}
                kept = {name: value for name, value in labels.items() if value is not None}
                meta = msgspec.structs.replace(old.metadata, labels=kept)
                present[action.name] = msgspec.structs.replace(
                    old, metadata=meta, endpoints=action.body["endpoints"]
                )  # fmt: skip
            case Delete():
                del present[action.name]
            case _:
                raise AssertionError(action)
    return tuple(present.values())


def endpoints(actions: list[Action]) -> list[dict[str, Any]]:
    return [endpoint for piece in carried_out(actions) for endpoint in piece.endpoints or ()]


def test_slice_names_its_service_its_manager_and_its_owner() -> None:
    (creation,) = plan(service(labels={"team": "a"}), pod("a"))
    assert isinstance(creation, Create)
    meta = creation.body["metadata"]
    assert meta["generateName"] == "web-"
    assert meta["labels"] == {
        "team": "a",
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }
    assert meta["ownerReferences"][0]["uid"] == "uid-web"
    assert creation.body["addressType"] == "IPv4"
    assert creation.body["ports"] == [{"name": "http", "protocol": "TCP", "port": 8080}]


@pytest.mark.parametrize(
    ("facts", "ready", "serving", "terminating"),
    [
        pytest.param({}, True, True, False, id="ready"),
        pytest.param({"ready": False}, False, False, False, id="not ready"),
        pytest.param({"deleting": True}, False, True, True, id="terminating but serving"),
        pytest.param({"deleting": True, "ready": False}, False, False, True, id="terminating"),
    ],
)
def test_conditions(facts: dict[str, Any], ready: bool, serving: bool, terminating: bool) -> None:
    (endpoint,) = endpoints(plan(service(), pod("a", **facts)))
    assert endpoint["conditions"] == {"ready": ready, "serving": serving, "terminating": terminating}


def test_published_not_ready_addresses_are_ready_but_tell_the_truth_about_serving() -> None:
    (endpoint,) = endpoints(plan(service(publish_not_ready_addresses=True), pod("a", ready=False)))
    assert endpoint["conditions"] == {"ready": True, "serving": False, "terminating": False}


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param({"phase": "Succeeded"}, id="ended"),
        pytest.param({"phase": "Failed"}, id="failed"),
        pytest.param({"ip": ""}, id="without an address"),
    ],
)
def test_pod_that_cannot_be_reached_has_no_endpoint(facts: dict[str, Any]) -> None:
    assert endpoints(plan(service(), pod("a", **facts))) == []


def test_endpoint_points_at_its_pod_machine_and_zone() -> None:
    (endpoint,) = endpoints(plan(service(), pod("a", node="m2"), zones={"m2": "attic"}))
    assert endpoint["nodeName"] == "m2"
    assert endpoint["zone"] == "attic"
    assert endpoint["targetRef"] == {"kind": "Pod", "namespace": "default", "name": "a", "uid": "uid-a"}


def test_hostname_of_a_pod_in_the_services_subdomain_is_told() -> None:
    inside, outside = pod("a", hostname="db-0", subdomain="web"), pod("b", hostname="db-1", subdomain="else")
    hostnames = {e["targetRef"]["name"]: e.get("hostname") for e in endpoints(plan(service(), inside, outside))}
    assert hostnames == {"a": "db-0", "b": None}


def test_named_port_is_looked_up_in_each_pod() -> None:
    named = (ServicePort(name="http", port=80, target_port="web"),)
    one = pod("a", containers=(Container(ports=(ContainerPort(8080, "web"),)),))
    other = pod("b", containers=(Container(ports=(ContainerPort(9090, "web"), ContainerPort(1, "x"))),))
    unnamed = pod("c", containers=(Container(ports=(ContainerPort(8080),)),))
    pieces = carried_out(plan(service(named), one, other, unnamed))
    found = {p["port"]: [e["targetRef"]["name"] for e in s.endpoints or ()] for s in pieces for p in s.ports or ()}
    assert found == {8080: ["a"], 9090: ["b"]}


def test_named_port_is_found_in_a_sidecar() -> None:
    named = (ServicePort(name="http", port=80, target_port="web"),)
    sidecar = Container(ports=(ContainerPort(8081, "web"),), restart_policy="Always")
    (piece,) = carried_out(plan(service(named), pod("a", init_containers=(sidecar,))))
    assert piece.ports == [{"name": "http", "protocol": "TCP", "port": 8081}]


def test_port_without_a_target_is_the_port_itself() -> None:
    (piece,) = carried_out(plan(service((ServicePort(port=80),)), pod("a")))
    assert piece.ports == [{"name": "", "protocol": "TCP", "port": 80}]


def test_headless_service_without_ports_still_has_endpoints() -> None:
    (piece,) = carried_out(plan(service((), cluster_ip="None"), pod("a")))
    assert len(piece.endpoints or ()) == 1
    assert piece.metadata.labels["service.kubernetes.io/headless"] == ""


def test_service_without_pods_has_one_empty_slice() -> None:
    (piece,) = carried_out(plan(service()))
    assert piece.endpoints == []
    assert plan(service(), slices=(piece,)) == []


@pytest.mark.parametrize("spec", [{"selector": {}}, {"type": "ExternalName"}])
def test_service_whose_endpoints_are_others_business_is_left_alone(spec: dict[str, Any]) -> None:
    assert plan(service(**spec), pod("a")) == []


def test_settled_service_plans_nothing() -> None:
    pods = (pod("a"), pod("b", ready=False))
    slices = carried_out(plan(service(), *pods))
    assert plan(service(), *pods, slices=slices) == []


def test_readiness_changes_one_slice_in_place() -> None:
    slices = carried_out(plan(service(), pod("a"), pod("b")))
    (patch,) = plan(service(), pod("a", ready=False), pod("b"), slices=slices)
    assert isinstance(patch, Patch)
    ready = {e["targetRef"]["name"]: e["conditions"]["ready"] for e in patch.body["endpoints"]}  # pyright: ignore
    assert ready == {"a": False, "b": True}


def test_changed_target_port_moves_endpoints_to_new_slices() -> None:
    slices = carried_out(plan(service(), pod("a")))
    moved = service((ServicePort(name="http", port=80, target_port=9999),))
    actions = plan(moved, pod("a"), slices=slices)
    assert {type(action) for action in actions} == {Create, Delete}


def test_slice_holds_a_hundred_endpoints_at_most() -> None:
    pods = [pod(f"p{n:03}") for n in range(250)]
    pieces = carried_out(plan(service(), *pods))
    assert [len(piece.endpoints or ()) for piece in pieces] == [100, 100, 50]


def test_labels_follow_the_service() -> None:
    slices = carried_out(plan(service(labels={"team": "a", "old": "x"}), pod("a")))
    after = carried_out(plan(service(labels={"team": "b"}), pod("a"), slices=slices), slices)
    assert after[0].metadata.labels["team"] == "b"
    assert "old" not in after[0].metadata.labels


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sets(st.integers(0, 240), max_size=240), min_size=1, max_size=4))
def test_any_succession_of_pods_ends_with_each_in_one_slice_and_rests(rounds: list[set[int]]) -> None:
    slices: tuple[EndpointSlice, ...] = ()
    for numbers in rounds:
        pods = [pod(f"p{n}", age=0) for n in numbers]
        slices = carried_out(plan(service(), *pods, slices=slices), slices)
        names = [e["targetRef"]["name"] for piece in slices for e in piece.endpoints or ()]
        assert sorted(names) == sorted(f"p{n}" for n in numbers)
        assert all(len(piece.endpoints or ()) <= PER_SLICE for piece in slices)
        assert slices
        assert plan(service(), *pods, slices=slices) == []


def test_service_that_is_going_is_left_to_the_garbage_collector() -> None:
    going = service()
    meta = msgspec.structs.replace(going.metadata, deletion_timestamp=ago(0))
    assert plan(msgspec.structs.replace(going, metadata=meta), pod("a")) == []


@pytest.mark.parametrize(
    ("distribution", "hints"),
    [
        pytest.param(None, None, id="anywhere"),
        pytest.param("PreferClose", {"forZones": [{"name": "a"}]}, id="the old name"),
        pytest.param("PreferSameZone", {"forZones": [{"name": "a"}]}, id="zone"),
        pytest.param("PreferSameNode", {"forZones": [{"name": "a"}], "forNodes": [{"name": "m1"}]}, id="machine"),
    ],
)
def test_ready_endpoints_say_whose_clients_should_come(distribution: str | None, hints: dict[str, Any] | None) -> None:
    preferring = service(traffic_distribution=distribution)
    observed = endpointslice.Observed(
        service=preferring, pods=(pod("a"), pod("b", ready=False)), slices=(), zones={"m1": "a"}, now=NOW
    )
    (piece,) = carried_out(endpointslice.plan(observed))
    assert piece.endpoints is not None
    ready, unready = piece.endpoints
    assert ready["nodeName"] == "m1"
    assert ready.get("hints") == hints
    assert "hints" not in unready
