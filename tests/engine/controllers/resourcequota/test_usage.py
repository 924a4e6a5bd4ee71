"""What a quota counts."""

from decimal import Decimal
from typing import Any

import pytest

from apimachinery.objects.meta import ObjectMeta
from engine.controllers.actions import RequeueAfter, SetStatus
from engine.controllers.endpointslice import Service, ServicePort, ServiceSpec
from engine.controllers.resourcequota import planning
from engine.controllers.resourcequota.controller import Charges
from engine.controllers.resourcequota.views import Quota, QuotaSpec, QuotaStatus, ScopeRequirement, ScopeSelector
from engine.controllers.storage.views import Claim, ClaimSpec, Requests
from engine.controllers.views import Container, ContainerResources, Pod
from tests.engine.controllers.objects import pod


def asks(cpu: str, memory: str = "64Mi", restart_policy: str = "") -> Container:
    resources = ContainerResources(requests={"cpu": cpu, "memory": memory}, limits={"cpu": "1"})
    return Container(resources=resources, restart_policy=restart_policy)


def used(pods: list[Pod], hard: dict[str, Any], *services: Service, **spec: Any) -> dict[str, Any]:
    counts = spec.pop("counts", {})
    quota = Quota(
        metadata=ObjectMeta(name="q", namespace="default", resource_version="3"), spec=QuotaSpec(hard=hard, **spec)
    )
    observed = planning.Observed(quota=quota, pods=tuple(pods), services=services, counts=counts)
    (write,) = (action for action in planning.plan(observed) if isinstance(action, SetStatus))
    assert write.status["hard"] == hard
    return write.status["used"]


@pytest.mark.parametrize(
    ("pods", "hard", "expected"),
    [
        pytest.param(
            [pod("a", containers=(asks("100m"), asks("150m")))],
            {"pods": "5", "requests.cpu": "1", "cpu": "1", "requests.memory": "1Gi", "limits.cpu": "4"},
            {"pods": "1", "requests.cpu": "250m", "cpu": "250m", "requests.memory": "128Mi", "limits.cpu": "2"},
            id="containers together",
        ),
        pytest.param(
            [pod("a", containers=(asks("100m"),), init_containers=(asks("500m"),))],
            {"requests.cpu": "1"}, {"requests.cpu": "500m"}, id="the largest init container",
        ),
        pytest.param(
            [pod("a", containers=(asks("100m"),), init_containers=(asks("200m", restart_policy="Always"), asks("300m")))],
            {"requests.cpu": "1"}, {"requests.cpu": "500m"}, id="sidecars beside the rest",
        ),
        pytest.param(
            [pod("a", phase="Succeeded", containers=(asks("1"),)), pod("b", containers=(asks("1"),))],
            {"pods": "5", "count/pods": "5", "requests.cpu": "4"},
            {"pods": "1", "count/pods": "2", "requests.cpu": "1"}, id="an ended pod is only an object",
        ),
        pytest.param([], {"pods": "5", "requests.memory": "1Gi"}, {"pods": "0", "requests.memory": "0"}, id="nothing"),
    ],
)  # fmt: skip
def test_pods_use(pods: list[Pod], hard: dict[str, str], expected: dict[str, str]) -> None:
    assert used(pods, hard) == expected


def test_services_use_ports_and_balancers() -> None:
    ports = (ServicePort(port=80), ServicePort(port=81))
    services = [Service(spec=ServiceSpec(type=kind, ports=ports)) for kind in ("ClusterIP", "NodePort", "LoadBalancer")]
    hard: dict[str, Any] = {"services": "9", "services.nodeports": "9", "services.loadbalancers": "9"}
    assert used([], hard, *services) == {"services": "3", "services.nodeports": "4", "services.loadbalancers": "1"}


