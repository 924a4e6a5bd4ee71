"""Which IPAddress objects there are, and what mends them."""

from typing import Any

import pytest

from apimachinery.objects.meta import ObjectMeta, format_time
from engine.controllers import ipaddress
from engine.controllers.actions import Action, Create, Delete, Emit
from engine.controllers.endpointslice import Service, ServiceSpec
from engine.controllers.ipaddress import ALLOCATOR, FAMILY, MANAGED_BY, IPAddress, IPAddressSpec, Observed, Parent
from tests.engine.controllers.objects import NOW

IP = "10.43.0.7"
OURS = {MANAGED_BY: ALLOCATOR, FAMILY: "IPv4"}
LONG_AGO = "2020-01-01T00:00:00Z"


def service(name: str, made: str = "") -> Service:
    meta = ObjectMeta(name=name, namespace="default", creation_timestamp=made or format_time(NOW))
    return Service(metadata=meta, spec=ServiceSpec(cluster_ip=IP))


def entry(name: str = "web", resource: str = "services", labels: Any = OURS) -> IPAddress:
    parent = Parent(resource=resource, namespace="default", name=name)
    return IPAddress(metadata=ObjectMeta(name=IP, uid="u", labels=dict(labels)), spec=IPAddressSpec(parent_ref=parent))


def shown(action: Action) -> str:
    match action:
        case Create():
            parent = action.body["spec"]["parentRef"]
            assert action.body["metadata"] == {"name": IP, "labels": OURS}
            return f"make for {parent['resource']} {parent['namespace']}/{parent['name']}"
        case Delete():
            return f"delete {action.name}"
        case Emit():
            return f"{action.note.reason} {action.note.about.name}"
        case _:
            raise AssertionError(action)


WEB, OLD, TWIN = service("web"), service("web", LONG_AGO), service("twin", LONG_AGO)


@pytest.mark.parametrize(
    ("found", "services", "in_range", "expected"),
    [
        pytest.param(None, [WEB], True, ["make for services default/web"], id="a new Service"),
        pytest.param(None, [OLD], True, ["ClusterIPNotAllocated web", "make for services default/web"], id="lost"),
        pytest.param(entry(), [WEB], True, [], id="settled"),
        pytest.param(entry(), [], True, [f"delete {IP}"], id="the Service is gone"),
        pytest.param(entry(labels={}), [], True, [], id="somebody else's"),
        pytest.param(
            entry(resource="pods"), [], True, ["IPAddressNotAllocated 10.43.0.7", f"delete {IP}"], id="turned away"
        ),
        pytest.param(
            entry("other"), [WEB], True, ["ClusterIPNotAllocated web", f"delete {IP}"], id="of a Service without it"
        ),
        pytest.param(
            entry(resource="gateways"), [WEB], True, ["ClusterIPNotAllocated web", f"delete {IP}"], id="of no Service"
        ),
        pytest.param(entry(labels={FAMILY: "IPv4"}), [WEB], True, [f"delete {IP}"], id="without its label"),
        pytest.param(entry(), [OLD, TWIN], True, ["ClusterIPAlreadyAllocated twin"], id="two Services"),
        pytest.param(None, [WEB], False, ["ClusterIPOutOfRange web"], id="out of range"),
    ],
)
def test_objects_follow_the_services(found: Any, services: Any, in_range: bool, expected: list[str]) -> None:
    observed = Observed(address=IP, entry=found, services=tuple(services), in_range=in_range, now=NOW)
    assert [shown(action) for action in ipaddress.plan(observed)] == expected
