"""The logs screen: several pods at once, new ones join, filter, standing still."""

import asyncio
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


async def test_json_lines_become_columns_by_themselves_and_one_is_shown_in_full(
    start: Start, cluster: MemoryCluster
) -> None:
    for second in range(3):
        say(cluster, PODS[0], second, f'{{"level":"error","msg":"order {second} lost","shop":{{"id":{second}}}}}')
    async with start(size=(100, 30)) as pilot:
        await open_web_logs(pilot)
        assert "error order 1 lost  shop=" in screen_text(pilot)
        await pilot.press("v")
        await settled(pilot)
        assert '"msg":"order 1 lost"' in screen_text(pilot)
        await pilot.press("enter")
        await settled(pilot)
        assert '"id": 0' in screen_text(pilot)
        await pilot.press("escape", "v")
        await settled(pilot)
        await pilot.click(LogView, offset=(30, 4), times=2)
        await settled(pilot)
        assert '"id": 2' in screen_text(pilot)


async def test_a_level_is_filtered_with_what_is_above_it(start: Start, cluster: MemoryCluster) -> None:
    for second, line in enumerate(("INFO fine", "WARN hm", '{"level":"fatal","msg":"end"}', "level is a word")):
        say(cluster, PODS[0], second, line)
    async with start(size=(100, 30)) as pilot:
        await open_web_logs(pilot)
        await pilot.press("slash", *"level:warn", "enter")
        await settled(pilot)
        text = screen_text(pilot)
        assert "WARN hm" in text
        assert "end" in text
        assert "INFO fine" not in text
        assert "is a word" not in text


async def test_patterns_count_alike_lines_live_and_lead_to_them(start: Start, cluster: MemoryCluster) -> None:
    for second in range(20):
        say(cluster, PODS[0], second, f"GET /orders/{second} 200")
    say(cluster, PODS[1], 21, "ERROR no database today")
    async with start(size=(100, 30)) as pilot:
        await open_web_logs(pilot)
        await pilot.press("P")
        await settled(pilot)
        text = screen_text(pilot)
        assert "GET <*> <*>" in text or "GET /orders" in text
        assert "95.2%" in text
        assert "ERROR no database today" in text
        say(cluster, PODS[1], 22, "ERROR no database today")
        await settled(pilot)
        await settled(pilot)
        assert "22 lines in 2 patterns" in screen_text(pilot)
        await pilot.press("slash", *"database", "enter", "enter")
        await settled(pilot)
        text = screen_text(pilot)
        assert "2 of 2" in text
        assert "GET" not in text


async def test_a_million_lines_are_searched_while_keys_and_new_lines_go_on(start: Start) -> None:
    async with start(size=(100, 30)) as pilot:
        await open_web_logs(pilot)
        view = pilot.app.screen.query_one(LogView)
        for at in range(0, 1_000_000, 50_000):
            view.add([LogLine(0, "", f"line {number} of many") for number in range(at, at + 50_000)])
        assert view.shown == 1_000_000 + len(view.ring) - 1_000_000
        await pilot.press("slash", *"777777")
        view.add([LogLine(0, "", "a new 777777"), LogLine(0, "", "not this")])
        async with asyncio.timeout(60):
            while view.searching is not None:
                await pilot.pause(0.05)
        assert view.shown == 2
        text = screen_text(pilot)
        assert "line 777777 of many" in text
        assert "a new 777777" in text


async def test_lines_that_fell_off_are_counted_and_the_place_is_kept(start: Start) -> None:
    async with start(size=(100, 30)) as pilot:
        await open_web_logs(pilot)
        view = pilot.app.screen.query_one(LogView)
        view.ring.limit = 2000
        view.add([LogLine(0, "", f"line {number} " + "x" * 150) for number in range(1500)])
        await pilot.press("w")
        await settled(pilot)
        await pilot.press("pageup")
        await settled(pilot)
        top = view.top_line()
        for at in range(1500, 2600, 100):
            view.add([LogLine(0, "", f"line {number} " + "x" * 150) for number in range(at, at + 100)])
            await settled(pilot)
        assert view.ring.first > 0
        pilot.app.screen.tell()  # type: ignore[attr-defined]
        await settled(pilot)
        assert f"{view.ring.first:,} older left out" in screen_text(pilot)
        assert top is not None
        assert view.top_line() == top


async def test_containers_that_are_not_followed_are_counted(start: Start, cluster: MemoryCluster) -> None:
    for number in range(70):
        cluster.put("pods", pod(f"web-7c5d-n{number:02}"))
    async with start(size=(120, 30)) as pilot:
        await open_web_logs(pilot)
        assert "9 more containers are not followed" in screen_text(pilot)


async def test_ranges_previous_times_lines_drawn_and_clearing(start: Start, cluster: MemoryCluster) -> None:
    say(cluster, PODS[0], 7, "hello")

    def asked() -> dict[str, str]:
        return next(query for _, path, query in reversed(cluster.requests) if path.endswith("/log"))

    async with start(size=(140, 30)) as pilot:
        await open_web_logs(pilot)
        await pilot.press("3")
        await settled(pilot)
        assert asked()["sinceSeconds"] == "300"
        assert "tailLines" not in asked()
        await pilot.press("h")
        await settled(pilot)
        assert "the last 15 minutes" in screen_text(pilot)
        await pilot.press("escape", "1", "t")
        await settled(pilot)
        assert "00:00:07.000 " in screen_text(pilot)
        await pilot.press("m")
        await settled(pilot)
        assert "── 00:00:00 ──" in screen_text(pilot)
        await pilot.press("C")
        await settled(pilot)
        assert "hello" not in screen_text(pilot)
        await pilot.press("p")
        await settled(pilot)
        assert asked()["previous"] == "true"
        assert "previous run" in screen_text(pilot)
