from __future__ import annotations

import msgspec
import pytest

from apimachinery.objects.errors import NotFound
from apimachinery.objects.resources import NODES, PODS
from engine.fleet.drain import PodView, drain, leaving
from tests.engine.conftest import RunningEngine


def pod(name: str, *, owner: str = "", mirror: bool = False) -> PodView:
    metadata: dict[str, object] = {"name": name, "namespace": "default", "uid": name}
    if owner:
        metadata["ownerReferences"] = [
            {"apiVersion": "apps/v1", "kind": owner, "name": "o", "uid": "u", "controller": True}
        ]
    if mirror:
        metadata["annotations"] = {"kubernetes.io/config.mirror": "x"}
    return msgspec.convert({"metadata": metadata}, PodView)


@pytest.mark.parametrize(
    ("one", "moves"),
    [
        pytest.param(pod("a", owner="ReplicaSet"), True, id="of-a-replica-set"),
        pytest.param(pod("a"), True, id="of-nobody"),
        pytest.param(pod("a", owner="DaemonSet"), False, id="of-a-daemon-set"),
        pytest.param(pod("a", mirror=True), False, id="static"),
    ],
)
def test_a_drain_moves_what_does_not_come_back_by_itself(one: PodView, moves: bool) -> None:
    assert leaving([one]) == ([one] if moves else [])


async def test_a_drained_node_is_cordoned_and_its_pods_are_asked_to_leave(engine: RunningEngine) -> None:
    client = engine.client
    await client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}})
    spec = {
        "nodeName": "n1",
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "c", "image": "busybox"}],
        "tolerations": [{"operator": "Exists"}],
    }
    await client.create(PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}, "default")
    said: list[str] = []
    assert await drain(client, "n1", seconds=10, said=said.append) == ["default/p"]
    assert said == ["default/p"]
    with pytest.raises(NotFound):
        await client.get(PODS, "p", "default")
    assert (await client.get(NODES, "n1"))["spec"]["unschedulable"] is True


async def test_draining_a_node_that_is_not_there_says_so(engine: RunningEngine) -> None:
    with pytest.raises(NotFound, match='nodes "n1" not found'):
        await drain(engine.client, "n1")
