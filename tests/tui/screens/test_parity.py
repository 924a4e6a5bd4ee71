"""What hands that know k9s expect: history, marks, copying, the mouse, completion, faults, workloads, lists."""

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from apimachinery.objects.errors import Forbidden
from tests.tui.demo import deployment, pod
from tests.tui.driving import Start, said, screen_text, settled
from tests.tui.memory_cluster import MemoryCluster
from tests.tui.screens.test_browse import names
from tests.tui.screens.test_operating import press
from tui.command import complete_command
from tui.kinds.aliases import Aliases
from tui.screens.browse import BrowseScreen
from tui.screens.containers import ContainersScreen
from tui.screens.help import HelpScreen
from tui.widgets.header import Header
from tui.widgets.hints import HintBar
from tui.widgets.prompt import Prompt
from tui.widgets.table import VirtualTable


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def table(pilot: Pilot[Any]) -> VirtualTable:
    return pilot.app.screen.query_one(VirtualTable)


async def test_history_goes_back_forth_and_swaps(start: Start) -> None:
    async with start() as pilot:
        await press(pilot, "colon", *"deploy", "enter")
        await press(pilot, "colon", *"svc", "enter")
        await press(pilot, "left_square_bracket")
        assert "deployments" in screen_text(pilot)
        await press(pilot, "left_square_bracket")
        assert "default ▸ pods" in screen_text(pilot)
        await press(pilot, "right_square_bracket", "right_square_bracket")
        assert "default ▸ services" in screen_text(pilot)
        await press(pilot, "minus")
        assert "default ▸ deployments" in screen_text(pilot)
        await press(pilot, "minus")
        assert "default ▸ services" in screen_text(pilot)


async def test_what_was_typed_comes_back_by_arrow_on_another_screen(start: Start) -> None:
    async with start() as pilot:
        await press(pilot, "colon", *"deploy", "enter")
        await press(pilot, "colon", "up")
        assert pilot.app.screen.query_one("#prompt-line").value == "deploy"  # type: ignore[attr-defined]


async def test_names_and_namespaces_are_copied(start: Start) -> None:
    async with start() as pilot:
        await press(pilot, "j", "c")
        assert pilot.app.clipboard == "mailer-5d4c-x8k2v"
        await press(pilot, "space", "space", "c")
        assert pilot.app.clipboard == "mailer-5d4c-x8k2v\nredis-6f9b-h2x5c"
        await press(pilot, "Y")
        assert pilot.app.clipboard == "default"


async def test_a_row_leads_to_its_namespace(start: Start) -> None:
    async with start(size=(100, 30)) as pilot:
        await press(pilot, "0")
        await press(pilot, "G", "W")
        assert pilot.app.session.namespace == "kube-system"  # type: ignore[attr-defined]
        assert names(pilot) == ["dns-1"]


async def test_ranges_are_marked_and_marks_cleared(start: Start) -> None:
    async with start() as pilot:
        await press(pilot, "space", "j", "j", "ctrl+@")
        assert len(table(pilot).marked) == 4
        await press(pilot, "ctrl+backslash")
        assert table(pilot).marked == set()


async def test_marks_that_the_filter_hides_are_named_before_they_are_deleted(start: Start) -> None:
    async with start(size=(100, 30)) as pilot:
        await press(pilot, "space", "slash", *"redis", "enter", "space")
        await press(pilot, "ctrl+d")
        text = screen_text(pilot)
        assert "Delete these 2 pods?" in text
        assert "import-28x9f" in text
        assert "1 of them is hidden by the filter" in text


