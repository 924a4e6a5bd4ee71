"""Who goes first, and what he is told."""

from __future__ import annotations

from typing import Any

import pytest

from nodeagent.pods.eviction.ranking import ContainerUse, PodUse, has_limit, message, over_limit, rank
from nodeagent.pods.eviction.thresholds import Observation, Threshold
from tests.nodeagent.pods.objects import pod

MI = 2**20
MEMORY = Threshold(signal="memory.available", value="100Mi")
DISK = Threshold(signal="nodefs.available", value="10%")
PIDS = Threshold(signal="pid.available", value="10")
INODES = Threshold(signal="nodefs.inodesFree", value="5%")


def use(
    name: str, *, memory: int = 0, disk: int = 0, request: dict[str, str] | None = None, volumes: int = 0,
    processes: int = 0, meta: dict[str, Any] | None = None, **spec: Any,
) -> PodUse:  # fmt: skip
    one = pod(
        [{"name": "main", "image": "i", "resources": {"requests": request or {}}}],
        meta={"name": name, "uid": name, **(meta or {})},
        **spec,
    )
    using = {"main": ContainerUse(memory=memory * MI, disk=disk * MI)}
    return PodUse(pod=one, containers=using, volumes=volumes * MI, processes=processes)


def order(*uses: PodUse, threshold: Threshold = MEMORY) -> list[str]:
    return [one.pod.metadata.name for one in rank(uses, threshold)]


def test_who_uses_more_than_he_asked_for_goes_first() -> None:
    modest = use("modest", memory=500, request={"memory": "600Mi"}, priority=-1)
    greedy = use("greedy", memory=50, request={"memory": "40Mi"}, priority=1000)
    assert order(modest, greedy) == ["greedy", "modest"]


def test_then_the_lowest_priority_then_who_is_furthest_above_his_request() -> None:
    found = order(
        use("most", memory=300), use("some", memory=200), use("low", memory=10, priority=-5), use("high", memory=900, priority=5)
    )  # fmt: skip
    assert found == ["low", "most", "some", "high"]


def test_volumes_and_logs_count_where_the_disk_is_short() -> None:
    assert order(use("a", disk=10), use("b", disk=5, volumes=20), threshold=DISK) == ["b", "a"]


def test_processes_count_where_they_are_short() -> None:
    assert order(use("few", processes=5, memory=900), use("many", processes=500), threshold=PIDS) == ["many", "few"]


@pytest.mark.parametrize(
    "spared",
    [
        pytest.param(use("x", memory=900, priority=2_000_000_000), id="critical priority"),
        pytest.param(use("x", memory=900, meta={"annotations": {"kubernetes.io/config.hash": "x"}}), id="static"),
        pytest.param(use("x", memory=900, meta={"deletionTimestamp": "2026-01-02T03:04:05Z"}), id="ending already"),
    ],
)
def test_some_never_go(spared: PodUse) -> None:
    assert order(spared, use("other")) == ["other"]


@pytest.mark.parametrize(
    ("threshold", "observed", "text"),
    [
        pytest.param(
            MEMORY, Observation(available=90 * MI, capacity=1000 * MI),
            "The node was low on resource: memory. Threshold quantity: 100Mi, available: 90Mi. Container main was using "
            "50Mi, request is 20Mi, has larger consumption of memory. ", id="memory",
        ),
        pytest.param(
            DISK, Observation(available=10 * MI + 1024, capacity=1000 * MI),
            "The node was low on resource: ephemeral-storage. Threshold quantity: 100Mi, available: 10241Ki. Container "
            "main was using 30Mi, request is 0, has larger consumption of ephemeral-storage. ", id="disk",
        ),
        pytest.param(
            INODES, Observation(available=3, capacity=1000),
            "The node was low on resource: inodes. Threshold quantity: 50, available: 3. ", id="inodes",
        ),
        pytest.param(PIDS, None, "The node was low on resource: pids. ", id="unknown amounts"),
    ],
)  # fmt: skip
def test_what_he_is_told(threshold: Threshold, observed: Observation | None, text: str) -> None:
    assert message(use("a", memory=50, disk=30, request={"memory": "20Mi"}), threshold, observed) == text


def limited(*limits: str | None, disk: int, volumes: int = 0) -> PodUse:
    containers = [
        {"name": f"c{n}", "image": "i", "resources": {"limits": {"ephemeral-storage": limit} if limit else {}}}
        for n, limit in enumerate(limits)
    ]
    using = {f"c{n}": ContainerUse(disk=disk * MI) for n in range(len(limits))}
    return PodUse(pod=pod(containers), containers=using, volumes=volumes * MI)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        pytest.param(limited("10Mi", disk=10), "", id="as much as it may"),
        pytest.param(limited(None, disk=1000), "", id="no limit"),
        pytest.param(
            limited("10Mi", disk=5, volumes=6),
            "Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. ", id="with its volumes",
        ),
        pytest.param(
            limited("10Mi", "90Mi", disk=20), 'Container c0 exceeded its local ephemeral storage limit "10Mi". ',
            id="one container alone",
        ),
    ],
)  # fmt: skip
def test_limits_of_the_disk(found: PodUse, text: str) -> None:
    assert over_limit(found) == text


def test_only_pods_with_limits_are_measured() -> None:
    assert has_limit(limited("10Mi", disk=0).pod)
    assert has_limit(pod(volumes=[{"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}]))
    assert not has_limit(pod(volumes=[{"name": "v", "emptyDir": {}}]))
