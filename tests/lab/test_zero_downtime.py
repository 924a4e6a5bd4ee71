"""Clients on every machine ask a Service without pause, and none of their requests may fail, whatever is rolled or drained."""

from collections.abc import Iterator

import pytest

from tests.lab.cluster import REPOSITORY, Cluster, eventually

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]

MANIFEST = REPOSITORY / "tests/lab/data/zerodowntime.yaml"


@pytest.fixture(scope="module")
def busy(cluster: Cluster) -> Iterator[Cluster]:
    cluster.kubectl("apply", "-f", str(MANIFEST))
    cluster.kubectl("rollout", "status", "deployment/busy", "--timeout=90s", timeout=100)
    cluster.kubectl("rollout", "status", "daemonset/hammer", "--timeout=60s", timeout=70)
    yield cluster
    cluster.kubectl("delete", "-f", str(MANIFEST), "--wait=false")
    assert eventually(lambda: not cluster.get("pods", "--selector", "app in (busy,hammer)")["items"], within=60)


def answered(cluster: Cluster) -> list[int]:
    """Of each client: how many requests were answered so far. None has failed."""
    found: list[int] = []
    for pod in cluster.pods("app=hammer"):
        name = pod["metadata"]["name"]
        before = cluster.kubectl("logs", name).count("asked")
        cluster.kubectl("exec", name, "--", "kill", "-USR1", "1")
        eventually(lambda name=name, before=before: cluster.kubectl("logs", name).count("asked") > before)
        log = cluster.kubectl("logs", name).splitlines()
        assert not [line for line in log if line.startswith("failed")], log
        _, asked, _, failed = log[-1].split()
        assert failed == "0"
        found.append(int(asked))
    assert len(found) == 3
    return found


def assert_asked_on(cluster: Cluster, before: list[int]) -> None:
    """Every client went on asking all the while."""
    now = answered(cluster)
    assert all(later > earlier + 20 for earlier, later in zip(before, now, strict=True)), (before, now)


def roll(cluster: Cluster, *words: str) -> None:
    before = answered(cluster)
    cluster.kubectl(*words)
    cluster.kubectl("rollout", "status", "deployment/busy", "--timeout=90s", timeout=100)
    assert_asked_on(cluster, before)


def test_no_request_fails_through_a_new_image_and_its_undoing(busy: Cluster) -> None:
    roll(busy, "set", "image", "deployment/busy", "nginx=nginx:1.28")
    assert {pod["spec"]["containers"][0]["image"] for pod in busy.pods("app=busy")} == {"nginx:1.28"}
    roll(busy, "rollout", "undo", "deployment/busy")


def test_no_request_fails_through_a_restart_and_a_scaling_down_and_up(busy: Cluster) -> None:
    roll(busy, "rollout", "restart", "deployment/busy")
    roll(busy, "scale", "deployment/busy", "--replicas=3")
    roll(busy, "scale", "deployment/busy", "--replicas=10")


def test_no_request_fails_while_a_machine_is_drained_and_its_budget_is_kept(busy: Cluster) -> None:
    before = answered(busy)
    busy.kubectl("drain", "m2", "--ignore-daemonsets", "--timeout=90s", timeout=100)
    try:
        assert not [pod for pod in busy.pods("app=busy") if pod["spec"]["nodeName"] == "m2"]
        busy.kubectl("rollout", "status", "deployment/busy", "--timeout=90s", timeout=100)
        assert_asked_on(busy, before)
    finally:
        busy.kubectl("uncordon", "m2")
