"""Pulses: counts that follow the cluster, what is used, the latest warnings."""

from apimachinery.objects.errors import Forbidden
from apimachinery.objects.resources import PODS
from tests.tui.demo import pod
from tests.tui.driving import Start, screen_text
from tests.tui.memory_cluster import MemoryCluster
from tests.tui.screens.test_operating import press
from tui.graphs import area
from tui.kinds.health import Health, health
from tui.rows import Column, Row


def counted(text: str, kind: str) -> list[str]:
    line = next(one for one in text.splitlines() if one.strip().startswith(kind))
    return line.split()[1:5]


async def test_kinds_are_counted_by_how_they_fare_and_follow_changes(start: Start, cluster: MemoryCluster) -> None:
    async with start(size=(120, 40)) as pilot:
        await press(pilot, "colon", *"pulses", "enter")
        await pilot.pause(0.7)
        text = screen_text(pilot)
        assert counted(text, "pods") == ["7", "5", "1", "1"]
        assert counted(text, "nodes") == ["3", "2", "0", "1"]
        assert counted(text, "deployments") == ["3", "2", "0", "1"]
        assert "Back-off restarting failed container" in text
        assert "serves no metrics" in text
        cluster.put("pods", pod("mailer-5d4c-x8k2v", app="mailer"))
        cluster.drop("pods", "default/import-28x9f")
        await pilot.pause(1.0)
        assert counted(screen_text(pilot), "pods") == ["6", "5", "1", "0"]


async def test_the_graphs_show_the_share_of_all_machines(start: Start, cluster: MemoryCluster) -> None:
    for name in ("m1", "m2", "m3"):
        cluster.measure(name, "500m", "1Gi")
        node = cluster.get("nodes", name)
        cluster.put("nodes", node | {"status": node["status"] | {"allocatable": {"cpu": "2", "memory": "4Gi"}}})
    async with start(size=(120, 40)) as pilot:
        await press(pilot, "colon", *"pu", "enter")
        text = screen_text(pilot)
        assert "1500m of 6000m" in text
        assert "3.0GiB of 12.0GiB" in text
        assert text.count("25%") == 2


async def test_enter_goes_to_the_kind_and_zero_counts_all_namespaces(start: Start) -> None:
    async with start(size=(120, 40)) as pilot:
        await press(pilot, "colon", *"pulses", "enter")
        await press(pilot, "0")
        await pilot.pause(0.7)
        assert counted(screen_text(pilot), "pods")[0] == "8"
        await press(pilot, "j", "enter")
        assert "all namespaces ▸ pods" in screen_text(pilot)


async def test_kinds_that_one_may_not_see_are_left_out(start: Start, cluster: MemoryCluster) -> None:
    cluster.refuse["nodes"] = Forbidden('nodes is forbidden: User "ann" cannot list resource "nodes"')
    async with start(size=(120, 40)) as pilot:
        await press(pilot, "colon", *"pulses", "enter")
        await pilot.pause(0.7)
        text = screen_text(pilot)
        assert counted(text, "pods")[0] == "7"
        assert not any(line.strip().startswith("nodes") for line in text.splitlines())


def test_a_pod_that_runs_but_is_not_ready_waits() -> None:
    columns = (Column("Name"), Column("Ready"), Column("Status"))
    rows = [
        Row(uid, "", uid, (uid, ready, status))
        for uid, ready, status in (
            ("a", "1/1", "Running"),
            ("b", "0/1", "Running"),
            ("c", "0/1", "ContainerCreating"),
            ("d", "0/1", "CrashLoopBackOff"),
            ("e", "0/1", "Completed"),
        )
    ]
    assert health(PODS, columns, rows) == Health(total=5, waiting=2, ill=1)


def test_a_graph_stands_on_its_right_edge_and_shows_the_least_use() -> None:
    assert area([1, 50, 100], 5, 2, 100) == ["    █", "  ▁██"]
    assert area([], 3, 1, 100) == ["   "]
    assert area([0, 0], 2, 1, 0) == ["  "]
