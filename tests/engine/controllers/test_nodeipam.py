"""Ranges of pod addresses for machines."""

from ipaddress import IPv4Network

from hypothesis import given
from hypothesis import strategies as st

from engine.controllers import nodeipam
from engine.controllers.actions import Action, Emit, Patch
from engine.controllers.views import Node
from tests.engine.controllers.objects import node


def plan(*nodes: Node, cluster: str = "10.42.0.0/16") -> list[Action]:
    return nodeipam.plan(nodeipam.Observed(nodes=nodes, cluster=IPv4Network(cluster)))


def ranges(actions: list[Action]) -> dict[str, str]:
    return {a.name: a.body["spec"]["podCIDR"] for a in actions if isinstance(a, Patch)}  # pyright: ignore


def test_machines_get_the_first_free_ranges_oldest_first() -> None:
    held = node("m1", pod_cidr="10.42.0.0/24")
    assert ranges(plan(held, node("young", age=1), node("old", age=99))) == {
        "old": "10.42.1.0/24",
        "young": "10.42.2.0/24",
    }


def test_both_fields_are_set() -> None:
    (patch,) = plan(node("m1"))
    assert isinstance(patch, Patch)
    assert patch.body == {"spec": {"podCIDR": "10.42.0.0/24", "podCIDRs": ["10.42.0.0/24"]}}


def test_machines_with_ranges_need_nothing() -> None:
    assert plan(node("m1", pod_cidr="10.42.0.0/24")) == []


def test_exhausted_cluster_says_so() -> None:
    (emitted,) = plan(node("m1", pod_cidr="10.0.0.0/24"), node("m2"), cluster="10.0.0.0/24")
    assert isinstance(emitted, Emit)
    assert emitted.note.message == "Node m2 status is now: CIDRNotAvailable"


@given(st.sets(st.integers(0, 255), max_size=200), st.integers(0, 60))
def test_no_range_is_given_twice(taken: set[int], waiting: int) -> None:
    held = [node(f"h{n}", pod_cidr=f"10.42.{n}.0/24") for n in taken]
    given_out = ranges(plan(*held, *(node(f"w{n}") for n in range(waiting))))
    assert len(set(given_out.values())) == len(given_out) == min(waiting, 256 - len(taken))
    assert not set(given_out.values()) & {n.spec.pod_cidr for n in held}
