"""How every screen looks: at the smallest terminal in the dark theme, at a roomy one in the light theme.

At 80x24 every part must lie within what holds it, and say all it has to say.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Button, Checkbox, Label, RadioButton

from apimachinery.aio.clock import FakeClock
from apimachinery.objects.errors import Forbidden
from tests.tui.demo import ACCESS, demo_cluster
from tests.tui.driving import settled
from tests.tui.screens.test_helm import release
from tui.app import PilothouseApp
from tui.palette import DEFAULT_DARK, DEFAULT_LIGHT, load_palette

Compare = Callable[..., bool]

LOOKS = [pytest.param((80, 24), DEFAULT_DARK, id="80x24"), pytest.param((160, 48), DEFAULT_LIGHT, id="160x48")]

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
    pytest.param("\x1a", id="faults"),
    pytest.param(":depoy", id="completion"),
    pytest.param("jl", id="logs"),
    pytest.param("jlP", id="log-patterns"),
    pytest.param("jlh", id="log-range"),
    pytest.param("jX", id="xray"),
    pytest.param(":xray deploy⏎", id="xray-of-a-kind"),
    pytest.param(":wk⏎", id="workloads"),
    pytest.param("\x01", id="aliases"),
    pytest.param(":sd⏎", id="saved-files"),
    pytest.param(":usr⏎", id="users"),
    pytest.param(":can u:ann⏎", id="can"),
    pytest.param(":who delete pods⏎", id="who"),
    pytest.param(":ctx⏎", id="contexts"),
    pytest.param(":journal⏎", id="journal"),
    pytest.param(":health⏎", id="health"),
    pytest.param("n", id="namespaces"),
    pytest.param("T", id="themes"),
    pytest.param(":deploy⏎GS", id="scale"),
    pytest.param(":deploy⏎Gi", id="image"),
    pytest.param(":deploy⏎Gr", id="restart"),
    pytest.param(":deploy⏎Ge", id="edit"),
    pytest.param("jt", id="transfer"),
    pytest.param("jb", id="debug"),
    pytest.param("z", id="sanitize"),
    pytest.param(":no⏎D", id="drain"),
    pytest.param(":no⏎m", id="machine"),
]

KEYS = {"⏎": "enter", "\x04": "ctrl+d", ":": "colon", "/": "slash", "?": "question_mark", " ": "space", "\x1a": "ctrl+z",
        "\x01": "ctrl+a"}  # fmt: skip


def overflowing(screen: Screen[Any]) -> list[str]:
    """Widgets that reach beyond what holds them, or have no room for what they say."""
    found: list[str] = []
    for widget in screen.walk_children(Widget):
        above = [one for one in widget.ancestors if isinstance(one, Widget)]
        if not all(one.display for one in (widget, *above)) or not isinstance(widget.parent, Widget):
            continue
        holder = widget.parent
        scrolls = {holder.styles.overflow_x, holder.styles.overflow_y} & {"auto", "scroll"}
        if not (scrolls and holder is not screen) and not holder.region.contains_region(widget.region):
            found.append(f"{widget!r} at {widget.region} is not within {holder!r} at {holder.region}")
        if isinstance(widget, Button | Checkbox | RadioButton | Label):
            wanted = widget.get_content_width(screen.size, screen.size)
            if wanted > widget.content_size.width and widget.content_size.height < 2:
                found.append(f"{widget!r} needs {wanted} cells and has {widget.content_size.width}")
    return found


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
            if key in "⏎:/dywRFfKtlPXDmbzieSTnr\x04\x01\x1a":
                await settled(pilot)
        for line in pilot.app.screen.query("Input, TextArea"):
            line.cursor_blink = False  # type: ignore[attr-defined]
        await settled(pilot)

    return run_before


@pytest.mark.parametrize(("size", "theme"), LOOKS)
@pytest.mark.parametrize("keys", SCREENS)
def test_screen_looks_as_it_did(
    snap_compare: Compare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: str, size: tuple[int, int], theme: str
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.chdir("/")
    found: list[str] = []

    async def run_before(pilot: Pilot[Any]) -> None:
        await typing(keys)(pilot)
        found.extend(overflowing(pilot.app.screen))

    assert snap_compare(app(tmp_path, theme), run_before=run_before, terminal_size=size)
    assert found == []


@pytest.mark.parametrize("theme", [DEFAULT_DARK, DEFAULT_LIGHT])
def test_theme_looks_as_it_did(snap_compare: Compare, tmp_path: Path, theme: str) -> None:
    assert snap_compare(app(tmp_path, theme), run_before=typing("jd"), terminal_size=(100, 30))


async def test_what_does_not_fit_is_found(tmp_path: Path) -> None:
    async with app(tmp_path).run_test(size=(30, 8)) as pilot:
        await typing(":join⏎")(pilot)
        assert overflowing(pilot.app.screen)
