"""Several clusters in one table: each with its own state, and everything done goes to the row's own."""

from pathlib import Path
from typing import Any

import pytest

from apimachinery.objects.errors import Forbidden
from apimachinery.objects.resources import DEPLOYMENTS
from tests.tui.demo import demo_cluster, pod
from tests.tui.driving import Start, said, screen_text, settled
from tests.tui.memory_cluster import MemoryCluster
from tests.tui.screens.test_contexts import kubeconfig
from tests.tui.screens.test_operating import press
from tui.command import contexts_of, parse_command
from tui.contexts import Contexts
from tui.feeds.manyclusters import ManyClusters
from tui.feeds.state import FeedState, Phase
from tui.feeds.tables import Batch
from tui.kinds.aliases import Aliases
from tui.rows import Column, Row


@pytest.fixture
def prod() -> MemoryCluster:
    prod = demo_cluster()
    for key in [key for kind, key in prod.objects if kind == "pods"]:
        prod.drop("pods", key)
    prod.put("pods", pod("till-1", namespace="default"))
    return prod


@pytest.fixture
def clusters(tmp_path: Path, cluster: MemoryCluster, prod: MemoryCluster) -> dict[str, Any]:
    known = {"lab": cluster, "prod": prod, "gone": MemoryCluster(down=True)}
    return {
        "contexts": Contexts([kubeconfig(tmp_path / "config")]),
        "connect": lambda access: known[access.context],
    }


async def test_two_clusters_make_one_table_that_follows_both(
    start: Start, clusters: dict[str, Any], cluster: MemoryCluster, prod: MemoryCluster
) -> None:
    async with start(size=(120, 30), **clusters) as pilot:
        await press(pilot, "colon", *"po @lab,@prod", "enter")
        text = screen_text(pilot)
        assert "CLUSTER" in text
        assert "2 clusters" in text
        assert "@lab @prod ▸ default ▸ pods" in text
        assert "● live" in text
        assert row_of(text, "till-1").split()[0] == "prod"
        assert row_of(text, "redis-6f9b-h2x5c").split()[0] == "lab"
        prod.put("pods", pod("till-2", namespace="default"))
        cluster.drop("pods", "default/redis-6f9b-h2x5c")
        await settled(pilot)
        text = screen_text(pilot)
        assert "till-2" in text
        assert "redis-6f9b-h2x5c" not in text
        await press(pilot, "slash", *"prod", "enter")
        assert "2 of" in screen_text(pilot)
        await press(pilot, "escape", "0")
        text = screen_text(pilot)
        assert "CLUSTER" in text, "another namespace keeps the clusters"
        assert "dns-1" in text


async def test_same_named_objects_of_two_clusters_are_two_rows_and_a_delete_takes_the_one_that_was_meant(
    start: Start, clusters: dict[str, Any], cluster: MemoryCluster, prod: MemoryCluster
) -> None:
    for one in (cluster, prod):
        one.put("pods", pod("twin", namespace="default"))
    assert cluster.get("pods", "default/twin")["metadata"]["uid"] == prod.get("pods", "default/twin")["metadata"]["uid"]
    async with start(size=(120, 30), **clusters) as pilot:
        await press(pilot, "colon", *"po @lab @prod /twin", "enter")
        assert screen_text(pilot).count(" twin ") == 2
        await press(pilot, "j", "ctrl+d")
        assert "prod: default/twin" in screen_text(pilot)
        await press(pilot, "right", "enter")
        await settled(pilot)
        assert ("pods", "default/twin") in cluster.objects
        assert ("pods", "default/twin") not in prod.objects


async def test_marked_rows_of_two_clusters_are_asked_for_one_cluster_at_a_time(
    start: Start, clusters: dict[str, Any], cluster: MemoryCluster, prod: MemoryCluster
) -> None:
    for one in (cluster, prod):
        one.put("pods", pod("twin", namespace="default"))
    async with start(size=(120, 30), **clusters) as pilot:
        await press(pilot, "colon", *"po @lab @prod /twin", "enter", "space", "j", "space", "ctrl+d")
        text = screen_text(pilot)
        assert "lab: default/twin" in text
        assert "prod: default/twin" not in text
        await press(pilot, "escape")
        assert "prod: default/twin" in screen_text(pilot)


async def test_changes_edits_and_their_undoing_stay_in_the_cluster_of_the_row(
    start: Start, clusters: dict[str, Any], cluster: MemoryCluster, prod: MemoryCluster
) -> None:
    before = cluster.get("deployments", "default/web")["spec"]["replicas"]
    async with start(size=(140, 40), resource=DEPLOYMENTS, **clusters) as pilot:
        await press(pilot, "colon", *"deploy @all", "enter")
        await press(pilot, "slash", *"prod", "enter")
        while pilot.app.screen.table.current.name != "web":
            await press(pilot, "j")
        await press(pilot, "S")
        assert "prod: default/web" in screen_text(pilot)
        await press(pilot, "7", "enter")
        assert prod.get("deployments", "default/web")["spec"]["replicas"] == 7
        assert cluster.get("deployments", "default/web")["spec"]["replicas"] == before
        assert len(pilot.app.session_of("prod").journal.entries) == 1
        assert not pilot.app.session.journal.entries
        await press(pilot, "e")
        editor = pilot.app.screen.query_one("TextArea")
        editor.load_text(editor.text.replace("replicas: 7", "replicas: 5"))
        await press(pilot, "ctrl+s", "enter")
        assert prod.get("deployments", "default/web")["spec"]["replicas"] == 5
        assert cluster.get("deployments", "default/web")["spec"]["replicas"] == before


