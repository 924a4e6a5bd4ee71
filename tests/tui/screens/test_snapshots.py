"""How the main screens look, at the smallest terminal and at a roomy one; one screen per theme."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from apimachinery.aio.clock import FakeClock
from apimachinery.objects.errors import Forbidden
from tests.tui.demo import ACCESS, demo_cluster
from tests.tui.driving import settled
from tests.tui.screens.test_helm import release
from tui.app import PilothouseApp
from tui.palette import DEFAULT_DARK, DEFAULT_LIGHT, load_palette

Compare = Callable[..., bool]

SIZES = [pytest.param((80, 24), id="80x24"), pytest.param((160, 48), id="160x48")]

SCREENS: list[Any] = [
    pytest.param("", id="pods"),
    pytest.param(":deploy⏎", id="deployments"),
    pytest.param(":no⏎", id="nodes"),
    pytest.param(":ev⏎", id="events"),
    pytest.param(":po shop⏎", id="empty"),
    pytest.param("jd", id="describe"),
    pytest.param("jw", id="why"),
    pytest.param("jy", id="yaml"),
    pytest.param("j⏎", id="containers"),
    pytest.param(":deploy⏎GR", id="rollout"),
    pytest.param(":deploy⏎GRj⏎", id="undo"),
    pytest.param("j\x04", id="delete"),
    pytest.param("jF", id="forward"),
    pytest.param("jf", id="forwards"),
    pytest.param(":pulses⏎", id="pulses"),
    pytest.param(":po zoo⏎", id="denied"),
    pytest.param(":helm⏎", id="helm"),
    pytest.param(":join⏎", id="join"),
    pytest.param("jK", id="kubectl"),
    pytest.param("?", id="help"),
    pytest.param("/web", id="filter"),
]

KEYS = {"⏎": "enter", "\x04": "ctrl+d", ":": "colon", "/": "slash", "?": "question_mark", " ": "space"}


def app(folder: Path, theme: str = DEFAULT_DARK) -> PilothouseApp:
    cluster = demo_cluster()
    cluster.put("secrets", release(1))
    cluster.put("secrets", release(2, status="deployed", replicas=3))
    cluster.refuse_paths["/api/v1/namespaces/zoo/pods"] = Forbidden(
        'pods is forbidden: User "ann" cannot list resource "pods" in API group "" in the namespace "zoo"'
    )
    return PilothouseApp(ACCESS, transport=cluster, clock=FakeClock(), theme=theme, palette=load_palette(folder),
                         machine_command=("pilothouse",))  # fmt: skip


def typing(keys: str) -> Callable[[Pilot[Any]], Any]:
    async def run_before(pilot: Pilot[Any]) -> None:
        await settled(pilot)
        for key in keys:
            await pilot.press(KEYS.get(key, key))
            if key in "⏎:/dywRFfKt\x04":
                await settled(pilot)
        for line in pilot.app.screen.query("Input"):
            line.cursor_blink = False  # type: ignore[attr-defined]
        await settled(pilot)

    return run_before


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("keys", SCREENS)
def test_screen_looks_as_it_did(snap_compare: Compare, tmp_path: Path, keys: str, size: tuple[int, int]) -> None:
    assert snap_compare(app(tmp_path), run_before=typing(keys), terminal_size=size)


@pytest.mark.parametrize("theme", [DEFAULT_DARK, DEFAULT_LIGHT])
def test_theme_looks_as_it_did(snap_compare: Compare, tmp_path: Path, theme: str) -> None:
    assert snap_compare(app(tmp_path, theme), run_before=typing("jd"), terminal_size=(100, 30))