async def test_the_mouse_chooses_opens_sorts_and_goes_back(start: Start) -> None:
    async with start(size=(100, 30)) as pilot:
        await pilot.click(VirtualTable, offset=(5, 3))
        await settled(pilot)
        chosen = table(pilot).current
        assert chosen is not None
        assert chosen.name == names(pilot)[2]
        await pilot.click(VirtualTable, offset=(4, 0))
        await settled(pilot)
        assert table(pilot).model.sort_column == 0
        await pilot.click(VirtualTable, offset=(5, 1), times=2)
        await settled(pilot)
        assert isinstance(pilot.app.screen, ContainersScreen)
        await pilot.click(Header, offset=(3, 1))
        await settled(pilot)
        assert isinstance(pilot.app.screen, BrowseScreen)


async def test_a_hint_is_a_button(start: Start) -> None:
    async with start(size=(100, 30)) as pilot:
        line = screen_text(pilot).splitlines()[-1]
        await pilot.click(HintBar, offset=(line.index("? help"), 0))
        await settled(pilot)
        assert isinstance(pilot.app.screen, HelpScreen)


def test_completion_finds_beginnings_then_parts_then_scattered_letters() -> None:
    aliases = Aliases()
    assert complete_command("dep", aliases, [])[0] == "deployments"
    assert "deployments" in complete_command("ploy", aliases, [])
    assert complete_command("cfgm", aliases, [])[0].startswith("configmap")
    assert complete_command("po sys", aliases, ["default", "kube-system"]) == ["po kube-system"]
    assert complete_command("po @rod", aliases, [], lambda: ["prod", "lab"]) == ["po @prod"]
    assert complete_command("zz", aliases, []) == []


async def test_tab_walks_through_what_the_line_may_become(start: Start) -> None:
    async with start(size=(100, 30)) as pilot:
        await press(pilot, "colon", *"ploy")
        assert "⇥ deploy" in screen_text(pilot)
        await press(pilot, "tab")
        line = pilot.app.screen.query_one("#prompt-line")
        first = line.value  # type: ignore[attr-defined]
        await press(pilot, "tab")
        assert line.value != first  # type: ignore[attr-defined]
        await press(pilot, "shift+tab")
        assert line.value == first  # type: ignore[attr-defined]
        await press(pilot, "enter")
        assert "default ▸ deployments" in screen_text(pilot)


async def test_enter_guesses_no_kind_from_scattered_letters(start: Start) -> None:
    async with start(size=(100, 30)) as pilot:
        await press(pilot, "colon", *"ploy", "enter")
        assert "no kind named" in screen_text(pilot)
        assert pilot.app.screen.query_one(Prompt).opened


async def test_a_fuzzy_filter_looks_at_names(start: Start) -> None:
    async with start() as pilot:
        await press(pilot, "slash", *"-f", "space", *"wb4x", "enter")
        assert names(pilot) == ["web-7c5d-4xk2p"]


async def test_only_what_is_not_well(start: Start, cluster: MemoryCluster) -> None:
    async with start(size=(100, 30)) as pilot:
        await press(pilot, "ctrl+z")
        assert names(pilot) == ["mailer-5d4c-x8k2v", "thumbs-8b7f-q9m4z"]
        assert "not well: 2 of 7" in screen_text(pilot)
        cluster.put("pods", pod("web-7c5d-4xk2p", reason="ImagePullBackOff"))
        cluster.drop("pods", "default/mailer-5d4c-x8k2v")
        await settled(pilot)
        assert names(pilot) == ["thumbs-8b7f-q9m4z", "web-7c5d-4xk2p"]
        await press(pilot, "ctrl+z")
        assert len(names(pilot)) == 6


async def test_all_well_is_said(start: Start) -> None:
    async with start(size=(100, 30)) as pilot:
        await press(pilot, "colon", *"svc", "enter")
        await press(pilot, "ctrl+z")
        assert "All 1 services are well" in screen_text(pilot)


async def test_the_header_hides_and_comes_back_with_trouble(start: Start, cluster: MemoryCluster) -> None:
    async with start() as pilot:
        await press(pilot, "ctrl+e")
        assert "default ▸ pods" not in screen_text(pilot)
        await press(pilot, "colon", *"deploy", "enter")
        assert "▸ deployments" not in screen_text(pilot)
        cluster.cut()
        await settled(pilot)
        assert "stale" in screen_text(pilot)


