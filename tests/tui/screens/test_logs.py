"""The logs screen: several pods at once, new ones join, filter, standing still."""

from typing import Any

from textual.pilot import Pilot

from tests.tui.demo import pod
from tests.tui.driving import Start, screen_text, settled
from tests.tui.memory_cluster import MemoryCluster
from tui.feeds.logring import LogLine
from tui.widgets.logview import LogView

PODS = ("web-7c5d-4xk2p", "web-7c5d-9wq7t", "web-7c5d-bz8nd")


def say(cluster: MemoryCluster, name: str, second: int, text: str) -> None:
    cluster.say("default", name, "web", f"2026-01-01T00:00:{second:02}.000000000Z {text}")


async def open_web_logs(pilot: Pilot[Any]) -> None:
    await pilot.press("colon", *"deploy", "enter")
    await settled(pilot)
    await pilot.press("G", "l")
    await settled(pilot)


async def test_a_deployments_logs_come_from_all_its_pods_by_time(start: Start, cluster: MemoryCluster) -> None:
    for second, name in enumerate(PODS):
        say(cluster, name, second, f"hello from {second}")
    async with start() as pilot:
        await open_web_logs(pilot)
        text = screen_text(pilot)
        assert [text.index(f"hello from {number}") for number in range(3)] == sorted(
            text.index(f"hello from {number}") for number in range(3)
        )
        assert "4xk2p hello from 0" in text
        assert "3 containers" in text


async def test_a_new_pod_joins_by_itself(start: Start, cluster: MemoryCluster) -> None:
    async with start() as pilot:
        await open_web_logs(pilot)
        cluster.put("pods", pod("web-7c5d-fresh"))
        await settled(pilot)
        say(cluster, "web-7c5d-fresh", 9, "I am new")
        await settled(pilot)
        assert "web-7c5d-fresh web joined" in screen_text(pilot)
        assert "I am new" in screen_text(pilot)


async def test_a_filter_shows_only_matching_lines_and_new_ones_that_match(start: Start, cluster: MemoryCluster) -> None:
    say(cluster, PODS[0], 1, "GET /a 200")
    say(cluster, PODS[0], 2, "GET /b 500")
    async with start() as pilot:
        await open_web_logs(pilot)
        await pilot.press("slash", *"500", "enter")
        say(cluster, PODS[1], 3, "GET /c 200")
        say(cluster, PODS[1], 4, "GET /d 500")
        await settled(pilot)
        text = screen_text(pilot)
        assert "/b 500" in text
        assert "/d 500" in text
        assert "200" not in text
        assert "2 of" in text


async def test_moving_up_stands_still_and_end_follows_again(start: Start) -> None:
    async with start() as pilot:
        await open_web_logs(pilot)
        view = pilot.app.screen.query_one(LogView)
        view.add([LogLine(0, "", f"line {number}") for number in range(500)])
        await settled(pilot)
        assert "line 499" in screen_text(pilot)
        await pilot.press("pageup")
        view.add([LogLine(0, "", "later")])
        await settled(pilot)
        assert "later" not in screen_text(pilot)
        assert "standing still" in screen_text(pilot)
        await pilot.press("G")
        await settled(pilot)
        assert "later" in screen_text(pilot)


async def test_folded_long_lines_lose_no_character_and_the_place_is_kept(start: Start) -> None:
    async with start() as pilot:
        await open_web_logs(pilot)
        view = pilot.app.screen.query_one(LogView)
        view.add([LogLine(0, "", f"{number:03} " + "x" * 200 + " end") for number in range(100)])
        await settled(pilot)
        await pilot.press("w")
        await settled(pilot)
        text = screen_text(pilot)
        assert "099 xxx" in text
        assert "xx end" in text


async def test_a_hundred_thousand_lines_are_one_batch_and_stay_searchable(start: Start) -> None:
    async with start() as pilot:
        await open_web_logs(pilot)
        view = pilot.app.screen.query_one(LogView)
        view.add([LogLine(0, "", f"line {number} of many") for number in range(100_000)])
        view.set_filter("99999")
        await settled(pilot)
        assert view.shown == 1
        assert "line 99999 of many" in screen_text(pilot)
