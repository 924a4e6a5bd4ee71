"""What the Endpoints controller plans."""

from typing import Any

from apimachinery.objects.meta import ObjectMeta
from engine.controllers import endpoints
from engine.controllers.actions import Action, Create, Delete, Patch
from engine.controllers.endpoints import Endpoints
from engine.controllers.endpointslice import EndpointSlice, Service, ServicePort, ServiceSpec
from tests.engine.controllers.objects import NOW

PORTS = [{"name": "http", "protocol": "TCP", "port": 8080}]


def service(**spec: Any) -> Service:
    return Service(
        metadata=ObjectMeta(name="web", namespace="default", labels={"app": "web"}),
        spec=ServiceSpec(selector={"app": "web"}, ports=(ServicePort(port=80),), **spec),
    )


def endpoint(ip: str, *, ready: bool = True, terminating: bool = False) -> dict[str, Any]:
    conditions = {"ready": ready and not terminating, "serving": ready, "terminating": terminating}
    return {"addresses": [ip], "conditions": conditions, "nodeName": "m1", "targetRef": {"kind": "Pod", "name": ip}}


def piece(*found: dict[str, Any], name: str = "web-1", ports: list[dict[str, Any]] | None = None) -> EndpointSlice:
    return EndpointSlice(metadata=ObjectMeta(name=name), endpoints=list(found), ports=PORTS if ports is None else ports)


def plan(of: Service | None, *slices: EndpointSlice, present: Endpoints | None = None) -> list[Action]:
    return endpoints.plan(endpoints.Observed(service=of, slices=slices, endpoints=present, now=NOW))


def test_slices_become_one_object() -> None:
    (create,) = plan(
        service(),
        piece(endpoint("10.0.0.2"), endpoint("10.0.0.1")),
        piece(endpoint("10.0.0.3", ready=False), endpoint("10.0.0.4", terminating=True), name="web-2"),
    )
    assert isinstance(create, Create)
    meta = create.body["metadata"]
    assert meta["name"] == "web"
    assert meta["labels"] == {"app": "web", "endpoints.kubernetes.io/managed-by": "endpoint-controller"}
    (subset,) = create.body["subsets"]
    assert [address["ip"] for address in subset["addresses"]] == ["10.0.0.1", "10.0.0.2"]
    assert [address["ip"] for address in subset["notReadyAddresses"]] == ["10.0.0.3"]
    assert subset["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]


def test_settled_object_is_left_alone_and_a_stale_one_rewritten() -> None:
    slices = piece(endpoint("10.0.0.1"))
    (create,) = plan(service(), slices)
    assert isinstance(create, Create)
    meta = ObjectMeta(name="web", namespace="default", labels=create.body["metadata"]["labels"])
    settled = Endpoints(metadata=meta, subsets=create.body["subsets"])
    assert plan(service(), slices, present=settled) == []
    (patch,) = plan(service(), piece(endpoint("10.0.0.9")), present=settled)
    assert isinstance(patch, Patch)
    assert patch.body["subsets"][0]["addresses"][0]["ip"] == "10.0.0.9"  # pyright: ignore


def test_ports_that_differ_make_subsets_of_their_own() -> None:
    other = [{"name": "http", "protocol": "TCP", "port": 9090}]
    (create,) = plan(service(), piece(endpoint("10.0.0.1")), piece(endpoint("10.0.0.2"), name="web-2", ports=other))
    assert isinstance(create, Create)
    assert [subset["ports"][0]["port"] for subset in create.body["subsets"]] == [8080, 9090]


def test_no_more_addresses_than_the_kind_may_hold() -> None:
    many = [endpoint(f"10.0.{n // 250}.{n % 250}") for n in range(1001)]
    subsets, truncated = endpoints.subsets_of([piece(*many)])
    assert (sum(len(subset["addresses"]) for subset in subsets), truncated) == (1000, True)


def test_service_without_selector_is_left_to_its_owner() -> None:
    alone = Service(metadata=ObjectMeta(name="web", namespace="default"))
    assert plan(alone, present=Endpoints(metadata=ObjectMeta(name="web"))) == []


def test_object_of_a_service_that_is_gone_is_deleted_if_it_is_ours() -> None:
    ours = Endpoints(
        metadata=ObjectMeta(name="web", labels={"endpoints.kubernetes.io/managed-by": "endpoint-controller"})
    )
    assert isinstance(plan(None, present=ours)[0], Delete)
    assert plan(None, present=Endpoints(metadata=ObjectMeta(name="web"))) == []
