"""Changes by key: shown first, made through one door, kept in the journal, refused in read-only mode."""

from typing import Any

from textual.pilot import Pilot

from tests.tui.driving import Start, screen_text, settled
from tests.tui.memory_cluster import MemoryCluster
from tui.app import PilothouseApp
from tui.widgets.dialogs import ChangeDialog, DeleteDialog, ScaleDialog


def journal(pilot: Pilot[Any]) -> list[tuple[str, str]]:
    assert isinstance(pilot.app, PilothouseApp)
    return [(entry.title, entry.what) for entry in pilot.app.session.journal.entries]


async def go_to_web(pilot: Pilot[Any]) -> None:
    await pilot.press("colon", *"deploy", "enter")
    await settled(pilot)
    await pilot.press("G")


async def test_delete_names_the_object_and_enter_alone_cancels(start: Start, cluster: MemoryCluster) -> None:
    async with start() as pilot:
        await pilot.press("j", "ctrl+d")
        await settled(pilot)
        assert isinstance(pilot.app.screen, DeleteDialog)
        assert "default/mailer-5d4c-x8k2v" in screen_text(pilot)
        await pilot.press("enter")
        await settled(pilot)
        assert ("pods", "default/mailer-5d4c-x8k2v") in cluster.objects
        assert journal(pilot) == []


async def test_marked_rows_are_deleted_together_after_a_yes(start: Start, cluster: MemoryCluster) -> None:
    async with start() as pilot:
        await pilot.press("space", "space", "ctrl+d")
        await settled(pilot)
        assert "Delete these 2 pods?" in screen_text(pilot)
        await pilot.press("right", "enter")
        await settled(pilot)
        assert len([key for key in cluster.objects if key[0] == "pods"]) == 6
        assert journal(pilot) == [
            ("Delete", "pod/import-28x9f in default"), ("Delete", "pod/mailer-5d4c-x8k2v in default"),
        ]  # fmt: skip


async def test_scale_shows_the_step_and_is_made(start: Start, cluster: MemoryCluster) -> None:
    async with start() as pilot:
        await go_to_web(pilot)
        await pilot.press("S")
        await settled(pilot)
        assert isinstance(pilot.app.screen, ScaleDialog)
        await pilot.press("5")
        await settled(pilot)
        assert "starts 2 more" in screen_text(pilot)
        await pilot.press("enter")
        await settled(pilot)
        assert cluster.get("deployments", "default/web")["spec"]["replicas"] == 5
        assert journal(pilot) == [("Scale to 5", "deployment/web in default")]


async def test_set_image_shows_the_difference_before_it_is_made(start: Start, cluster: MemoryCluster) -> None:
    async with start() as pilot:
        await go_to_web(pilot)
        await pilot.press("i")
        await settled(pilot)
        await pilot.press("backspace", "8", "enter")
        await settled(pilot)
        assert isinstance(pilot.app.screen, ChangeDialog)
        assert "image: nginx:1.27" in screen_text(pilot)
        assert "image: nginx:1.28" in screen_text(pilot)
        assert "Replaces 3 pods" in screen_text(pilot)
        image = cluster.get("deployments", "default/web")["spec"]["template"]["spec"]["containers"][0]
        assert image["image"] == "nginx:1.27"
        await pilot.press("enter")
        await settled(pilot)
        image = cluster.get("deployments", "default/web")["spec"]["template"]["spec"]["containers"][0]
        assert image == {"name": "web", "image": "nginx:1.28"}


async def test_undo_goes_back_to_the_chosen_revision(start: Start, cluster: MemoryCluster) -> None:
    async with start() as pilot:
        await go_to_web(pilot)
        await pilot.press("R")
        await settled(pilot)
        assert "What revision 2 changed" in screen_text(pilot)
        await pilot.press("j")
        await settled(pilot)
        assert "What undoing to revision 1 would change" in screen_text(pilot)
        await pilot.press("U")
        await settled(pilot)
        await pilot.press("enter")
        await settled(pilot)
        template = cluster.get("deployments", "default/web")["spec"]["template"]
        assert template["spec"]["containers"][0]["image"] == "nginx:1.26"


async def test_escape_from_the_difference_changes_nothing(start: Start, cluster: MemoryCluster) -> None:
    async with start() as pilot:
        await go_to_web(pilot)
        await pilot.press("r")
        await settled(pilot)
        assert "restartedAt" in screen_text(pilot)
        await pilot.press("escape")
        await settled(pilot)
        assert "annotations" not in cluster.get("deployments", "default/web")["spec"]["template"]["metadata"]


async def test_read_only_is_said_and_nothing_but_reads_leaves_the_client(start: Start, cluster: MemoryCluster) -> None:
    async with start(readonly=True) as pilot:
        assert "read-only" in screen_text(pilot)
        assert "delete" not in screen_text(pilot)
        await pilot.press("j", "ctrl+d")
        await settled(pilot)
        assert "This session is read-only." in screen_text(pilot)
        assert ("pods", "default/mailer-5d4c-x8k2v") in cluster.objects
        # What one may do is asked by POST, and changes nothing.
        sent = {path.rpartition("/")[2] for method, path, _ in cluster.requests if method != "GET"}
        assert sent <= {"selfsubjectrulesreviews"}
