"""Columns of what is used: there when metrics are served, absent without a word when not."""

from apimachinery.objects.errors import Forbidden
from apimachinery.objects.resources import NODES
from tests.tui.demo import pod
from tests.tui.driving import Start, screen_text, settled
from tests.tui.memory_cluster import MemoryCluster
from tests.tui.screens.test_operating import press
from tui.amounts import cores, memory, percent, size
from tui.rows import Column
from tui.tones import Tone
from tui.usagecells import tone


def measured(cluster: MemoryCluster) -> None:
    cluster.measure("default/web-7c5d-4xk2p", "12m", "20Mi")
    cluster.measure("default/web-7c5d-9wq7t", "40m", "30Mi")
    cluster.measure("default/redis-6f9b-h2x5c", "2500000n", "3Gi", container="redis")
    for name in ("m1", "m2", "m3"):
        cluster.measure(name, "500m", "1Gi")


def line(text: str, name: str) -> list[str]:
    return next(one for one in text.splitlines() if name in one).split()


async def test_pods_show_what_they_use_and_their_share_of_what_they_asked_for(
    start: Start, cluster: MemoryCluster
) -> None:
    measured(cluster)
    async with start(size=(160, 30)) as pilot:
        await press(pilot, "ctrl+w")
        text = screen_text(pilot)
        assert "CPU" in text
        assert "%MEM/L" in text
        row = line(text, "web-7c5d-9wq7t")
        assert row[4:8] == ["40m", "30Mi", "80%", "94%"]
        assert line(text, "mailer-5d4c-x8k2v")[4] == "50m", "nothing measured: the age follows at once"


async def test_the_columns_come_later_and_leave_cursor_and_filter_alone(start: Start, cluster: MemoryCluster) -> None:
    async with start(size=(120, 30)) as pilot:
        await press(pilot, "slash", *"web", "enter", "j")
        assert "CPU" not in screen_text(pilot)
        screen = pilot.app.screen
        before = screen.table.current.name
        measured(cluster)
        await screen.usage._feed.look()
        await settled(pilot)
        assert line(screen_text(pilot), before)[4] == "40m"
        assert screen.table.current.name == before
        assert len(screen.table.model) == 3


async def test_new_numbers_and_new_pods_are_shown_and_marked_as_no_news(start: Start, cluster: MemoryCluster) -> None:
    measured(cluster)
    async with start(size=(120, 30)) as pilot:
        screen = pilot.app.screen
        cluster.measure("default/web-7c5d-9wq7t", "49m", "30Mi")
        cluster.put("pods", pod("web-7c5d-young"))
        cluster.measure("default/web-7c5d-young", "1m", "1Mi")
        await settled(pilot)
        await screen.usage._feed.look()
        await settled(pilot)
        text = screen_text(pilot)
        assert "49m" in line(text, "web-7c5d-9wq7t")
        assert line(text, "web-7c5d-9wq7t")[0] != "•"
        assert "1Mi" in line(text, "web-7c5d-young")


async def test_c_puts_the_one_that_uses_most_on_top(start: Start, cluster: MemoryCluster) -> None:
    measured(cluster)
    async with start(size=(120, 30)) as pilot:
        await press(pilot, "C")
        assert pilot.app.screen.table.model.row_at(0).name == "web-7c5d-9wq7t"
        await press(pilot, "M")
        assert pilot.app.screen.table.model.row_at(0).name == "redis-6f9b-h2x5c"


async def test_machines_show_their_share_of_what_they_have(start: Start, cluster: MemoryCluster) -> None:
    measured(cluster)
    node = cluster.get("nodes", "m1")
    cluster.put("nodes", node | {"status": {"allocatable": {"cpu": "4", "memory": "2Gi"}}})
    async with start(size=(120, 30), resource=NODES) as pilot:
        row = line(screen_text(pilot), "m1")
        assert [word for word in row if word.endswith("%")] == ["12%", "50%"]


async def test_containers_show_what_each_uses(start: Start, cluster: MemoryCluster) -> None:
    measured(cluster)
    async with start(size=(140, 30)) as pilot:
        await press(pilot, "slash", *"9wq7t", "enter", "enter")
        row = line(screen_text(pilot), "nginx:1.27")
        assert "40m" in row
        assert "30Mi" in row


async def test_no_word_is_lost_where_metrics_are_not_served_or_not_ours(start: Start, cluster: MemoryCluster) -> None:
    for refusal in (None, Forbidden("pods.metrics.k8s.io is forbidden")):
        if refusal is not None:
            cluster.refuse["metrics"] = refusal
        async with start(size=(160, 30)) as pilot:
            text = screen_text(pilot)
            assert "CPU" not in text
            assert "forbidden" not in text
            assert "● live" in text


def test_amounts_read_well_and_sort_by_what_they_are() -> None:
    assert [str(cores(milli)) for milli in (0, 7, 9999, 12_500)] == ["0m", "7m", "9999m", "12.5"]
    assert [str(memory(mega * 2**20)) for mega in (0, 12, 20_480)] == ["0Mi", "12Mi", "20.0Gi"]
    assert [str(size(amount)) for amount in (0, 1023, 3482, 5 * 2**30)] == ["0B", "1023B", "3.4KiB", "5.0GiB"]
    assert cores(9999) < cores(12_500)
    assert percent(3, 0) is None


def test_what_comes_near_a_limit_stands_out_and_a_request_only_when_passed() -> None:
    said = {
        (name, text): tone(Column(name), text)
        for name, text in (("%MEM/L", "95%"), ("%MEM/L", "80%"), ("%CPU/R", "95%"), ("%CPU/R", "300%"), ("CPU", "9m"))
    }
    assert list(said.values()) == [Tone.BAD, Tone.WARN, Tone.MUTED, Tone.WARN, Tone.MUTED]
