"""The what-if page by keys, and its word held against what the engine's scheduler then does."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from apimachinery.objects.errors import Forbidden
from apimachinery.objects.resources import DEPLOYMENTS, NODES, PODS
from tests.engine.conftest import RunningEngine, start_engine, stop_engine
from tests.tui.driving import Start, screen_text
from tests.tui.memory_cluster import MemoryCluster
from tests.tui.screens.test_operating import press
from tests.tui.test_real_engine import app, shows

JSON = dict[str, Any]


async def test_i_shows_what_becomes_of_each_pod_and_x_turns_it_round(start: Start, cluster: MemoryCluster) -> None:
    async with start(size=(110, 40), resource=NODES) as pilot:
        await press(pilot, "I")
        text = screen_text(pilot)
        assert "nodes ▸ what if m1 goes" in text
        assert "If m1 is lost" in text
        assert "default/web-7c5d-4xk2p  moves to m" in text
        assert "Could not be read: poddisruptionbudgets" in text
        assert "5 minutes, if they say nothing" in text
        await press(pilot, "x")
        text = screen_text(pilot)
        assert "If m1 is drained" in text
        assert "5 minutes, if they say nothing" not in text
        assert not [request for request in cluster.requests if request[0] in ("PATCH", "PUT", "DELETE")]


async def test_marked_machines_are_lost_together(start: Start, cluster: MemoryCluster) -> None:
    async with start(size=(110, 40), resource=NODES) as pilot:
        await press(pilot, "space", "space", "I")
        text = screen_text(pilot)
        assert "If m1, m2 are lost" in text
        assert "moves to m3" in text


async def test_pods_that_may_not_be_read_are_said_so(start: Start, cluster: MemoryCluster) -> None:
    cluster.refuse_paths["/api/v1/pods"] = Forbidden("pods is forbidden to ann")
    async with start(size=(110, 40), resource=NODES) as pilot:
        await press(pilot, "I")
        assert "pods is forbidden to ann" in screen_text(pilot)


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[RunningEngine]:
    engine, task = await start_engine(tmp_path / "data", controllers=True)
    yield engine
    await stop_engine(engine, task)


def machine(name: str, cpu: str) -> JSON:
    return {
        "metadata": {"name": name},
        "status": {
            "capacity": {"cpu": cpu, "memory": "8Gi", "pods": "110"},
            "allocatable": {"cpu": cpu, "memory": "8Gi", "pods": "110"},
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
        },
    }


async def test_the_scheduler_does_what_was_foretold(running: RunningEngine, tmp_path: Path) -> None:
    client = running.client
    for name, cpu in (("large", "4"), ("small", "1"), ("medium", "3")):
        await client.create(NODES, machine(name, cpu))
    # Only the large machine is open at first.
    await client.patch(NODES, "medium", {"spec": {"unschedulable": True}})
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "main", "image": "nginx", "resources": {"requests": {"cpu": "1500m"}}}]},
    }
    await client.create(
        DEPLOYMENTS,
        {"metadata": {"name": "web"},
         "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template}},
        "default",
    )  # fmt: skip
    async with app(running, tmp_path, resource=NODES).run_test(size=(120, 45), notifications=True) as pilot:
        await shows(pilot, "large", "small", "medium")
        await press(pilot, "colon", *"po default", "enter")
        await shows(pilot, "2 pods")
        await until(running, lambda pods: [pod["spec"].get("nodeName") for pod in pods] == ["large", "large"])
        await open_to_pods(running, "large", "small")
        await press(pilot, "colon", *"no", "enter", "slash", *"large", "enter", "I")
        text = await shows(pilot, "If large is lost", "2 fits nowhere")
        assert "1 Insufficient cpu" in text
        assert "1 unschedulable" in text

        await client.patch(NODES, "medium", {"spec": {"unschedulable": None}})
        await open_to_pods(running, "medium")
        await press(pilot, "ctrl+r", "x")
        text = await shows(pilot, "If large is drained", "2 moves")
        assert text.count("moves to medium") == 2
        assert "0% → 100%" in text

    await client.patch(NODES, "large", {"spec": {"unschedulable": True}})
    for pod in (await client.list(PODS, "default")).items:
        await client.delete(PODS, pod["metadata"]["name"], "default", grace_period_seconds=0)
    await until(running, lambda pods: [pod["spec"].get("nodeName") for pod in pods] == ["medium", "medium"])


async def open_to_pods(engine: RunningEngine, *names: str) -> None:
    """Until the engine has taken its taints off these machines."""
    taints: list[Any] = []
    for _ in range(600):
        nodes = [await engine.client.get(NODES, name) for name in names]
        taints = [node["spec"].get("taints") for node in nodes]
        if not any(taints):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(taints)


async def until(engine: RunningEngine, wanted: Any) -> None:
    pods: list[JSON] = []
    for _ in range(300):
        pods = (await engine.client.list(PODS, "default")).items
        if wanted(pods):
            return
        await asyncio.sleep(0.1)
    raise AssertionError([(pod["metadata"]["name"], pod["spec"].get("nodeName")) for pod in pods])