async def test_what_is_opened_from_a_row_stays_in_its_cluster_all_the_way_down(
    start: Start, clusters: dict[str, Any], prod: MemoryCluster
) -> None:
    prod.say("default", "till-1", "main", "2026-01-01T00:00:00Z coins counted")
    async with start(size=(120, 30), **clusters) as pilot:
        await press(pilot, "colon", *"po @lab,@prod /till", "enter", "enter")
        text = screen_text(pilot)
        assert " prod " in text.splitlines()[0]
        await press(pilot, "d")
        assert " prod " in screen_text(pilot).splitlines()[0]
        await press(pilot, "y")
        text = screen_text(pilot)
        assert " prod " in text.splitlines()[0]
        assert "name: till-1" in text
        await press(pilot, "escape", "escape", "escape")
        assert "2 clusters" in screen_text(pilot)


async def test_each_cluster_has_its_own_state_and_its_own_words(
    start: Start, clusters: dict[str, Any], cluster: MemoryCluster, prod: MemoryCluster
) -> None:
    cluster.refuse_paths["/api/v1/namespaces/default/pods"] = Forbidden("pods is forbidden to ann")
    async with start(size=(140, 30), **clusters) as pilot:
        await press(pilot, "colon", *"po @all", "enter")
        text = screen_text(pilot)
        assert "◌ 1 of 4 live" in text
        assert "lab ✕ 403" in text
        assert "gone unreachable" in text
        assert "broken ✕ not usable" in text
        assert "till-1" in text
        words = said(pilot)
        assert "pods is forbidden to ann" in words
        assert 'cluster "nowhere" does not exist' in words
        prod.cut()
        await pilot.pause(0.5)
        text = screen_text(pilot)
        assert "◌ 0 of 4 live" in text
        assert "prod stale" in text
        assert "till-1" in text, "what was heard last stays"
        prod.heal()
        await press(pilot, "ctrl+r")
        await settled(pilot)
        assert "◌ 1 of 4 live" in screen_text(pilot)


async def test_no_context_that_fits_is_said(start: Start, clusters: dict[str, Any]) -> None:
    async with start(size=(120, 30), **clusters) as pilot:
        await press(pilot, "colon", *"po @stage-*", "enter")
        assert "No context fits @stage-*" in screen_text(pilot)


@pytest.mark.parametrize(
    ("text", "context", "contexts"),
    [
        pytest.param("po @a", "a", (), id="one is switched to"),
        pytest.param("po @a,@b", "", ("a", "b"), id="two with a comma"),
        pytest.param("po @a @b shop", "", ("a", "b"), id="two words"),
        pytest.param("po @a,b", "", ("a", "b"), id="one sign for both"),
        pytest.param("po @all", "", ("all",), id="all"),
        pytest.param("@prod-*", "", ("prod-*",), id="a pattern, with the kind that is there"),
    ],
)
def test_contexts_in_a_command(text: str, context: str, contexts: tuple[str, ...]) -> None:
    command = parse_command(text, Aliases())
    assert (command.context, command.contexts, command.error) == (context, contexts, "")


def test_contexts_are_chosen_by_name_pattern_and_all() -> None:
    known = ["lab", "prod-a", "prod-b"]
    assert contexts_of(["all"], known) == known
    assert contexts_of(["prod-*", "lab"], known) == ["prod-a", "prod-b", "lab"]
    assert contexts_of(["nowhere"], known) == ["nowhere"]
    assert contexts_of(["x-*"], known) == []


class Told:
    """A feed that says what it is given."""

    state = FeedState(phase=Phase.LIVE)

    def __init__(self, *batches: Batch) -> None:
        self.batches = list(batches)

    async def run(self) -> None: ...
    def reconnect_now(self) -> None: ...
    def take(self) -> Batch | None:
        return self.batches.pop(0) if self.batches else None


async def test_cells_of_a_cluster_of_another_version_stand_under_their_own_names() -> None:
    from apimachinery.aio.clock import FakeClock

    name, ready, extra = Column("Name"), Column("Ready"), Column("Extra")
    feeds = {
        "old": Told(Batch(columns=(name, ready), upserts=[Row("1", "", "a", ("a", "1/1"))])),
        "new": Told(Batch(columns=(extra, ready, name), upserts=[Row("1", "", "b", ("x", "0/1", "b"))], removed=["9"])),
        "odd": Told(Batch(columns=(name,), upserts=[Row("1", "", "c", ("c",))])),
    }

    async def opened(cluster: str) -> Any:
        return lambda on_pending, on_state: feeds[cluster]

    many = ManyClusters(list(feeds), opened, clock=FakeClock())
    await many.run()
    batch = many.take()
    assert batch is not None
    assert batch.columns is not None
    assert [column.name for column in batch.columns] == ["Cluster", "Name", "Ready"]
    assert [(row.uid, row.cells) for row in batch.upserts] == [
        ("old:1", ("old", "a", "1/1")),
        ("new:1", ("new", "b", "0/1")),
        ("odd:1", ("odd", "c", None)),
    ]
    assert batch.removed == ["new:9"]
    assert many.take() is None


def row_of(text: str, name: str) -> str:
    return next(line for line in text.splitlines() if name in line)
