"""Editing and undoing by keys: checked by the server, shown before, text kept, conflicts carried over."""

from typing import Any

from textual.pilot import Pilot
from textual.widgets import TextArea

from apimachinery.objects.errors import Invalid
from tests.tui.driving import Start, screen_text, settled
from tests.tui.memory_cluster import MemoryCluster
from tui.screens.edit import EditScreen, edit_outside
from tui.widgets.dialogs import ChangeDialog


async def edit_page(pilot: Pilot[Any]) -> TextArea:
    await pilot.press("colon", *"cm", "enter")
    await settled(pilot)
    await pilot.press("e")
    await settled(pilot)
    assert isinstance(pilot.app.screen, EditScreen)
    return pilot.app.screen.query_one(TextArea)


async def press(pilot: Pilot[Any], *keys: str) -> None:
    await pilot.press(*keys)
    await settled(pilot)


async def test_an_edit_is_shown_as_a_difference_made_and_undone(start: Start, cluster: MemoryCluster) -> None:
    async with start(size=(100, 30)) as pilot:
        area = await edit_page(pilot)
        assert "index.html" in area.text
        area.load_text(area.text.replace("ahoy", "farewell"))
        await press(pilot, "ctrl+s")
        assert isinstance(pilot.app.screen, ChangeDialog)
        assert "<h1>farewell</h1>" in screen_text(pilot)
        await press(pilot, "enter")
        assert cluster.get("configmaps", "default/web-page")["data"]["index.html"] == "<h1>farewell</h1>\n"
        await press(pilot, "colon", *"journal", "enter")
        assert "configmap/web-page in default" in screen_text(pilot)
        await press(pilot, "U")
        assert "Undo edit" in screen_text(pilot)
        await press(pilot, "enter")
        assert cluster.get("configmaps", "default/web-page")["data"]["index.html"] == "<h1>ahoy</h1>\n"
        await press(pilot, "colon", *"journal", "enter")
        assert "(undone)" in screen_text(pilot)


async def test_what_others_change_elsewhere_stays_and_in_the_same_place_is_named(
    start: Start, cluster: MemoryCluster
) -> None:
    async with start(size=(100, 30)) as pilot:
        area = await edit_page(pilot)
        page = cluster.get("configmaps", "default/web-page")
        cluster.put("configmaps", {**page, "data": {"index.html": "<h1>moin</h1>\n", "other": "x"}})
        area.load_text(area.text.replace("ahoy", "farewell"))
        await press(pilot, "ctrl+s")
        await settled(pilot)
        assert "Changed by somebody else since you began: data.index.html." in screen_text(pilot)
        await press(pilot, "enter")
        assert cluster.get("configmaps", "default/web-page")["data"] == {
            "index.html": "<h1>farewell</h1>\n",
            "other": "x",
        }


async def test_a_refusal_is_said_under_the_text_which_stays(start: Start, cluster: MemoryCluster) -> None:
    cluster.refuse["write configmaps"] = Invalid('ConfigMap "web-page" is invalid: data: no')
    async with start(size=(100, 30)) as pilot:
        area = await edit_page(pilot)
        area.load_text(area.text.replace("ahoy", "farewell"))
        await press(pilot, "ctrl+s")
        assert 'Refused: ConfigMap "web-page" is invalid' in screen_text(pilot)
        assert "farewell" in area.text
        area.load_text("data: [")
        await press(pilot, "ctrl+s")
        assert "Not usable: line" in screen_text(pilot)
        await press(pilot, "escape")
        assert "Esc again throws them away" in screen_text(pilot)
        await press(pilot, "escape")
        assert not isinstance(pilot.app.screen, EditScreen)


async def test_a_deleted_object_is_made_again_from_the_journal(start: Start, cluster: MemoryCluster) -> None:
    async with start(size=(100, 30)) as pilot:
        await press(pilot, "colon", *"cm", "enter")
        await press(pilot, "ctrl+d")
        await press(pilot, "right", "enter")
        assert ("configmaps", "default/web-page") not in cluster.objects
        await press(pilot, "colon", *"journal", "enter")
        await press(pilot, "U")
        assert "Create again" in screen_text(pilot)
        await press(pilot, "enter")
        assert cluster.get("configmaps", "default/web-page")["data"] == {"index.html": "<h1>ahoy</h1>\n"}


async def test_a_pod_that_its_controller_replaces_is_said_not_to_be_undoable(start: Start) -> None:
    async with start(size=(100, 30)) as pilot:
        await press(pilot, "j", "ctrl+d")
        await press(pilot, "right", "enter")
        await press(pilot, "colon", *"journal", "enter")
        await press(pilot, "U")
        assert "Cannot be undone" in screen_text(pilot)
        assert "makes another by itself." in screen_text(pilot)


def test_an_editor_of_ones_own_gets_the_text_and_gives_it_back() -> None:
    assert edit_outside("sed -i s/ahoy/moin/", "ahoy\n") == ("moin\n", "")
    assert edit_outside("false", "ahoy\n") == ("ahoy\n", "false ended with code 1")
    text, trouble = edit_outside("no-such-editor", "ahoy\n")
    assert (text, trouble) == ("ahoy\n", "no-such-editor: No such file or directory")
