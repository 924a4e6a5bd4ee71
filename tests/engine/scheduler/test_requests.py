"""What a pod asks for."""

from typing import Any

import pytest

from engine.scheduler.requests import assumed_requests, pod_requests
from tests.engine.scheduler.objects import asking, pod


def init(cpu: str, *, sidecar: bool = False) -> dict[str, Any]:
    return {**asking(cpu), **({"restartPolicy": "Always"} if sidecar else {})}


@pytest.mark.parametrize(
    ("spec", "cpu"),
    [
        pytest.param({"containers": [asking("100m"), asking("1")]}, 1100, id="containers add up"),
        pytest.param({"containers": [asking("1")], "initContainers": [init("2")]}, 2000, id="the larger counts"),
        pytest.param({"containers": [asking("1")], "initContainers": [init("500m")]}, 1000, id="init fits inside"),
        pytest.param(
            {"containers": [asking("1")], "initContainers": [init("1", sidecar=True)]}, 2000, id="sidecars stay"
        ),
        pytest.param(
            {"containers": [asking("1")], "initContainers": [init("1", sidecar=True), init("3")]},
            4000,
            id="init beside an earlier sidecar",
        ),
        pytest.param(
            {"containers": [asking("1")], "initContainers": [init("3"), init("1", sidecar=True)]},
            3000,
            id="init before a later sidecar",
        ),
        pytest.param({"containers": [asking("1")], "overhead": {"cpu": "250m"}}, 1250, id="overhead on top"),
        pytest.param(
            {"containers": [asking("1")], "resources": {"requests": {"cpu": "3"}}}, 3000, id="of the pod as a whole"
        ),
    ],
)
def test_cpu(spec: dict[str, Any], cpu: int) -> None:
    assert pod_requests(pod(**spec).spec)["cpu"] == cpu


def test_fractions_of_a_byte_or_millicore_round_up() -> None:
    asked = pod_requests(pod(containers=[asking("0.1m", "1500m")]).spec)
    assert asked == {"cpu": 1, "memory": 2}


def test_other_resources_are_counted_whole() -> None:
    assert pod_requests(pod(containers=[asking(**{"example.com/gpu": "2"})]).spec) == {"example.com/gpu": 2}


def test_container_without_requests_is_taken_for_a_small_one() -> None:
    spec = pod(containers=[{"name": "a", "image": "x"}, asking("1", "1Gi")]).spec
    assert assumed_requests(spec, pod_requests(spec)) == (1100, (1024 + 200) * 1024 * 1024)
