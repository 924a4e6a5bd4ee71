"""Back in time: the table as it was, step by step, and what has become of it since."""

from datetime import UTC, datetime
from typing import Any

from textual.pilot import Pilot

from tests.tui.demo import pod
from tests.tui.driving import Start, said, screen_text, settled
from tests.tui.memory_cluster import MemoryCluster
from tests.tui.screens.test_operating import press
from tui.widgets.timeline import Stretch

START = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


async def wait(pilot: Pilot[Any], seconds: float) -> None:
    await pilot.app.session.clock.advance(seconds)
    await settled(pilot)


async def test_the_table_goes_back_change_by_change_and_says_what_became_of_each_row(
    start: Start, cluster: MemoryCluster
) -> None:
    async with start(size=(120, 30)) as pilot:
        await wait(pilot, 10)
        cluster.put("pods", pod("late-1"))
        await settled(pilot)
        await wait(pilot, 50)
        cluster.drop("pods", "default/redis-6f9b-h2x5c")
        cluster.put("pods", pod("late-1", reason="CrashLoopBackOff", restarts=3))
        await settled(pilot)
        await wait(pilot, 60)
        await press(pilot, "B")
        text = screen_text(pilot)
        assert "● now" in text
        assert "00:00:00 " in text, "where the record begins"
        assert "redis" not in text

        await press(pilot, "left")
        text = screen_text(pilot)
        assert "◷ 00:00:10 UTC, 110s ago" in text
        assert row_of(text, "redis-6f9b-h2x5c").split()[0] == "gone"
        assert row_of(text, "late-1").split()[:4] == ["changed", "late-1", "1/1", "Running"]
        assert "1 gone  1 changed" in text

        await press(pilot, "left")
        text = screen_text(pilot)
        assert "◷ 00:00:00 UTC" in text
        assert "late-1" not in text
        assert "1 gone  1 new" in text
        await press(pilot, "left")
        assert "The record begins here: nobody looked at this table before." in said(pilot)

        await press(pilot, "right", "right")
        assert "◷ 00:01:00 UTC" in screen_text(pilot)
        await press(pilot, "right")
        assert "● now" in screen_text(pilot)


async def test_the_difference_shows_both_values_and_what_is_new(start: Start, cluster: MemoryCluster) -> None:
    async with start(size=(140, 30)) as pilot:
        await wait(pilot, 30)
        cluster.put("pods", pod("web-7c5d-9wq7t", reason="CrashLoopBackOff", restarts=3))
        cluster.put("pods", pod("late-1"))
        await settled(pilot)
        await wait(pilot, 30)
        await press(pilot, "B", "x")
        assert "No pods differ from now" in screen_text(pilot)
        await press(pilot, "home")
        text = screen_text(pilot)
        changed = row_of(text, "web-7c5d-9wq7t")
        assert changed.startswith("  changed")
        assert "1/1 → 0/1" in changed
        assert "Running → CrashLoopBackOff" in changed
        assert row_of(text, "late-1").split()[0] == "new"
        assert "redis" not in text
        await press(pilot, "x")
        assert "redis" in screen_text(pilot)
        await press(pilot, "slash", *"web", "enter")
        assert "redis" not in screen_text(pilot)


async def test_leaps_go_by_minutes_and_stay_within_the_record(start: Start, cluster: MemoryCluster) -> None:
    async with start(size=(120, 30)) as pilot:
        await wait(pilot, 150)
        cluster.put("pods", pod("late-1"))
        await settled(pilot)
        await press(pilot, "B", "less_than_sign")
        text = screen_text(pilot)
        assert "◷ 00:01:30 UTC" in text
        assert "late-1" not in text
        await press(pilot, "less_than_sign", "less_than_sign")
        assert "◷ 00:00:00 UTC" in screen_text(pilot)
        await press(pilot, "end")
        assert "● now" in screen_text(pilot)
        await press(pilot, "escape")
        assert "default ▸ pods" in screen_text(pilot)


async def test_a_time_without_connection_is_said_to_be_unwatched(start: Start, cluster: MemoryCluster) -> None:
    async with start(size=(140, 30)) as pilot:
        await wait(pilot, 10)
        cluster.cut()
        await pilot.pause(0.3)
        await wait(pilot, 100)
        cluster.heal()
        cluster.put("pods", pod("late-1"))
        await press(pilot, "ctrl+r")
        await settled(pilot)
        assert "late-1" in screen_text(pilot)
        await wait(pilot, 10)
        await press(pilot, "B", "less_than_sign")
        text = screen_text(pilot)
        assert "not watched then: as last heard" in text
        assert "late-1" not in text
        assert "·" in text


async def test_a_table_that_was_left_keeps_its_record(start: Start, cluster: MemoryCluster) -> None:
    async with start(size=(140, 30)) as pilot:
        await wait(pilot, 10)
        await press(pilot, "colon", *"svc", "enter")
        await wait(pilot, 20)
        cluster.drop("pods", "default/redis-6f9b-h2x5c")
        await press(pilot, "colon", *"po", "enter")
        await wait(pilot, 5)
        await press(pilot, "B", "home")
        assert row_of(screen_text(pilot), "redis-6f9b-h2x5c").split()[0] == "gone"
        await press(pilot, "slash", *"redis", "enter", "enter")
        assert "is gone: the record has no more of it" in said(pilot)


def test_the_line_shows_changes_gaps_and_the_place() -> None:
    stretch = Stretch(begins=0, ends=100, at=50, changes=(11, 12, 13, 91), gaps=((20.0, 40.0),))
    assert "".join(text for text, _ in stretch.cells(10)) == "─▇··─●───▃"
    assert stretch.moment_at(0, 10) == 0
    assert stretch.moment_at(5, 10) == 50
    assert stretch.moment_at(9, 10) is None
    assert stretch.moment_at(-3, 10) == 0


def row_of(text: str, name: str) -> str:
    return next(line for line in text.splitlines() if name in line)
