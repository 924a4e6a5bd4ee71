import pytest

from nodeagent.network.services.endpoints import Candidate, Choice, candidates, choose
from nodeagent.network.views import EndpointPort, ServiceView
from tests.nodeagent.network.objects import endpoint, endpoints, http, service

READY_HERE = Candidate(backend=("10.42.1.2", 80), local=True)
READY_THERE = Candidate(backend=("10.42.2.2", 80))
LEAVING_HERE = Candidate(backend=("10.42.1.3", 80), local=True, ready=False, terminating=True)
LEAVING_THERE = Candidate(backend=("10.42.2.3", 80), ready=False, terminating=True)
NOT_READY = Candidate(backend=("10.42.1.4", 80), local=True, ready=False)

CLUSTER = service(type="NodePort")
EXTERNAL_LOCAL = service(type="NodePort", external_traffic_policy="Local")
INTERNAL_LOCAL = service(internal_traffic_policy="Local")


@pytest.mark.parametrize(
    ("of", "found", "choice"),
    [
        pytest.param(CLUSTER, [], Choice(), id="none at all"),
        pytest.param(CLUSTER, [NOT_READY], Choice(), id="none ready"),
        pytest.param(
            CLUSTER,
            [READY_HERE, READY_THERE, LEAVING_HERE, NOT_READY],
            Choice(cluster=(READY_HERE.backend, READY_THERE.backend), anywhere=True),
            id="ready ones on all machines",
        ),
        pytest.param(
            CLUSTER,
            [LEAVING_HERE, LEAVING_THERE, NOT_READY],
            Choice(cluster=(LEAVING_HERE.backend, LEAVING_THERE.backend), anywhere=True),
            id="terminating ones when none is ready",
        ),
        pytest.param(
            EXTERNAL_LOCAL,
            [READY_HERE, READY_THERE],
            Choice(cluster=(READY_HERE.backend, READY_THERE.backend), local=(READY_HERE.backend,), anywhere=True),
            id="local policy keeps both",
        ),
        pytest.param(
            EXTERNAL_LOCAL,
            [LEAVING_HERE, READY_THERE],
            Choice(cluster=(READY_THERE.backend,), local=(LEAVING_HERE.backend,), anywhere=True),
            id="local falls back to terminating by itself",
        ),
        pytest.param(INTERNAL_LOCAL, [READY_THERE], Choice(anywhere=True), id="internal local, only others serve"),
        pytest.param(
            INTERNAL_LOCAL,
            [READY_HERE, READY_THERE],
            Choice(local=(READY_HERE.backend,), anywhere=True),
            id="internal local needs no others",
        ),
    ],
)
def test_choice_among_candidates(of: ServiceView, found: list[Candidate], choice: Choice) -> None:
    assert choose(of, found) == choice


def test_unknown_readiness_counts_as_ready() -> None:
    (found,) = candidates(http(), [endpoints(endpoint("10.42.1.2", ready=None))], "m1")
    assert found == Candidate(backend=("10.42.1.2", 8080), local=True)


def test_ports_are_matched_by_name_and_protocol() -> None:
    ports = (
        EndpointPort(name="http", port=1, protocol="UDP"),
        EndpointPort(name="other", port=2, protocol="TCP"),
        EndpointPort(name="http", port=3, protocol="TCP"),
    )
    assert [c.backend for c in candidates(http(), [endpoints(endpoint("10.42.1.2"), ports=ports)], "m1")] == [
        ("10.42.1.2", 3)
    ]


def test_an_endpoint_in_two_slices_counts_once_and_as_ready() -> None:
    slices = [
        endpoints(endpoint("10.42.1.2", ready=False), suffix="a"),
        endpoints(endpoint("10.42.1.2", ready=True), suffix="b"),
    ]
    for order in (slices, slices[::-1]):
        assert candidates(http(), order, "m1") == [Candidate(backend=("10.42.1.2", 8080), local=True)]


def test_slices_of_other_address_families_are_left_out() -> None:
    slices = [
        endpoints(endpoint("fd00::1"), address_type="IPv6"),
        endpoints(endpoint("a.example"), address_type="FQDN"),
    ]
    assert candidates(http(), slices, "m1") == []
