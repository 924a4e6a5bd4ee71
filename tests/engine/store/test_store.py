"""What every store must do; each implementation runs all of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from engine.store.errors import Compacted, FutureRevision, KeyExists, KeyMissing, RevisionMismatch
from engine.store.etcdaccess import EtcdAccess
from engine.store.protocol import Change, Store
from engine.store.sqlite import SqliteStore
from tests.engine.store.etcdserver import etcd_cluster

Opener = Callable[[], Awaitable[Store]]


def _stamp(value: bytes, revision: int) -> bytes:
    return value + b"@%d" % revision


@pytest.fixture(params=["sqlite", "etcd"])
async def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opener]:
    """Opens the store under test; opening again is a restart."""
    opened: list[Store] = []
    async with AsyncExitStack() as stack:
        endpoints: tuple[str, ...] = ()
        if request.param == "etcd":
            endpoints = (await stack.enter_async_context(etcd_cluster(tmp_path))).endpoints

        async def open_again() -> Store:
            for store in opened:
                await store.close()
            if endpoints:
                # Loaded by those who use it only, here as in the engine.
                from engine.store.etcd import EtcdStore

                store = await EtcdStore.open(EtcdAccess(endpoints=endpoints), prefix="/r/", decorate=_stamp)
            else:
                store = await SqliteStore.open(tmp_path / "store.db", decorate=_stamp, volatile=("/r/memory/",))
            opened.append(store)
            return store

        yield open_again
        for store in opened:
            await store.close()


async def test_created_key_is_read_back_with_its_revision(open_store: Opener) -> None:
    store = await open_store()
    record = await store.create("/r/a/1", b"x")
    assert store.get("/r/a/1") is record
    assert record.value == b"x@%d" % record.revision
    assert store.revision == record.revision


async def test_create_of_an_existing_key_is_refused(open_store: Opener) -> None:
    store = await open_store()
    await store.create("/r/a/1", b"x")
    with pytest.raises(KeyExists):
        await store.create("/r/a/1", b"y")


async def test_update_needs_the_current_revision(open_store: Opener) -> None:
    store = await open_store()
    first = await store.create("/r/a/1", b"x")
    second = await store.update("/r/a/1", b"y", first.revision)
    with pytest.raises(RevisionMismatch) as refused:
        await store.update("/r/a/1", b"z", first.revision)
    assert refused.value.actual == second.revision
    with pytest.raises(KeyMissing):
        await store.update("/r/a/2", b"z", 1)


async def test_deleted_key_is_gone_and_can_be_created_again(open_store: Opener) -> None:
    store = await open_store()
    first = await store.create("/r/a/1", b"x")
    with pytest.raises(RevisionMismatch):
        await store.delete("/r/a/1", first.revision + 7)
    gone = await store.delete("/r/a/1", first.revision)
    assert store.get("/r/a/1") is None
    again = await store.create("/r/a/1", b"y")
    assert first.revision < gone < again.revision


async def test_list_is_sorted_and_paged(open_store: Opener) -> None:
    store = await open_store()
    await asyncio.gather(*(store.create(f"/r/a/{n}", b"x") for n in (3, 1, 2)), store.create("/r/b/1", b"x"))
    page = store.list("/r/a/", limit=2)
    assert [r.key for r in page.records] == ["/r/a/1", "/r/a/2"]
    assert page.remaining == 1
    rest = store.list("/r/a/", limit=2, start_after="/r/a/2", revision=page.revision)
    assert [r.key for r in rest.records] == ["/r/a/3"]
    assert rest.remaining == 0
    assert store.count("/r/") == 4


async def test_list_at_an_old_revision_shows_the_past(open_store: Opener) -> None:
    store = await open_store()
    a = await store.create("/r/a/1", b"old")
    b = await store.create("/r/a/2", b"old")
    await store.update("/r/a/1", b"new", a.revision)
    await store.delete("/r/a/2", b.revision)
    await store.create("/r/a/0", b"new")
    then = store.list("/r/a/", revision=b.revision)
    assert [(r.key, r.revision) for r in then.records] == [("/r/a/1", a.revision), ("/r/a/2", b.revision)]
    assert then.revision == b.revision


async def test_revisions_outside_the_kept_range_are_refused(open_store: Opener) -> None:
    store = await open_store()
    first = await store.create("/r/a/1", b"x")
    second = await store.update("/r/a/1", b"y", first.revision)
    await store.compact(second.revision)
    with pytest.raises(Compacted):
        store.list("/r/", revision=first.revision)
    with pytest.raises(Compacted):
        store.watch("/r/", first.revision, lambda _: None)
    with pytest.raises(FutureRevision):
        store.watch("/r/", second.revision + 1, lambda _: None)
    store.watch("/r/", second.revision, lambda _: None).close()


async def test_watch_delivers_the_past_and_then_the_present_once_and_in_order(open_store: Opener) -> None:
    store = await open_store()
    first = await store.create("/r/a/1", b"1")
    second = await store.update("/r/a/1", b"2", first.revision)
    seen: list[Change] = []
    watch = store.watch("/r/a/", first.revision, seen.append)
    await asyncio.gather(*(store.create(f"/r/{'ab'[n % 2]}/{n + 10}", b"x") for n in range(20)))
    gone = await store.delete("/r/a/1", second.revision)
    watch.close()
    await store.create("/r/a/after", b"x")
    assert seen[0].after is second
    assert seen[0].before is first
    assert sorted(c.key for c in seen[1:-1]) == [f"/r/a/{n + 10}" for n in range(0, 20, 2)]
    assert (seen[-1].revision, seen[-1].after, seen[-1].before) == (gone, None, second)
    revisions = [c.revision for c in seen]
    assert revisions == sorted(set(revisions))


async def test_concurrent_writers_of_one_key_each_build_on_the_last(open_store: Opener) -> None:
    store = await open_store()
    await store.create("/r/n", b"0")

    async def increment() -> None:
        record = store.latest("/r/n")
        assert record is not None
        await store.update("/r/n", b"%d" % (int(record.value.split(b"@")[0]) + 1), record.revision)

    await asyncio.gather(*(increment() for _ in range(50)))
    record = store.get("/r/n")
    assert record is not None
    assert record.value.startswith(b"50@")


async def test_reads_do_not_show_what_is_not_yet_durable(open_store: Opener) -> None:
    store = await open_store()
    writing = asyncio.ensure_future(store.create("/r/a/1", b"x"))
    await asyncio.sleep(0)
    assert store.get("/r/a/1") is None
    assert store.latest("/r/a/1") is not None
    await writing
    assert store.get("/r/a/1") is not None


async def test_everything_acknowledged_survives_a_restart(open_store: Opener) -> None:
    store = await open_store()
    kept = await store.create("/r/a/1", b"x")
    kept = await store.update("/r/a/1", b"y", kept.revision)
    lost = await store.create("/r/a/2", b"x")
    gone = await store.delete("/r/a/2", lost.revision)
    store = await open_store()
    again = store.get("/r/a/1")
    assert again is not None
    assert (again.value, again.revision) == (kept.value, kept.revision)
    assert store.get("/r/a/2") is None
    assert store.revision >= gone
    fresh = await store.create("/r/a/3", b"x")
    assert fresh.revision > gone


async def test_watch_resumes_across_a_restart(open_store: Opener) -> None:
    store = await open_store()
    first = await store.create("/r/a/1", b"x")
    await store.update("/r/a/1", b"y", first.revision)
    store = await open_store()
    seen: list[Change] = []
    store.watch("/r/a/", first.revision, seen.append)
    assert [c.after.value[:1] for c in seen if c.after] == [b"y"]


async def test_deleted_keys_stay_deleted_after_compaction_and_restart(open_store: Opener) -> None:
    store = await open_store()
    first = await store.create("/r/a/1", b"x")
    gone = await store.delete("/r/a/1", first.revision)
    await store.compact(gone)
    store = await open_store()
    assert store.get("/r/a/1") is None
    assert store.compacted == gone
    assert (await store.create("/r/a/2", b"x")).revision > gone


async def test_volatile_writes_keep_their_place_in_the_order(open_store: Opener) -> None:
    store = await open_store()
    seen: list[int] = []
    store.watch("/r/", 0, lambda change: seen.append(change.revision))
    await asyncio.gather(*(store.create(f"/r/{'memory' if n % 3 else 'a'}/{n}", b"x") for n in range(30)))
    assert len(seen) == 30
    assert seen == sorted(seen)


async def test_snapshot_opens_as_a_store_with_the_same_content(open_store: Opener, tmp_path: Path) -> None:
    store = await open_store()
    await store.create("/r/a/1", b"x")
    await store.snapshot(tmp_path / "copy.db")
    copy = await SqliteStore.open(tmp_path / "copy.db", decorate=_stamp)
    assert [r.value for r in copy.list("/r/").records] == [r.value for r in store.list("/r/").records]
    await copy.close()


async def test_a_failing_watcher_does_not_harm_writers_or_other_watchers(open_store: Opener) -> None:
    store = await open_store()
    seen: list[Change] = []

    def fail(_: Change) -> None:
        raise ValueError("no")

    store.watch("/r/", 0, fail)
    store.watch("/r/", 0, seen.append)
    await store.create("/r/a/1", b"x")
    await store.create("/r/a/2", b"x")
    assert len(seen) == 2
