"""Which Services get which addresses."""

from typing import Any

import pytest

from apimachinery.objects.meta import ObjectMeta
from engine.controllers import loadbalancer
from engine.controllers.actions import Emit, SetStatus
from engine.controllers.endpointslice import Ingress, LoadBalancerStatus, Service, ServiceSpec, ServiceStatus
from engine.controllers.loadbalancer import Pool

POOL = ("10.0.0.1-10.0.0.2", "10.1.0.0/31")


def service(name: str, *ips: str, kind: str = "LoadBalancer", **spec: Any) -> Service:
    return Service(
        metadata=ObjectMeta(name=name, namespace="default", resource_version="1"),
        spec=ServiceSpec(type=kind, **spec),
        status=ServiceStatus(load_balancer=LoadBalancerStatus(ingress=tuple(Ingress(ip=ip) for ip in ips))),
    )


def given(*services: Service) -> dict[str, Any]:
    """By Service the address it gets, None where it loses its own, a reason where it gets none."""
    actions = loadbalancer.plan(loadbalancer.Observed(services=services, pool=Pool.parse(POOL)))
    found: dict[str, Any] = {}
    for action in actions:
        if isinstance(action, SetStatus):
            ingress = action.status["loadBalancer"]["ingress"]
            found[action.name] = ingress[0]["ip"] if ingress else None
        if isinstance(action, Emit):
            found[action.note.about.name] = action.note.message.rpartition(": ")[2]
    return found


@pytest.mark.parametrize(
    ("services", "expected"),
    [
        pytest.param([service("a"), service("b")], {"a": "10.0.0.1", "b": "10.0.0.2"}, id="the first free ones"),
        pytest.param([service("a", "10.0.0.1"), service("b")], {"b": "10.0.0.2"}, id="what is held stays"),
        pytest.param([service("a", load_balancer_ip="10.1.0.1")], {"a": "10.1.0.1"}, id="the one asked for"),
        pytest.param(
            [service("a", load_balancer_ip="10.9.9.9")],
            {"a": "address 10.9.9.9 is not free in the pool"}, id="asked for, not ours",
        ),
        pytest.param([service("a", "10.0.0.1", kind="ClusterIP")], {"a": None}, id="not balanced any more"),
        pytest.param([service("a", "192.0.2.1", kind="ClusterIP")], {}, id="somebody else's address"),
        pytest.param([service("a", load_balancer_class="example.com/lb")], {}, id="somebody else's class"),
        pytest.param([service("a", kind="NodePort")], {}, id="not balanced"),
        pytest.param(
            [service("a", "10.0.0.1"), service("b", "10.0.0.1")], {"b": "10.0.0.2"}, id="held twice: the later one moves"
        ),
        pytest.param(
            [service(name) for name in "abcde"],
            {"a": "10.0.0.1", "b": "10.0.0.2", "c": "10.1.0.0", "d": "10.1.0.1", "e": "the pool has no free address"},
            id="used up",
        ),
    ],
)  # fmt: skip
def test_services_share_the_pool(services: list[Service], expected: dict[str, Any]) -> None:
    assert given(*services) == expected


@pytest.mark.parametrize("text", ["10.0.0.9-10.0.0.1", "10.0.0.1/24", "here"])
def test_pool_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Pool.parse([text])
