"""Which machines say no, and in which words."""

from typing import Any

import pytest

from engine.scheduler.filters import FILTERS, Refusal, refusal
from engine.scheduler.placing import Unplaceable
from tests.engine.scheduler.objects import asking, machine, pod, resident, shape

TAINT = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}
AFFINITY = "requiredDuringSchedulingIgnoredDuringExecution"


def terms(*expressions: dict[str, Any], fields: bool = False) -> dict[str, Any]:
    name = "matchFields" if fields else "matchExpressions"
    return {"nodeAffinity": {AFFINITY: {"nodeSelectorTerms": [{name: [e]} for e in expressions]}}}


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": operator, "values": list(values)}


@pytest.mark.parametrize(
    ("wants", "has", "reasons"),
    [
        pytest.param({}, {}, None, id="anything goes"),
        pytest.param({"containers": [asking("4")]}, {}, None, id="exactly fits"),
        pytest.param({"containers": [asking("4001m")]}, {}, ("Insufficient cpu",), id="cpu"),
        pytest.param({"containers": [asking("1", "9Gi")]}, {}, ("Insufficient memory",), id="memory"),
        pytest.param(
            {"containers": [asking("5", "9Gi")]}, {}, ("Insufficient cpu", "Insufficient memory"), id="cpu and memory"
        ),
        pytest.param({}, {"pods": "0"}, ("Too many pods",), id="pods"),
        pytest.param(
            {"containers": [asking(**{"example.com/gpu": "1"})]}, {}, ("Insufficient example.com/gpu",), id="devices"
        ),
        pytest.param({}, {"spec": {"taints": [TAINT]}}, ("node(s) had untolerated taint {dedicated: db}",), id="taint"),
        pytest.param(
            {"tolerations": [{"key": "dedicated", "operator": "Equal", "value": "db", "effect": "NoSchedule"}]},
            {"spec": {"taints": [TAINT]}},
            None,
            id="tolerated taint",
        ),
        pytest.param({}, {"spec": {"taints": [{**TAINT, "effect": "PreferNoSchedule"}]}}, None, id="soft taint"),
        pytest.param({}, {"spec": {"unschedulable": True}}, ("node(s) were unschedulable",), id="cordoned"),
        pytest.param(
            {"nodeSelector": {"disk": "ssd"}},
            {},
            ("node(s) didn't match Pod's node affinity/selector",),
            id="selector",
        ),
        pytest.param({"nodeSelector": {"disk": "ssd"}}, {"labels": {"disk": "ssd"}}, None, id="selected"),
        pytest.param(
            {"affinity": terms(expression("cores", "Gt", "3"))}, {"labels": {"cores": "4"}}, None, id="greater"
        ),
        pytest.param(
            {"affinity": terms(expression("zone", "In", "a"), expression("zone", "In", "b"))},
            {"labels": {"zone": "b"}},
            None,
            id="one of several terms is enough",
        ),
        pytest.param(
            {"affinity": terms(expression("metadata.name", "In", "m2"), fields=True)},
            {},
            ("node(s) didn't satisfy plugin(s) [NodeAffinity]",),
            id="by name",
        ),
        pytest.param(
            {"affinity": {"nodeAffinity": {AFFINITY: {"nodeSelectorTerms": [{}]}}}},
            {},
            ("node(s) didn't match Pod's node affinity/selector",),
            id="an empty term matches nothing",
        ),
    ],
)
def test_refusal(wants: dict[str, Any], has: dict[str, Any], reasons: tuple[str, ...] | None) -> None:
    verdict = refusal(shape(**wants), machine(**has))
    assert (verdict.reasons if verdict is not None else None) == reasons


def port(number: int, **more: Any) -> dict[str, Any]:
    return {"containers": [{"name": "c", "image": "x", "ports": [{"containerPort": 1, "hostPort": number, **more}]}]}


@pytest.mark.parametrize(
    ("first", "second", "fits"),
    [
        pytest.param(port(80), port(80), False, id="same port"),
        pytest.param(port(80), port(81), True, id="another port"),
        pytest.param(port(80), port(80, protocol="UDP"), True, id="another protocol"),
        pytest.param(port(80, hostIP="10.0.0.1"), port(80, hostIP="10.0.0.2"), True, id="another address"),
        pytest.param(port(80, hostIP="0.0.0.0"), port(80, hostIP="10.0.0.2"), False, id="all addresses"),
    ],
)
def test_host_port_is_given_once(first: dict[str, Any], second: dict[str, Any], fits: bool) -> None:
    taken = machine()
    there = resident(pod("there", **first))
    taken.add(there)
    assert (refusal(shape(**second), taken) is None) is fits
    taken.remove(there)
    assert refusal(shape(**second), taken) is None


def test_what_is_taken_is_not_free() -> None:
    half = machine()
    half.add(resident(pod("there", containers=[asking("3")])))
    verdict = refusal(shape(containers=[asking("2")]), half)
    assert verdict == Refusal(("Insufficient cpu",), curable=True, plugin="NodeResourcesFit")
    assert refusal(shape(containers=[asking("5")]), half) == Refusal(("Insufficient cpu",), plugin="NodeResourcesFit")


def test_filters_are_asked_in_upstreams_order() -> None:
    assert [name for name, _ in FILTERS] == [
        "NodeUnschedulable", "TaintToleration", "NodeAffinity", "NodePorts", "NodeResourcesFit",
    ]  # fmt: skip


def test_reasons_are_counted_and_sorted() -> None:
    tainted = Refusal(("node(s) had untolerated taint {node.kubernetes.io/not-ready: }",))
    full = Refusal(("Insufficient cpu",), curable=True)
    assert Unplaceable(uid="p", count=3, refusals={"m1": tainted, "m2": full, "m3": full}).message == (
        "0/3 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }, 2 Insufficient cpu."
    )


def test_cluster_without_machines_says_so() -> None:
    assert Unplaceable(uid="p", count=0).message == "no nodes available to schedule pods"
