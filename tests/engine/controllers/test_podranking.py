"""Which pods go first."""

from typing import Any

import msgspec
import pytest

from engine.controllers.podranking import DELETION_COST, pods_to_delete
from engine.controllers.views import ContainerStatus, Pod
from tests.engine.controllers.objects import NOW, pod


def restarted(name: str, count: int) -> Pod:
    base = pod(name)
    statuses = (ContainerStatus(restart_count=count),)
    return msgspec.structs.replace(base, status=msgspec.structs.replace(base.status, container_statuses=statuses))


@pytest.mark.parametrize(
    ("goes", "stays"),
    [
        pytest.param({"node": "", "ready": False}, {"ready": False}, id="unassigned before assigned"),
        pytest.param({"phase": "Pending", "ready": False}, {"ready": False}, id="pending before running"),
        pytest.param({"phase": "Unknown", "ready": False}, {"ready": False}, id="unknown before running"),
        pytest.param({"ready": False}, {}, id="unready before ready"),
        pytest.param({"annotations": {DELETION_COST: "-5"}}, {}, id="cheap before dear"),
        pytest.param({}, {"annotations": {DELETION_COST: "5"}, "ready_for": 1}, id="cost before age"),
        pytest.param({"ready_for": 2}, {"ready_for": 3600}, id="ready for a short time before a long one"),
        pytest.param({"age": 2}, {"age": 3600}, id="young before old"),
    ],
)
def test_order(goes: dict[str, Any], stays: dict[str, Any]) -> None:
    first, second = pod("goes", **goes), pod("stays", **stays)
    assert pods_to_delete([first, second], [], 1, NOW) == [first]
    assert pods_to_delete([second, first], [], 1, NOW) == [first]


def test_pod_with_more_restarts_goes_first() -> None:
    pods = [restarted("calm", 0), restarted("crashing", 3)]
    assert [p.metadata.name for p in pods_to_delete(pods, [], 1, NOW)] == ["crashing"]


def test_pod_on_the_machine_with_most_siblings_goes_first() -> None:
    crowded, alone = pod("crowded", node="m1", ready_for=3600), pod("alone", node="m2", ready_for=1)
    neighbour = pod("neighbour", node="m1")
    assert pods_to_delete([crowded, alone], [crowded, alone, neighbour], 1, NOW) == [crowded]


def test_pods_about_as_old_go_by_uid_so_that_the_newest_is_not_always_hit() -> None:
    older, newer = pod("older", uid="a", ready_for=1000), pod("newer", uid="b", ready_for=900)
    assert pods_to_delete([newer, older], [], 1, NOW) == [older]


def test_all_go_when_as_many_are_asked_for() -> None:
    pods = [pod("a"), pod("b")]
    assert pods_to_delete(pods, [], 2, NOW) == pods


def test_cost_that_is_no_number_counts_as_none() -> None:
    odd, cheap = pod("odd", annotations={DELETION_COST: "x"}), pod("cheap", annotations={DELETION_COST: "-1"})
    assert pods_to_delete([odd, cheap], [], 1, NOW) == [cheap]
