"""What only the SQLite store can get wrong: crashes, damaged files, full disks."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.store.errors import Compacted, StoreCorrupt, StoreFull, StoreUnavailable
from engine.store.log import Log, Row
from engine.store.mirror import Mirror
from engine.store.protocol import Change, Record
from engine.store.sqlite import SqliteStore

ROOT = Path(__file__).parents[3]


async def test_kill_in_the_middle_of_a_thousand_writes_loses_nothing_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.engine.store.writer", str(path), stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    lines: list[bytes] = []
    while len(lines) < 1000:
        lines.append(await process.stdout.readline())
    process.kill()
    lines += (await process.stdout.read()).splitlines()
    await process.wait()
    acknowledged: dict[str, tuple[int, int]] = {}
    for line in lines:
        words = line.split()
        if len(words) == 3:  # the last line may be cut
            acknowledged[words[1].decode()] = (int(words[0]), int(words[2]))
    store = await SqliteStore.open(path)
    try:
        for key, (revision, number) in acknowledged.items():
            record = store.get(key)
            assert record is not None, f"{key} was acknowledged and is gone"
            # One more write of this key may have become durable without its answer being heard.
            assert record.revision >= revision
            assert int(record.value) >= number
            assert int(record.value) % 50 == number % 50
        changes: list[Change] = []
        store.watch("/r/", 1, changes.append)
        revisions = [change.revision for change in changes]
        assert revisions == sorted(set(revisions))
        assert len(revisions) >= 1000
    finally:
        await store.close()


async def test_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreCorrupt, match=r"the store .*store\.db is damaged .*restore a backup"):
        await SqliteStore.open(path)


async def test_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    disk = Log(path)
    disk._db.execute("PRAGMA user_version=99")
    disk.close()
    with pytest.raises(StoreCorrupt, match="newer version"):
        await SqliteStore.open(path)


async def test_second_process_is_refused(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "store.db")
    await store.create("/r/a", b"x")
    try:
        with pytest.raises(StoreUnavailable, match="in use by another process"):
            await SqliteStore.open(tmp_path / "store.db")
    finally:
        await store.close()


@pytest.fixture
async def small_disk(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """A store whose file may not grow any more."""
    store = await SqliteStore.open(tmp_path / "store.db")
    await store.create("/r/a", b"x")
    store._disk._db.execute("PRAGMA max_page_count=8")
    yield store
    await store.close()


async def test_full_disk_fails_the_write_and_those_built_on_it_and_keeps_the_rest(small_disk: SqliteStore) -> None:
    before = small_disk.get("/r/a")
    assert before is not None
    big = asyncio.ensure_future(small_disk.update("/r/a", b"x" * 100_000, before.revision))
    await asyncio.sleep(0)
    pending = small_disk.latest("/r/a")
    assert pending is not None
    follower = asyncio.ensure_future(small_disk.update("/r/a", b"small", pending.revision))
    for write in (big, follower):
        with pytest.raises(StoreFull, match="no space left"):
            await write
    assert small_disk.get("/r/a") is before
    assert small_disk.latest("/r/a") is before


async def test_store_writes_again_when_there_is_space_again(small_disk: SqliteStore) -> None:
    with pytest.raises(StoreFull):
        await small_disk.create("/r/b", b"x" * 100_000)
    assert "no space left" in small_disk.trouble
    small_disk._disk._db.execute("PRAGMA max_page_count=1000")
    record = await small_disk.create("/r/b", b"x" * 100_000)
    assert small_disk.get("/r/b") is record
    assert small_disk.trouble == ""


async def test_superseded_rows_leave_the_file(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "store.db")
    record = await store.create("/r/a", b"x")
    for _ in range(100):
        record = await store.update("/r/a", b"x", record.revision)
    await store.compact(record.revision)
    await store.close()
    disk = Log(tmp_path / "store.db")
    assert [row.revision for row in disk.rows()] == [record.revision]
    disk.close()


async def test_rows_are_all_or_nothing(tmp_path: Path) -> None:
    disk = Log(tmp_path / "store.db")
    disk.commit([Row(1, "/a", b"x")], {}, [])
    with pytest.raises(StoreUnavailable):
        disk.commit([Row(2, "/b", b"x"), Row(1, "/c", b"x")], {"reserved": 9}, [1])
    assert [row.revision for row in disk.rows()] == [1]
    assert disk.meta() == {}
    disk.close()


def test_history_is_forgotten_by_age_and_by_size() -> None:
    mirror = Mirror(history_bytes=1000, history_seconds=10)
    for revision in range(1, 4):
        before = mirror.get("/a")
        mirror.apply(Change(revision, "/a", before, Record("/a", b"x" * 10, revision)), now=float(revision))
    assert [c.revision for c in mirror.trim(11.5)] == [1]
    assert mirror.compacted == 1
    mirror.apply(Change(4, "/a", mirror.get("/a"), Record("/a", b"y" * 2000, 4)), now=4)
    mirror.apply(Change(5, "/a", mirror.get("/a"), Record("/a", b"z", 5)), now=5)
    assert [c.revision for c in mirror.trim(5)] == [2, 3, 4, 5]
    assert mirror.get("/a") is not None


async def test_volatile_keys_are_forgotten_and_their_revisions_never_reused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = await SqliteStore.open(path, volatile=("/r/memory/",))
    lease = await store.create("/r/memory/1", b"x")
    for _ in range(50):
        lease = await store.update("/r/memory/1", b"x", lease.revision)
    await store.close()
    store = await SqliteStore.open(path, volatile=("/r/memory/",))
    assert store.get("/r/memory/1") is None
    with pytest.raises(Compacted):
        store.watch("/r/memory/", 1, lambda _: None)
    assert (await store.create("/r/memory/1", b"x")).revision > lease.revision
    await store.close()
