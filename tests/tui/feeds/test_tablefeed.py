"""Live tables over the Transport: pages, changes, resume, relist, reconnect."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from apimachinery.aio.clock import FakeClock
from apimachinery.aio.tasks import TaskScope
from apimachinery.objects.errors import Expired, Forbidden
from apimachinery.objects.resources import PODS
from tests.tui.demo import demo_cluster, pod
from tests.tui.memory_cluster import MemoryCluster
from tui.feeds.state import Phase
from tui.feeds.tables import TableFeed


class Watcher:
    """Takes batches into a plain dictionary, as a screen does."""

    def __init__(self, cluster: MemoryCluster, namespace: str | None = "default") -> None:
        self.names: dict[str, str] = {}
        self.phases: list[Phase] = []
        self.feed = TableFeed(
            cluster, PODS.path(namespace), clock=FakeClock(), with_namespace=namespace is None,
            on_state=lambda state: self.phases.append(state.phase),
        )  # fmt: skip

    async def settle(self) -> set[str]:
        for _ in range(30):
            await asyncio.sleep(0.002)
            batch = self.feed.take()
            if batch is not None:
                self.names.update({row.uid: row.name for row in batch.upserts})
                for uid in batch.removed:
                    self.names.pop(uid, None)
        return set(self.names.values())


@asynccontextmanager
async def watching(cluster: MemoryCluster, namespace: str | None = "default") -> AsyncIterator[Watcher]:
    watcher = Watcher(cluster, namespace)
    async with TaskScope("test") as scope:
        scope.spawn("feed", watcher.feed.run())
        await watcher.settle()
        yield watcher


async def test_a_long_list_comes_in_pages_and_is_complete() -> None:
    cluster = MemoryCluster()
    for number in range(1234):
        cluster.put("pods", pod(f"p-{number:04}"))
    async with watching(cluster) as watcher:
        assert len(await watcher.settle()) == 1234
    lists = [query for method, path, query in cluster.requests if path.endswith("/pods") and "watch" not in query]
    assert [query["limit"] for query in lists] == ["500", "500", "500"]
    assert watcher.phases[0] is Phase.LOADING


async def test_after_the_first_list_only_changes_travel() -> None:
    cluster = demo_cluster()
    async with watching(cluster) as watcher:
        before = len(cluster.requests)
        cluster.put("pods", pod("fresh"))
        cluster.drop("pods", "default/import-28x9f")
        names = await watcher.settle()
        assert "fresh" in names
        assert "import-28x9f" not in names
        assert len(cluster.requests) == before


async def test_an_ended_watch_is_resumed_where_it_stood() -> None:
    cluster = demo_cluster()
    async with watching(cluster) as watcher:
        version = str(cluster.revision)
        cluster.break_streams()
        names = await watcher.settle()
        assert len(names) == 7
        assert cluster.requests[-1][2]["resourceVersion"] == version
        assert [query for *_, query in cluster.requests if "limit" in query] == [cluster.requests[0][2]]


async def test_what_vanished_while_the_network_was_gone_is_gone_after_a_relist() -> None:
    cluster = demo_cluster()
    async with watching(cluster) as watcher:
        cluster.cut()
        await watcher.settle()
        assert watcher.phases[-1] is Phase.STALE
        assert len(watcher.names) == 7
        cluster.objects.pop(("pods", "default/import-28x9f"))
        cluster.expired_once = Expired("too old resource version")
        cluster.heal()
        watcher.feed.reconnect_now()
        names = await watcher.settle()
        assert "import-28x9f" not in names
        assert len(names) == 6
        assert watcher.phases[-1] is Phase.LIVE


async def test_a_refusal_is_a_state_and_not_an_end() -> None:
    cluster = demo_cluster()
    cluster.refuse["pods"] = Forbidden("pods is forbidden")
    async with watching(cluster) as watcher:
        assert watcher.feed.state.phase is Phase.REFUSED
        assert watcher.feed.state.detail == "pods is forbidden"
        del cluster.refuse["pods"]
        watcher.feed.reconnect_now()
        assert len(await watcher.settle()) == 7


async def test_a_flood_between_two_paints_is_one_batch_with_the_newest_row() -> None:
    cluster = demo_cluster()
    async with watching(cluster) as watcher:
        for number in range(200):
            cluster.put("pods", pod("web-7c5d-4xk2p", restarts=number))
        async with asyncio.timeout(10):
            while [row and row.cells[3] for row in watcher.feed._pending.values()] != [199]:
                await asyncio.sleep(0.01)
        batch = watcher.feed.take()
        assert batch is not None
        assert len(batch.upserts) == 1
        assert batch.upserts[0].cells[3] == 199


async def test_rows_of_all_namespaces_begin_with_theirs() -> None:
    async with watching(demo_cluster(), None) as watcher:
        assert "dns-1" in watcher.names.values()
