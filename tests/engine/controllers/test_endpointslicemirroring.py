"""What becomes of Endpoints that people write themselves."""

from typing import Any

import msgspec
import pytest

from apimachinery.objects.meta import ObjectMeta
from engine.controllers import endpointslicemirroring as mirroring
from engine.controllers.actions import Action, Create, Delete, Emit, Patch
from engine.controllers.endpoints import Endpoints
from engine.controllers.endpointslice import EndpointSlice, Service, ServiceSpec

PORTS = [{"name": "http", "port": 80}]
SERVICE = Service(metadata=ObjectMeta(name="db", namespace="default"))


def endpoints(*subsets: dict[str, Any], labels: dict[str, str] | None = None, **meta: Any) -> Endpoints:
    given = ObjectMeta(name="db", namespace="default", uid="uid-db", labels=labels or {}, **meta)
    return Endpoints(metadata=given, subsets=list(subsets))


def subset(*ips: str, waiting: tuple[str, ...] = (), ports: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {
        "addresses": [{"ip": ip} for ip in ips],
        "notReadyAddresses": [{"ip": ip} for ip in waiting],
        "ports": PORTS if ports is None else ports,
    }


def plan(of: Endpoints | None, *slices: EndpointSlice, service: Service | None = SERVICE) -> list[Action]:
    return mirroring.plan(mirroring.Observed(endpoints=of, service=service, slices=slices))


def made(actions: list[Action]) -> list[EndpointSlice]:
    """The slices that these creations leave behind."""
    bodies = [action.body for action in actions if isinstance(action, Create)]
    named = [{**body, "metadata": {**body["metadata"], "name": f"db-{n}"}} for n, body in enumerate(bodies)]
    return [msgspec.convert(body, EndpointSlice) for body in named]


def addresses(piece: EndpointSlice) -> list[tuple[str, bool]]:
    return [(e["addresses"][0], e["conditions"]["ready"]) for e in piece.endpoints or ()]


def test_subsets_become_slices_that_say_whose_they_are() -> None:
    given = endpoints(
        subset("192.0.2.1", "192.0.2.2", waiting=("192.0.2.3",)),
        subset("2001:db8::1"),
        subset("192.0.2.9", ports=[{"name": "admin", "port": 81, "protocol": "TCP"}]),
        labels={"team": "x"},
        annotations={"note": "y", "kubectl.kubernetes.io/last-applied-configuration": "{}"},
    )
    actions = plan(given)
    first, sixth, other = made(actions)
    assert addresses(first) == [("192.0.2.1", True), ("192.0.2.2", True), ("192.0.2.3", False)]
    assert (first.address_type, sixth.address_type, addresses(sixth)) == ("IPv4", "IPv6", [("2001:db8::1", True)])
    assert other.ports == [{"name": "admin", "protocol": "TCP", "port": 81}]
    assert first.metadata.labels == {
        "team": "x",
        "kubernetes.io/service-name": "db",
        "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io",
    }
    assert first.metadata.annotations == {"note": "y"}
    (owner,) = first.metadata.owner_references
    assert (owner.kind, owner.name, owner.controller) == ("Endpoints", "db", True)


def test_mirror_that_agrees_is_left_alone() -> None:
    given = endpoints(subset("192.0.2.1"), subset("2001:db8::1"))
    assert plan(given, *made(plan(given))) == []


def test_change_is_written_into_the_slice_that_is_there() -> None:
    (there,) = made(plan(endpoints(subset("192.0.2.1"), labels={"old": "x"})))
    (patch,) = plan(endpoints(subset("192.0.2.1", "192.0.2.2"), labels={"new": "y"}), there)
    assert isinstance(patch, Patch)
    assert isinstance(patch.body, dict)
    assert [e["addresses"] for e in patch.body["endpoints"]] == [["192.0.2.1"], ["192.0.2.2"]]
    assert patch.body["metadata"]["labels"]["old"] is None
    assert patch.body["metadata"]["labels"]["new"] == "y"


def test_slices_of_ports_that_are_gone_go() -> None:
    there = made(plan(endpoints(subset("192.0.2.1"), subset("192.0.2.2", ports=[{"name": "b", "port": 2}]))))
    (delete,) = plan(endpoints(subset("192.0.2.1")), *there)
    assert isinstance(delete, Delete)
    assert delete.name == "db-1"


SELECTING = msgspec.structs.replace(SERVICE, spec=ServiceSpec(selector={"app": "db"}))
GIVEN = endpoints(subset("192.0.2.1"))


@pytest.mark.parametrize(
    ("of", "service"),
    [
        pytest.param(None, SERVICE, id="Endpoints gone"),
        pytest.param(GIVEN, None, id="Service gone"),
        pytest.param(GIVEN, SELECTING, id="Service that selects"),
        pytest.param(
            endpoints(subset("192.0.2.1"), labels={"endpointslice.kubernetes.io/skip-mirror": "true"}), SERVICE,
            id="not to be mirrored",
        ),
        pytest.param(
            endpoints(subset("192.0.2.1"), annotations={"control-plane.alpha.kubernetes.io/leader": "{}"}), SERVICE,
            id="a lock of leader election",
        ),
    ],
)  # fmt: skip
def test_what_is_not_mirrored_loses_its_slices(of: Endpoints | None, service: Service | None) -> None:
    there = made(plan(GIVEN))
    assert [type(action) for action in plan(of, *there, service=service)] == [Delete]
    assert plan(of, service=service) == []


def test_more_addresses_than_a_subset_may_mirror_are_left_out_and_told_of_once() -> None:
    given = endpoints(subset(*(f"10.0.{n // 250}.{n % 250 + 1}" for n in range(1003)), "nonsense"))
    actions = plan(given)
    (piece,) = made(actions)
    assert len(piece.endpoints or ()) == 1000
    told = {action.note.reason: action.note.message for action in actions if isinstance(action, Emit)}
    assert told == {
        "InvalidIPAddress": "Skipped 1 invalid IP addresses when mirroring to EndpointSlices",
        "TooManyAddressesToMirror": "A max of 1000 addresses can be mirrored to EndpointSlices per Endpoints subset. "
        "3 addresses were skipped",
    }
    assert plan(given, piece) == []
