"""When things are bad: a slow, silent or refusing server, huge and strange objects, a terminal that changes its size."""

import asyncio
from typing import Any

import pytest
from rich.cells import cell_len
from textual.pilot import Pilot

from apimachinery.objects.errors import Expired, Forbidden, Unauthorized
from tests.tui.demo import pod
from tests.tui.driving import Start, said, screen_text, settled
from tests.tui.memory_cluster import KINDS, MemoryCluster
from tests.tui.screens.test_browse import names
from tests.tui.screens.test_machines import until
from tests.tui.screens.test_operating import press
from tui.screens.browse import BrowseScreen
from tui.screens.help import HelpScreen


def lines_fit(pilot: Pilot[Any]) -> None:
    """No line of the screen is wider than the terminal: what is too wide is cut, in cells and not in characters."""
    width, height = pilot.app.size
    lines = pilot.app.screen._compositor.render_strips()
    assert len(lines) == height
    assert {line.cell_length for line in lines} == {width}
    for line in lines:
        assert sum(cell_len(segment.text) for segment in line) == width


async def test_a_server_that_answers_slowly_holds_up_no_key(start: Start, cluster: MemoryCluster) -> None:
    async with start(size=(100, 30)) as pilot:
        cluster.held = asyncio.Event()
        await press(pilot, "colon", *"deploy", "enter")
        assert "Loading deployments" in screen_text(pilot) or "connecting" in screen_text(pilot)
        await press(pilot, "question_mark")
        assert isinstance(pilot.app.screen, HelpScreen)
        await press(pilot, "escape", "colon", *"po", "enter", "slash", *"web")
        assert "/web" in said(pilot)
        await press(pilot, "escape", "colon", *"wk", "enter", "left_square_bracket", "T", "escape")
        cluster.held.set()
        await settled(pilot)
        await settled(pilot)
        assert "● live" in screen_text(pilot)
        assert len(names(pilot)) == 7


async def test_actions_on_a_slow_server_leave_the_screen_free(start: Start, cluster: MemoryCluster) -> None:
    async with start(size=(100, 30)) as pilot:
        cluster.held = asyncio.Event()
        await press(pilot, "j", "d")
        assert "Reading mailer" in screen_text(pilot)
        await press(pilot, "escape", "e")
        await press(pilot, "j", "j")
        assert isinstance(pilot.app.screen, BrowseScreen)
        cluster.held.set()
        await settled(pilot)


async def test_an_expired_login_is_said_and_the_rows_stay(start: Start, cluster: MemoryCluster) -> None:
    async with start(size=(100, 30)) as pilot:
        cluster.refuse["pods"] = Unauthorized("Unauthorized")
        cluster.expired_once = Expired("too old resource version")
        cluster.break_streams()
        await until(pilot, "401")
        assert len(names(pilot)) == 7
        del cluster.refuse["pods"]
        await press(pilot, "ctrl+r")
        await until(pilot, "● live")


async def test_whoever_may_see_one_namespace_only_can_work_there(start: Start, cluster: MemoryCluster) -> None:
    for kind in KINDS:
        path = f"{kind.prefix}/namespaces/default/{kind.plural}" if kind.namespaced else f"{kind.prefix}/{kind.plural}"
        denied = Forbidden(
            f'{kind.plural} is forbidden: User "eve" cannot list resource "{kind.plural}" in API group ""'
        )
        cluster.refuse_paths[path] = denied
        cluster.refuse_paths[f"{kind.prefix}/{kind.plural}"] = denied
    cluster.put("pods", pod("till-1", namespace="shop"))
    async with start(size=(100, 30)) as pilot:
        assert "You may not see pods in default" in screen_text(pilot)
        await press(pilot, "n", *"shop", "enter")
        assert names(pilot) == ["till-1"]
        await press(pilot, "y")
        assert "kind: Pod" in screen_text(pilot)
        await press(pilot, "escape", "colon", *"no", "enter")
        assert "You may not see nodes" in screen_text(pilot)
        for page in ("pulses", "wk", "usr", "contexts"):
            await press(pilot, "colon", *page, "enter")
        await press(pilot, "colon", *"po shop", "enter")
        assert names(pilot) == ["till-1"]


async def test_a_config_map_of_a_megabyte_is_read_searched_and_left(start: Start, cluster: MemoryCluster) -> None:
    data = {"one-line": "x" * 500_000, "many": "\n".join(f"line {n} of a long file" for n in range(25_000))}
    cluster.put("configmaps", {"metadata": {"name": "huge", "namespace": "default"}, "data": data})
    async with start(size=(100, 30)) as pilot:
        await press(pilot, "colon", *"cm", "enter")
        for key in ("d", "y"):
            await press(pilot, key)
            await until(pilot, "huge")
            await press(pilot, "slash", *"line 24999", "enter")
            await until(pilot, "1 of 1")
            lines_fit(pilot)
            await press(pilot, "W", "G", "escape", "escape")
        await press(pilot, "e")
        await until(pilot, "Esc leave")
        lines_fit(pilot)
        await press(pilot, "escape")
        await until(pilot, "● live")


STRANGE = (
    "部署控制器のログ",
    "עברית שגיאה",
    "🚢⚓️👩‍💻 ahoy",
    "e\u0301a\u0308 combining",
    "tab\there\x1b[31mred",
    "\u202eevil",
    "ไทย",
)


async def test_other_scripts_and_control_characters_break_no_line(start: Start, cluster: MemoryCluster) -> None:
    for number, text in enumerate(STRANGE):
        cluster.put("events", {
            "metadata": {"name": f"e-{number}", "namespace": "default"}, "type": "Warning", "reason": text,
            "involvedObject": {"kind": "Pod", "name": "web-7c5d-4xk2p", "namespace": "default"}, "message": text * 4,
            "lastTimestamp": "2025-12-31T23:58:00Z",
        })  # fmt: skip
        cluster.say("default", "web-7c5d-4xk2p", "web", f"2026-01-01T00:00:{number:02}Z {text * 9}")
    async with start(size=(80, 24)) as pilot:
        for keys in (("colon", *"ev", "enter"), ("d",), ("escape", "y"), ("escape", "slash", *"ahoy", "enter"),
                     ("colon", *"po", "enter", "slash", *"4xk2p", "enter", "l"), ("w",), ("escape", "d", "G")):  # fmt: skip
            await press(pilot, *keys)
            lines_fit(pilot)
        text = screen_text(pilot)
        assert "\x1b" not in text
        assert "\t" not in text
        assert "\u202e" not in text


SIZES = ((40, 10), (200, 60), (20, 5), (80, 24), (121, 33), (10, 3), (160, 48))


@pytest.mark.parametrize("keys", ["", "d", "y", "l", "J", "?", ":pulses⏎", ":deploy⏎R", ":wk⏎"])
async def test_a_storm_of_sizes_leaves_a_whole_screen(start: Start, cluster: MemoryCluster, keys: str) -> None:
    async with start(size=(80, 24)) as pilot:
        await press(pilot, *({"⏎": "enter", ":": "colon", "?": "question_mark"}.get(key, key) for key in keys))
        for number in range(4 * len(SIZES)):
            await pilot.resize_terminal(*SIZES[number % len(SIZES)])
            if number % 5 == 0:
                cluster.put("pods", pod(f"storm-{number}"))
        await pilot.resize_terminal(80, 24)
        await settled(pilot)
        lines_fit(pilot)
        assert "lab" in screen_text(pilot).splitlines()[0]
