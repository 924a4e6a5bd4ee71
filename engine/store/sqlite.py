"""A store in one SQLite file: reads from memory, writes grouped into transactions on a thread of their own.

A write is staged at once (it gets its revision and the next writer of that key sees it), joins the batch that is being
gathered, and is answered after the batch's fsync. While one batch commits, the next one gathers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from engine.store.errors import Compacted, KeyExists, KeyMissing, RevisionMismatch, StoreUnavailable
from engine.store.log import Log, Row
from engine.store.mirror import Mirror
from engine.store.protocol import Change, Decorate, Listing, Record, Subscription
from engine.store.sealing import OPEN, Sealing, reseal

log = structlog.get_logger(__name__)

# How far ahead revisions are reserved on disk: changes that live in memory only take revisions too, and none may be
# given out again after a crash.
_RESERVE = 10_000
# Superseded rows gathered before they are worth a delete of their own.
_GARBAGE = 2_000
_TIDY_EVERY = 60.0


@dataclass(slots=True)
class _Batch:
    """Changes that become durable together. `done` is shared by everybody who waits for one of them."""

    done: asyncio.Future[None]
    changes: list[Change] = field(default_factory=list[Change])
    rows: list[Row] = field(default_factory=list[Row])


def _as_it_is(value: bytes, _revision: int) -> bytes:
    return value


class SqliteStore:
    """Implements `engine.store.protocol.Store`. Make one with `open`, inside a running loop."""

    def __init__(
        self,
        disk: Log,
        thread: ThreadPoolExecutor,
        mirror: Mirror,
        *,
        decorate: Decorate,
        sealing: Sealing,
        volatile: tuple[str, ...],
        ceiling: int,
    ) -> None:
        self._disk = disk
        self._thread = thread
        self._mirror = mirror
        self._decorate = decorate
        self._sealing = sealing
        self._volatile = volatile
        self._volatile_since = mirror.revision
        self._loop = asyncio.get_running_loop()
        self._next = mirror.revision
        self._ceiling = ceiling
        self._pending: dict[str, Change] = {}
        self._batch: _Batch | None = None
        self._flushing: asyncio.Task[None] | None = None
        self._garbage: list[int] = []
        self._tidying: asyncio.TimerHandle | None = None
        self._trouble = ""
        self._closed = False

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        decorate: Decorate = _as_it_is,
        sealing: Sealing = OPEN,
        volatile: tuple[str, ...] = (),
        history_seconds: float = 300,
        history_bytes: int = 16 << 20,
    ) -> SqliteStore:
        """Open or make the file and read it in. Keys under `volatile` live in memory only. Raises StoreUnavailable."""
        loop = asyncio.get_running_loop()
        thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        mirror = Mirror(history_seconds=history_seconds, history_bytes=history_bytes)
        try:
            disk, reserved, stale = await loop.run_in_executor(thread, _load, path, mirror, decorate, sealing)
        except BaseException:
            thread.shutdown(wait=False)
            raise
        mirror.revision = max(mirror.revision, reserved, 1)
        store = cls(disk, thread, mirror, decorate=decorate, sealing=sealing, volatile=volatile, ceiling=reserved)
        await reseal(store, stale)
        return store

    @property
    def revision(self) -> int:
        return self._mirror.revision

    @property
    def compacted(self) -> int:
        return self._mirror.compacted

    @property
    def trouble(self) -> str:
        return self._trouble

    def get(self, key: str) -> Record | None:
        return self._mirror.get(key)

    def latest(self, key: str) -> Record | None:
        pending = self._pending.get(key)
        return self._mirror.get(key) if pending is None else pending.after

    def list(self, prefix: str, *, limit: int = 0, start_after: str = "", revision: int = 0) -> Listing:
        return self._mirror.list(prefix, limit=limit, start_after=start_after, revision=revision)

    def count(self, prefix: str) -> int:
        return self._mirror.count(prefix)

    def watch(self, prefix: str, from_revision: int, on_change: Callable[[Change], None]) -> Subscription:
        if 0 < from_revision < self._volatile_since and self._covers_volatile(prefix):
            # What vanished with the last process was never recorded as deleted.
            raise Compacted(from_revision, self._volatile_since)
        return self._mirror.watch(prefix, from_revision, on_change)

    async def create(self, key: str, value: bytes) -> Record:
        if self.latest(key) is not None:
            raise KeyExists(key)
        return await self._write(key, value)

    async def update(self, key: str, value: bytes, expected_revision: int) -> Record:
        self._expect(key, expected_revision)
        return await self._write(key, value)

    async def delete(self, key: str, expected_revision: int) -> int:
        self._expect(key, expected_revision)
        change, batch = self._stage(key, None, None)
        await asyncio.shield(batch.done)
        return change.revision

    async def compact(self, revision: int) -> None:
        self._collect(self._mirror.compact(revision))
        await self._idle()
        garbage, self._garbage = self._garbage, []
        await self._in_thread(self._disk.commit, [], {"compacted": self._mirror.compacted}, garbage)

    async def snapshot(self, path: Path) -> None:
        await self._in_thread(self._disk.snapshot, path)

    async def barrier(self) -> None:
        """Nothing to wait for: nobody else writes this file."""

    async def close(self) -> None:
        """Finish what is staged, note how far the counter got, close the file."""
        if self._closed:
            return
        self._closed = True
        if self._tidying is not None:
            self._tidying.cancel()
        await self._idle()
        try:
            meta = {"reserved": self._next, "compacted": self._mirror.compacted}
            await self._in_thread(self._disk.commit, [], meta, self._garbage)
            await self._in_thread(self._disk.close)
        finally:
            self._thread.shutdown(wait=False)

    def _covers_volatile(self, prefix: str) -> bool:
        return any(prefix.startswith(kept) or kept.startswith(prefix) for kept in self._volatile)

    def _expect(self, key: str, revision: int) -> None:
        current = self.latest(key)
        if current is None:
            raise KeyMissing(key)
        if current.revision != revision:
            raise RevisionMismatch(key, current.revision)

    async def _write(self, key: str, value: bytes) -> Record:
        record = Record(key, self._decorate(value, self._next + 1), self._next + 1)
        _, batch = self._stage(key, value, record)
        await asyncio.shield(batch.done)
        return record

    def _stage(self, key: str, value: bytes | None, after: Record | None) -> tuple[Change, _Batch]:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        self._next += 1
        revision = self._next
        change = Change(revision, key, self.latest(key), after)
        self._pending[key] = change
        batch = self._batch
        if batch is None:
            batch = self._batch = _Batch(self._loop.create_future())
            if self._flushing is None:
                self._flushing = self._loop.create_task(self._flush(), name="store/flush")
        batch.changes.append(change)
        if not key.startswith(self._volatile):
            sealed = None if value is None else self._sealing.seal(key, value)
            batch.rows.append(Row(revision, key, sealed))
        return change, batch

    async def _flush(self) -> None:
        try:
            while (batch := self._batch) is not None:
                self._batch = None
                try:
                    await self._commit(batch)
                except StoreUnavailable as error:
                    self._fail(batch, error)
                    continue
                self._publish(batch)
        finally:
            self._flushing = None

    async def _commit(self, batch: _Batch) -> None:
        meta: dict[str, int] = {}
        if batch.changes[-1].revision > self._ceiling - _RESERVE // 10:
            meta["reserved"] = batch.changes[-1].revision + _RESERVE
        garbage: list[int] = []
        if len(self._garbage) >= _GARBAGE:
            garbage, self._garbage = self._garbage, []
            meta["compacted"] = self._mirror.compacted
        if not (batch.rows or meta):
            return
        try:
            await self._in_thread(self._disk.commit, batch.rows, meta, garbage)
        except StoreUnavailable:
            self._garbage = garbage + self._garbage
            raise
        self._ceiling = meta.get("reserved", self._ceiling)

    def _publish(self, batch: _Batch) -> None:
        if batch.rows:
            self._trouble = ""
        now = time.monotonic()
        for change in batch.changes:
            if self._pending.get(change.key) is change:
                del self._pending[change.key]
            self._mirror.apply(change, now)
        self._collect(self._mirror.trim(now))
        if self._tidying is None:
            self._tidying = self._loop.call_later(_TIDY_EVERY, self._tidy)
        batch.done.set_result(None)

    def _tidy(self) -> None:
        """Forget what got too old although nobody writes."""
        self._collect(self._mirror.trim(time.monotonic()))
        keeps = self._mirror.has_history and not self._closed
        self._tidying = self._loop.call_later(_TIDY_EVERY, self._tidy) if keeps else None

    def _fail(self, batch: _Batch, error: StoreUnavailable) -> None:
        # Writes staged since then were built on what is now lost: they fail with it.
        log.error("store cannot write", error=str(error))
        self._trouble = str(error)
        followers, self._batch = self._batch, None
        self._pending.clear()
        for failed in (batch, followers):
            if failed is not None:
                failed.done.set_exception(error)
                failed.done.exception()

    def _collect(self, forgotten: list[Change]) -> None:
        for change in forgotten:
            if change.key.startswith(self._volatile):
                continue
            if change.before is not None:
                self._garbage.append(change.before.revision)
            if change.after is None:
                self._garbage.append(change.revision)

    async def _idle(self) -> None:
        while self._flushing is not None:
            await asyncio.wait([self._flushing])

    async def _in_thread(self, work: Callable[..., None], *args: object) -> None:
        await self._loop.run_in_executor(self._thread, work, *args)


def _load(path: Path, mirror: Mirror, decorate: Decorate, sealing: Sealing) -> tuple[Log, int, dict[str, bytes]]:
    """(the open file, the reserved revision, what is not sealed as it should be)."""
    disk = Log(path)
    stale: dict[str, bytes] = {}
    try:
        meta = disk.meta()
        now = time.monotonic()
        mirror.compacted = meta.get("compacted", 0)
        for revision, key, stored in disk.rows():
            value = None if stored is None else sealing.unseal(key, stored)
            stale.pop(key, None)
            if value is not None and stored is not None and not sealing.is_current(key, stored):
                stale[key] = value
            after = None if value is None else Record(key, decorate(value, revision), revision)
            mirror.load(Change(revision, key, mirror.get(key), after), now)
        mirror.compact(mirror.compacted)
    except BaseException:
        disk.close()
        raise
    return disk, meta.get("reserved", 0), stale
