"""Browsing with the keyboard: tables, filter, drill-down, commands, trouble."""

from textual.pilot import Pilot

from apimachinery.objects.errors import Forbidden
from tests.tui import demo
from tests.tui.driving import Start, screen_text, settled
from tests.tui.memory_cluster import MemoryCluster
from tui.screens.browse import BrowseScreen
from tui.widgets.table import VirtualTable


def names(pilot: Pilot[None]) -> list[str]:
    model = pilot.app.screen.query_one(VirtualTable).model
    return [model.row_at(index).name for index in range(len(model))]


async def test_the_first_screen_lists_the_pods_of_the_namespace(start: Start) -> None:
    async with start() as pilot:
        text = screen_text(pilot)
        assert "mailer-5d4c-x8k2v" in text
        assert "CrashLoopBackOff" in text
        assert "dns-1" not in text
        assert "7 pods" in text
        assert "● live" in text


async def test_a_filter_narrows_the_rows_at_every_key_and_escape_ends_it(start: Start) -> None:
    async with start() as pilot:
        await pilot.press("slash", "w", "e")
        await settled(pilot)
        assert names(pilot) == ["web-7c5d-4xk2p", "web-7c5d-9wq7t", "web-7c5d-bz8nd"]
        await pilot.press("enter", "escape")
        await settled(pilot)
        assert len(names(pilot)) == 7


async def test_a_changed_pod_changes_its_row_and_a_deleted_one_loses_it(start: Start, cluster: MemoryCluster) -> None:
    async with start() as pilot:
        cluster.put("pods", demo.pod("web-7c5d-4xk2p", reason="ImagePullBackOff"))
        cluster.drop("pods", "default/import-28x9f")
        await settled(pilot)
        assert "ImagePullBackOff" in screen_text(pilot)
        assert "import-28x9f" not in names(pilot)


async def test_enter_goes_from_deployment_to_pods_to_containers_to_logs_and_escape_back(start: Start) -> None:
    async with start() as pilot:
        await pilot.press("colon", *"deploy", "enter")
        await settled(pilot)
        await pilot.press("G", "enter")
        await settled(pilot)
        assert names(pilot) == ["web-7c5d-4xk2p", "web-7c5d-9wq7t", "web-7c5d-bz8nd"]
        await pilot.press("enter")
        await settled(pilot)
        assert "nginx:1.27" in screen_text(pilot)
        await pilot.press("enter")
        await settled(pilot)
        assert "following" in screen_text(pilot)
        await pilot.press("escape", "escape", "escape")
        await settled(pilot)
        assert names(pilot) == ["mailer", "redis", "web"]


async def test_zero_shows_all_namespaces_with_a_column_for_them(start: Start) -> None:
    async with start() as pilot:
        await pilot.press("0")
        await settled(pilot)
        assert "NAMESPACE" in screen_text(pilot)
        assert "dns-1" in names(pilot)


async def test_a_command_takes_namespace_and_filter(start: Start) -> None:
    async with start() as pilot:
        await pilot.press("colon", *"po kube-system /dns", "enter")
        await settled(pilot)
        assert names(pilot) == ["dns-1"]


async def test_a_custom_kind_is_shown_by_its_short_name(start: Start) -> None:
    async with start() as pilot:
        await pilot.press("colon", *"bo", "enter")
        await settled(pilot)
        assert "Falmouth" in screen_text(pilot)


async def test_an_unknown_kind_is_answered_in_the_prompt(start: Start) -> None:
    async with start() as pilot:
        await pilot.press("colon", *"zeppelins", "enter")
        await settled(pilot)
        assert "no kind named" in screen_text(pilot)
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, BrowseScreen)


async def test_a_refusal_is_shown_in_the_servers_words(start: Start, cluster: MemoryCluster) -> None:
    cluster.refuse["pods"] = Forbidden('pods is forbidden: User "eve" cannot list resource "pods"')
    async with start() as pilot:
        text = screen_text(pilot)
        assert "You may not see pods in default" in text
        assert 'User "eve" cannot list' in text


async def test_an_empty_namespace_says_so_and_what_to_press(start: Start) -> None:
    async with start() as pilot:
        await pilot.press("colon", *"po shop", "enter")
        await settled(pilot)
        assert "No pods in shop" in screen_text(pilot)
        assert "shows all namespaces" in screen_text(pilot)


async def test_a_dead_network_keeps_the_rows_says_stale_and_comes_back(start: Start, cluster: MemoryCluster) -> None:
    async with start() as pilot:
        cluster.cut()
        await settled(pilot)
        assert "stale" in screen_text(pilot)
        assert len(names(pilot)) == 7
        cluster.heal()
        cluster.put("pods", demo.pod("web-7c5d-new"))
        await pilot.press("ctrl+r")
        await settled(pilot)
        assert "● live" in screen_text(pilot)
        assert "web-7c5d-new" in names(pilot)


async def test_the_cursor_stays_with_its_object_and_is_lost_with_it(start: Start, cluster: MemoryCluster) -> None:
    async with start() as pilot:
        table = pilot.app.screen.query_one(VirtualTable)
        await pilot.press("j", "j")
        assert table.current is not None
        assert table.current.name == "redis-6f9b-h2x5c"
        cluster.drop("pods", "default/import-28x9f")
        await settled(pilot)
        assert table.current.name == "redis-6f9b-h2x5c"
        cluster.drop("pods", "default/redis-6f9b-h2x5c")
        await settled(pilot)
        assert table.current is None
        assert "the chosen row is gone" in screen_text(pilot)
        await pilot.press("ctrl+d")
        await settled(pilot)
        assert isinstance(pilot.app.screen, BrowseScreen)