def test_claims_use_storage_of_their_class() -> None:
    spec = ClaimSpec(storage_class_name="fast", resources=Requests({"storage": "1Gi"}))
    claims = (Claim(spec=spec), Claim(spec=ClaimSpec(resources=Requests({"storage": "2Gi"}))))
    hard: dict[str, Any] = {
        "persistentvolumeclaims": "9", "requests.storage": "9Gi", "count/persistentvolumeclaims": "9",
        "fast.storageclass.storage.k8s.io/requests.storage": "9Gi",
        "fast.storageclass.storage.k8s.io/persistentvolumeclaims": "9",
    }  # fmt: skip
    quota = Quota(metadata=ObjectMeta(name="q", namespace="default"), spec=QuotaSpec(hard=hard))
    (write,) = planning.plan(planning.Observed(quota=quota, pods=(), services=(), claims=claims))
    assert isinstance(write, SetStatus)
    assert write.status["used"] == {
        "persistentvolumeclaims": "2", "requests.storage": "3Gi", "count/persistentvolumeclaims": "2",
        "fast.storageclass.storage.k8s.io/requests.storage": "1Gi",
        "fast.storageclass.storage.k8s.io/persistentvolumeclaims": "1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("requirement", "expected"),
    [
        pytest.param(ScopeRequirement("BestEffort"), {"best"}, id="best effort"),
        pytest.param(ScopeRequirement("NotBestEffort"), {"asking", "timed", "urgent"}, id="not best effort"),
        pytest.param(ScopeRequirement("Terminating"), {"timed"}, id="with a deadline"),
        pytest.param(ScopeRequirement("NotTerminating"), {"best", "asking", "urgent"}, id="without a deadline"),
        pytest.param(ScopeRequirement("PriorityClass", "In", ("high",)), {"urgent"}, id="of a priority"),
        pytest.param(ScopeRequirement("PriorityClass", "Exists"), {"urgent"}, id="of any priority"),
    ],
)
def test_scopes_choose_pods(requirement: ScopeRequirement, expected: set[str]) -> None:
    pods = {
        "best": pod("best", containers=(Container(),)),
        "asking": pod("asking", containers=(asks("1"),)),
        "timed": pod("timed", containers=(asks("1"),), active_deadline_seconds=9),
        "urgent": pod("urgent", containers=(asks("1"),), priority_class_name="high"),
    }
    selector = ScopeSelector(match_expressions=(requirement,))
    chosen = {name for name, one in pods.items() if used([one], {"pods": "9"}, scope_selector=selector)["pods"] == "1"}
    assert chosen == expected


def test_other_kinds_are_counted_and_counted_again() -> None:
    assert used([], {"secrets": "9"}, counts={"secrets": 4}) == {"secrets": "4"}
    quota = Quota(spec=QuotaSpec(hard={"secrets": "9"}), status=QuotaStatus(hard={"secrets": 9}, used={"secrets": "4"}))
    observed = planning.Observed(quota=quota, pods=(), services=(), counts={"secrets": 4})
    assert planning.plan(observed) == [RequeueAfter(seconds=300.0)]


def test_limit_that_was_lifted_leaves_the_status() -> None:
    quota = Quota(spec=QuotaSpec(hard={"pods": "9"}), status=QuotaStatus(hard={"cpu": "1"}, used={"cpu": "1"}))
    (write,) = planning.plan(planning.Observed(quota=quota, pods=(), services=()))
    assert isinstance(write, SetStatus)
    assert write.status == {"hard": {"cpu": None, "pods": "9"}, "used": {"cpu": None, "pods": "0"}}


def test_what_was_charged_lately_stays_used_until_it_must_have_shown() -> None:
    hard: dict[str, Any] = {"pods": "5"}
    three: dict[str, Any] = {"pods": "3"}
    busy = Quota(
        metadata=ObjectMeta(name="q", namespace="default", resource_version="3"),
        spec=QuotaSpec(hard=hard), status=QuotaStatus(hard=hard, used=three),
    )  # fmt: skip

    def lowered(charged: int) -> str | None:
        observed = planning.Observed(quota=busy, pods=(pod("a"),), services=(), charged={"pods": Decimal(charged)})
        writes = [action for action in planning.plan(observed) if isinstance(action, SetStatus)]
        return writes[0].status["used"]["pods"] if writes else None

    assert [lowered(charged) for charged in (5, 2, 1, 0)] == [None, None, "2", "1"]


def test_charges_are_what_we_did_not_write_and_are_forgotten_after_a_while() -> None:
    charges = Charges()
    assert charges.seen({"pods": "4"}, 0.0) == {"pods": Decimal(4)}
    assert charges.seen({"pods": "6"}, 1.0) == {"pods": Decimal(6)}
    charges.wrote({"pods": "5"})
    assert charges.seen({"pods": "5"}, 1.5) == {"pods": Decimal(6)}
    assert charges.seen({"pods": "8"}, 2.5) == {"pods": Decimal(5)}
    assert charges.seen({"pods": "8"}, 3.5) == {"pods": Decimal(3)}
    assert charges.seen({"pods": "8"}, 9.0) == {}