async def test_all_kinds_with_their_names_lead_to_their_tables(start: Start) -> None:
    async with start(size=(100, 40)) as pilot:
        await press(pilot, "ctrl+a")
        text = screen_text(pilot)
        assert "aliases" in text
        assert "dp deploy deployment" in text
        await press(pilot, "slash", *"boat", "enter", "enter")
        assert "Falmouth" in screen_text(pilot)


async def test_workloads_of_six_kinds_stand_in_one_live_table(start: Start, cluster: MemoryCluster) -> None:
    async with start(size=(120, 40)) as pilot:
        await press(pilot, "colon", *"wk", "enter")
        text = screen_text(pilot)
        assert "deployment" in text
        assert "service" in text
        assert "DEGRADED" in text
        assert "CrashLoopBackOff" in text
        cluster.put("deployments", deployment("fresh", image="a:1"))
        await settled(pilot)
        await press(pilot, "slash", *"kind:deployment", "space", *"fresh", "enter")
        assert names(pilot) == ["fresh"]
        await press(pilot, "y")
        assert "kind: Deployment" in screen_text(pilot)
        await press(pilot, "escape", "escape", "slash", *"kind:pod", "space", *"mailer", "enter", "enter")
        assert "mailer:" in screen_text(pilot) or "mailer" in screen_text(pilot)


async def test_workloads_do_without_a_kind_that_may_not_be_seen(start: Start, cluster: MemoryCluster) -> None:
    cluster.refuse["services"] = Forbidden("services is forbidden")
    async with start(size=(120, 40)) as pilot:
        await press(pilot, "colon", *"wk", "enter")
        assert "without services" in screen_text(pilot)
        assert "deployment" in screen_text(pilot)
        await press(pilot, "0")
        assert "all namespaces ▸ workloads" in screen_text(pilot)
        assert "dns-1" in names(pilot)


async def test_saved_files_are_listed_shown_and_deleted(start: Start) -> None:
    async with start(size=(120, 40)) as pilot:
        await press(pilot, "ctrl+s")
        await press(pilot, "y", "ctrl+s")
        await press(pilot, "escape", "colon", *"sd", "enter")
        found = names(pilot)
        assert sorted(name.rpartition(".")[2] for name in found) == ["csv", "yaml"]
        await press(pilot, "slash", *"csv", "enter", "enter")
        assert "Name,Ready,Status" in screen_text(pilot)
        await press(pilot, "escape", "ctrl+d")
        assert "Delete pods-" in screen_text(pilot)
        await press(pilot, "tab", "enter")
        await press(pilot, "escape")
        assert [name.rpartition(".")[2] for name in names(pilot)] == ["yaml"]


async def test_users_and_groups_lead_to_what_they_may_do(start: Start, cluster: MemoryCluster) -> None:
    cluster.put("clusterroles", {"metadata": {"name": "view"},
                                 "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]})  # fmt: skip
    cluster.put("clusterrolebindings", {"metadata": {"name": "b"}, "roleRef": {"kind": "ClusterRole", "name": "view"},
                                        "subjects": [{"kind": "User", "name": "ann"}, {"kind": "Group", "name": "devs"}]})  # fmt: skip
    async with start(size=(120, 40)) as pilot:
        await press(pilot, "colon", *"usr", "enter")
        assert names(pilot) == ["ann"]
        await press(pilot, "enter")
        assert "what u:ann may do" in screen_text(pilot)
        assert "pods" in screen_text(pilot)
        await press(pilot, "colon", *"grp", "enter")
        assert names(pilot) == ["devs"]


async def test_x_ray_of_a_whole_kind(start: Start) -> None:
    async with start(size=(120, 40)) as pilot:
        await press(pilot, "colon", *"xray", "space", *"deploy", "enter")
        text = said(pilot)
        assert "Deployment mailer" in text
        assert "nothing owns it" not in text
