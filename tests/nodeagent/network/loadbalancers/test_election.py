"""Which machine answers for an address."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from nodeagent.network.loadbalancers.election import (
    LEASE_SECONDS,
    TICK_SECONDS,
    Seen,
    addresses,
    decide,
    lease_name,
    may_serve,
    patience,
)
from nodeagent.network.views import EndpointSliceView, ServiceView


@pytest.mark.parametrize(
    ("lease", "now", "eligible", "patient", "step"),
    [
        pytest.param(Seen(holder="me", since=0.0), 1.0, True, 0.0, "renew", id="ours"),
        pytest.param(Seen(holder="me", since=0.0), 1.0, False, 0.0, "release", id="ours, with no endpoint left"),
        pytest.param(Seen(holder="other", since=0.0), LEASE_SECONDS - 0.1, True, 0.0, "wait", id="another's"),
        pytest.param(Seen(holder="other", since=0.0), float(LEASE_SECONDS), True, 0.0, "acquire", id="of one who died"),
        pytest.param(Seen(holder="other", since=0.0), LEASE_SECONDS + 2.9, True, 3.0, "wait", id="the next one's turn"),
        pytest.param(Seen(since=0.0), 0.0, True, 0.0, "acquire", id="nobody's"),
        pytest.param(Seen(since=0.0), 2.0, True, 3.0, "wait", id="nobody's, others first"),
        pytest.param(Seen(since=0.0), 3.0, True, 3.0, "acquire", id="nobody's, others did not come"),
        pytest.param(Seen(since=0.0), 100.0, False, 0.0, "wait", id="nothing to lead to"),
    ],
)
def test_what_to_do_about_a_lease(lease: Seen, now: float, eligible: bool, patient: float, step: str) -> None:
    assert decide("me", lease, now, eligible=eligible, patience=patient) == step


def test_each_service_has_its_own_order_of_machines() -> None:
    nodes = ["m1", "m2", "m3"]
    first: set[str] = set()
    for number in range(30):
        waits = {node: patience(node, nodes, f"default/web-{number}") for node in nodes}
        assert sorted(waits.values()) == [0.0, TICK_SECONDS, 2 * TICK_SECONDS]
        first.add(min(waits, key=lambda node: waits[node]))
    assert first == set(nodes)


def test_a_machine_that_does_not_know_itself_yet_has_a_place_too() -> None:
    assert patience("new", [], "default/web") == 0.0


def test_names_of_leases_are_names() -> None:
    assert len(lease_name("default/" + "x" * 63)) < 64
    assert lease_name("a/b") != lease_name("a/c")


def service(kind: str = "LoadBalancer", policy: str = "Cluster", *ingress: dict[str, str]) -> ServiceView:
    body = {"spec": {"type": kind, "externalTrafficPolicy": policy}, "status": {"loadBalancer": {"ingress": ingress}}}
    return msgspec.convert(body, ServiceView)


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        pytest.param(service("LoadBalancer", "Cluster", {"ip": "192.0.2.50"}), ["192.0.2.50"], id="given"),
        pytest.param(service("ClusterIP", "Cluster", {"ip": "192.0.2.50"}), [], id="of another type"),
        pytest.param(service(), [], id="not given yet"),
        pytest.param(service("LoadBalancer", "Cluster", {"ip": "192.0.2.50", "ipMode": "Proxy"}), [], id="a proxy's"),
        pytest.param(service("LoadBalancer", "Cluster", {"hostname": "a.example"}), [], id="a name"),
    ],
)
def test_addresses_to_answer_for(found: ServiceView, wanted: list[str]) -> None:
    assert addresses(found) == wanted


@pytest.mark.parametrize(
    ("policy", "endpoint", "serves"),
    [
        pytest.param("Cluster", {"nodeName": "m2"}, True, id="anywhere"),
        pytest.param("Local", {"nodeName": "m2"}, False, id="elsewhere, traffic stays here"),
        pytest.param("Local", {"nodeName": "m1"}, True, id="here"),
        pytest.param("Cluster", {"conditions": {"ready": False}}, False, id="none is ready"),
    ],
)
def test_only_who_can_serve_answers(policy: str, endpoint: dict[str, Any], serves: bool) -> None:
    piece = msgspec.convert({"endpoints": [{"addresses": ["10.42.0.5"], **endpoint}]}, EndpointSliceView)
    assert may_serve(service("LoadBalancer", policy), [piece], "m1") is serves
    assert not may_serve(service("LoadBalancer", policy), [], "m1")
