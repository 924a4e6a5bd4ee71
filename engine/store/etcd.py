"""A store in etcd: revisions are etcd's, reads come from a mirror that one watch keeps up to date.

A write is one transaction that compares the key's revision; it is answered when the mirror shows it. Several engines
may write: each hears of the others through its watch, and `barrier` waits until it has heard of everything.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from engine.store.compaction import compact_regularly
from engine.store.errors import (
    ClaimTaken,
    Compacted,
    KeyExists,
    KeyMissing,
    RevisionMismatch,
    StoreCorrupt,
    StoreError,
    StoreUnavailable,
)
from engine.store.etcdaccess import EtcdAccess
from engine.store.etcdclient import EtcdClient, rpc
from engine.store.log import Log, Row
from engine.store.mirror import Mirror
from engine.store.protocol import Change, Claims, Decorate, Listing, Record, Subscription
from engine.store.sealing import OPEN, Sealing, reseal

log = structlog.get_logger(__name__)

OWN = "pilothouse.dev/"
"""Under the prefix: what the store itself keeps. Never shown to readers."""

# Changes replayed on opening, so that clients resume their watches at an engine that has just started.
_PAST = 10_000
# A record that is still on its way carries a number no store will ever reach in place of its revision.
_PROVISIONAL = 1 << 62
_HEARD_WITHIN = 10.0
# After this long without news the newest revision is taken to be of a key that we do not watch.
_SILENCE = 0.3
_RETRY = 0.1
_CLOSE_WITHIN = 5.0
_PATIENCE = 3.0


@dataclass(slots=True)
class _Pending:
    """A write on its way. `settled` is the key's revision after it, 0 when that removed the key."""

    token: int
    record: Record | None
    settled: asyncio.Future[int]


@dataclass(slots=True)
class _Arrivals:
    """Who waits for the mirror to reach which revision."""

    waiting: list[tuple[int, int, asyncio.Future[None]]] = field(
        default_factory=list[tuple[int, int, "asyncio.Future[None]"]]
    )
    count: int = 0

    def add(self, revision: int, arrived: asyncio.Future[None]) -> None:
        self.count += 1
        heapq.heappush(self.waiting, (revision, self.count, arrived))

    def reached(self, revision: int) -> None:
        while self.waiting and self.waiting[0][0] <= revision:
            arrived = heapq.heappop(self.waiting)[2]
            if not arrived.done():
                arrived.set_result(None)


def _as_it_is(value: bytes, _revision: int) -> bytes:
    return value


def _nothing(_key: str, _value: bytes) -> frozenset[str]:
    return frozenset()


class EtcdStore:
    """Implements `engine.store.protocol.Store`. Make one with `open`, inside a running loop."""

    def __init__(
        self, client: EtcdClient, mirror: Mirror, *, prefix: str, decorate: Decorate, sealing: Sealing, claims: Claims
    ) -> None:
        self._client = client
        self._mirror = mirror
        self._prefix = prefix
        self._own = prefix + OWN
        self._decorate = decorate
        self._sealing = sealing
        self._claims = claims
        self._loop = asyncio.get_running_loop()
        self._tokens = _PROVISIONAL
        self._pending: dict[str, _Pending] = {}
        self._writes: set[asyncio.Task[int]] = set()
        self._arrivals = _Arrivals()
        self._barrier: asyncio.Task[None] | None = None
        self._next_barrier: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._misread: StoreError | None = None
        self._stale: dict[str, bytes] | None = {}
        self._trouble = ""
        self._trouble_since = 0.0
        self._closed = False

    @classmethod
    async def open(
        cls,
        access: EtcdAccess,
        *,
        prefix: str = "/registry/",
        decorate: Decorate = _as_it_is,
        sealing: Sealing = OPEN,
        claims: Claims = _nothing,
        history_seconds: float = 300,
        history_bytes: int = 16 << 20,
        compact_every: float = 300,
    ) -> EtcdStore:
        """Read in what is under `prefix`, with its recent past. Raises StoreUnavailable."""
        mirror = Mirror(history_seconds=history_seconds, history_bytes=history_bytes)
        client = EtcdClient(access)
        store = cls(client, mirror, prefix=prefix, decorate=decorate, sealing=sealing, claims=claims)
        try:
            current = await store._current_revision()
            base = await store._oldest(current)
            mirror.seed(await store._records(base), base)
            loop = store._loop
            store._tasks.append(loop.create_task(store._follow(), name="store/watch"))
            await store.barrier()
            if store._misread is not None:
                raise store._misread
            stale, store._stale = store._stale or {}, None
            await reseal(store, stale)
            key = f"{store._own}compaction"
            compacting = compact_regularly(client, key, lambda: mirror.revision, compact_every)
            store._tasks.append(loop.create_task(compacting, name="store/compaction"))
        except BaseException:
            await store.close()
            raise
        return store

    @property
    def revision(self) -> int:
        return self._mirror.revision

    @property
    def compacted(self) -> int:
        return self._mirror.compacted

    @property
    def trouble(self) -> str:
        # A member that dies is left for another at once, which is no trouble yet.
        lasts = self._trouble and time.monotonic() - self._trouble_since > _PATIENCE
        return self._trouble if lasts else ""

    def get(self, key: str) -> Record | None:
        return self._mirror.get(key)

    def latest(self, key: str) -> Record | None:
        pending = self._pending.get(key)
        return self._mirror.get(key) if pending is None else pending.record

    def list(self, prefix: str, *, limit: int = 0, start_after: str = "", revision: int = 0) -> Listing:
        return self._mirror.list(prefix, limit=limit, start_after=start_after, revision=revision)

    def count(self, prefix: str) -> int:
        return self._mirror.count(prefix)

    def watch(self, prefix: str, from_revision: int, on_change: Callable[[Change], None]) -> Subscription:
        return self._mirror.watch(prefix, from_revision, on_change)

    async def create(self, key: str, value: bytes) -> Record:
        if self.latest(key) is not None:
            raise KeyExists(key)
        return self._written(key, value, await self._stage(key, value, 0))

    async def update(self, key: str, value: bytes, expected_revision: int) -> Record:
        self._expect(key, expected_revision)
        return self._written(key, value, await self._stage(key, value, expected_revision))

    async def delete(self, key: str, expected_revision: int) -> int:
        self._expect(key, expected_revision)
        return await self._stage(key, None, expected_revision)

    async def compact(self, revision: int) -> None:
        self._mirror.compact(revision)
        await self._client.compact(revision)

    async def snapshot(self, path: Path) -> None:
        """Write everything as of one revision to a file of the SQLite store's form, sealed as it is."""
        revision = await self._current_revision()
        rows: list[Row] = []
        async for page in self._client.pages(self._prefix, revision):
            keys = ((kv.key.decode(), kv) for kv in page)
            rows += [Row(kv.mod_revision, key, kv.value) for key, kv in keys if not key.startswith(self._own)]
        rows.sort()
        await asyncio.to_thread(_write_log, path, rows, revision)

    async def barrier(self) -> None:
        """Those who ask while a question is under way share the next one: that one may have been asked too early."""
        if self._next_barrier is None:
            self._next_barrier = self._loop.create_task(self._fresh(self._barrier), name="store/barrier")
        await asyncio.shield(self._next_barrier)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._writes:
            await asyncio.wait(self._writes, timeout=_CLOSE_WITHIN)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.close()

    # Writing.

    def _expect(self, key: str, revision: int) -> None:
        current = self.latest(key)
        if current is None:
            raise KeyMissing(key)
        if current.revision != revision:
            raise RevisionMismatch(key, current.revision)

    async def _stage(self, key: str, value: bytes | None, base: int) -> int:
        """Put a write in line behind those of the same key; the revision it got, once the mirror shows it."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        self._tokens += 1
        token = self._tokens
        record = None if value is None else Record(key, self._decorate(value, token), token)
        prior = self._pending.get(key)
        pending = self._pending[key] = _Pending(token, record, self._loop.create_future())
        task = self._loop.create_task(self._settle(key, value, base, prior, pending), name="store/write")
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)
        # The caller may give up; what others have built on this write goes on.
        return await asyncio.shield(task)

    async def _settle(self, key: str, value: bytes | None, base: int, prior: _Pending | None, pending: _Pending) -> int:
        try:
            if prior is not None:
                base = await self._after(key, prior)
            revision = await self._commit(key, value, base)
            await self._heard(revision)
        except BaseException as error:
            pending.settled.set_exception(error)
            pending.settled.exception()
            raise
        else:
            pending.settled.set_result(0 if value is None else revision)
            return revision
        finally:
            if self._pending.get(key) is pending:
                del self._pending[key]

    async def _after(self, key: str, prior: _Pending) -> int:
        """The revision that the write before us left the key at. Raises RevisionMismatch when it failed."""
        try:
            return await asyncio.shield(prior.settled)
        except StoreUnavailable:
            raise
        except StoreError as error:
            current = self._mirror.get(key)
            if current is None:
                raise KeyMissing(key) from error
            raise RevisionMismatch(key, current.revision) from error

    async def _commit(self, key: str, value: bytes | None, base: int) -> int:
        held = self._mirror.get(key)
        had = self._claims(key, held.value) if held is not None else frozenset[str]()
        wants = self._claims(key, value) if value is not None else frozenset[str]()
        taken = sorted(wants - had)
        answered = await self._client.txn(self._transaction(key, value, base, taken, sorted(had - wants)))
        response = answered.response
        if response.succeeded:
            return response.header.revision
        await self._heard(response.header.revision)
        if answered.repeated and (revision := self._already_done(key, value, base)):
            return revision
        kvs = response.responses[0].response_range.kvs
        actual = kvs[0].mod_revision if kvs else 0
        if actual == base:
            raise ClaimTaken(key, self._taken_claim(response, taken))
        if not actual:
            raise KeyMissing(key)
        raise RevisionMismatch(key, actual) if base else KeyExists(key)

    def _transaction(self, key: str, value: bytes | None, base: int, takes: list[str], releases: list[str]) -> Any:
        raw = key.encode()
        claims = [self._claim_key(claim) for claim in takes]
        compare = [
            rpc.Compare(key=raw, target=rpc.Compare.MOD, result=rpc.Compare.EQUAL, mod_revision=base),
            *(rpc.Compare(key=c, target=rpc.Compare.VERSION, result=rpc.Compare.EQUAL, version=0) for c in claims),
        ]
        if value is None:
            change = rpc.RequestOp(request_delete_range=rpc.DeleteRangeRequest(key=raw))
        else:
            change = rpc.RequestOp(request_put=rpc.PutRequest(key=raw, value=self._sealing.seal(key, value)))
        freed = [self._claim_key(claim) for claim in releases]
        return rpc.TxnRequest(
            compare=compare,
            success=[
                change,
                *(rpc.RequestOp(request_put=rpc.PutRequest(key=c, value=raw)) for c in claims),
                *(rpc.RequestOp(request_delete_range=rpc.DeleteRangeRequest(key=c)) for c in freed),
            ],
            failure=[rpc.RequestOp(request_range=rpc.RangeRequest(key=k, keys_only=True)) for k in (raw, *claims)],
        )

    def _claim_key(self, claim: str) -> bytes:
        return f"{self._own}claims/{claim}".encode()

    def _taken_claim(self, response: Any, taken: list[str]) -> str:
        found = (bool(answer.response_range.kvs) for answer in response.responses[1:])
        return next((claim for claim, is_held in zip(taken, found, strict=True) if is_held), "")

    def _already_done(self, key: str, value: bytes | None, base: int) -> int:
        """The revision of our own change when an earlier try, whose answer was lost, had taken effect; else 0."""
        change = self._mirror.successor(key, base)
        if change is None:
            return 0
        if value is None or change.after is None:
            return change.revision if value is None and change.after is None else 0
        return change.revision if change.after.value == self._decorate(value, change.revision) else 0

    def _written(self, key: str, value: bytes, revision: int) -> Record:
        record = self._mirror.get(key)
        if record is not None and record.revision == revision:
            return record
        # Somebody wrote the key again in the meantime.
        return Record(key, self._decorate(value, revision), revision)

    # Hearing.

    async def _heard(self, revision: int) -> None:
        """Wait until the mirror has reached `revision`; not for ever: what is durable stays so without us."""
        if self._mirror.revision >= revision:
            return
        arrived: asyncio.Future[None] = self._loop.create_future()
        self._arrivals.add(revision, arrived)
        try:
            async with asyncio.timeout(_HEARD_WITHIN):
                await arrived
        except TimeoutError:
            log.warning("etcd's watch lags behind", revision=revision, seen=self._mirror.revision)

    async def _fresh(self, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait((before,))
        self._barrier, self._next_barrier = self._next_barrier, None
        revision = await self._current_revision()
        if self._mirror.revision >= revision:
            return
        arrived: asyncio.Future[None] = self._loop.create_future()
        self._arrivals.add(revision, arrived)
        await asyncio.wait((arrived,), timeout=_SILENCE)
        if not arrived.done():
            # Either the watch is late or the revision is of a key outside our prefix, of which it never tells.
            await self._tick()
        try:
            async with asyncio.timeout(_HEARD_WITHIN):
                await arrived
        except TimeoutError as error:
            raise StoreUnavailable("etcd's watch does not keep up; nothing can be read consistently now") from error

    async def _tick(self) -> None:
        """Write a key of our own, so that the watch has something to tell."""
        put = rpc.RequestOp(request_put=rpc.PutRequest(key=f"{self._own}tick".encode(), value=b""))
        await self._client.txn(rpc.TxnRequest(success=[put]))

    async def _current_revision(self) -> int:
        """etcd's newest revision, as its majority sees it."""
        probe = rpc.RangeRequest(key=f"{self._own}tick".encode(), keys_only=True)
        return (await self._client.range(probe)).header.revision

    async def _oldest(self, current: int) -> int:
        """Where to begin reading so that the recent past is known too."""
        base = max(current - _PAST, 1)
        try:
            await self._client.range(rpc.RangeRequest(key=self._prefix.encode(), revision=base, keys_only=True))
        except Compacted:
            return await self._client.compacted_at(self._prefix)
        return base

    async def _records(self, revision: int) -> list[Record]:
        records: list[Record] = []
        async for page in self._client.pages(self._prefix, revision):
            records += [self._record(kv) for kv in page if not kv.key.startswith(self._own.encode())]
        return records

    def _record(self, kv: Any) -> Record:
        """Raises StoreCorrupt."""
        key = kv.key.decode()
        value = self._sealing.unseal(key, kv.value)
        if self._stale is not None:
            # Only while opening: see `reseal`.
            self._stale.pop(key, None)
            if not self._sealing.is_current(key, kv.value):
                self._stale[key] = value
        try:
            return Record(key, self._decorate(value, kv.mod_revision), kv.mod_revision)
        except ValueError as error:
            raise StoreCorrupt(
                f"{key} in etcd was not written by Pilothouse; use an etcd or a prefix of its own"
            ) from error

    async def _follow(self) -> None:
        """Feed the mirror for ever, from wherever it is."""
        while True:
            try:
                async for response in self._client.watch(self._prefix, self._mirror.revision + 1):
                    self._take(response)
            except Compacted:
                await self._relist_patiently()
            except StoreUnavailable as error:
                if not self._trouble:
                    log.info("etcd's watch broke off; resuming it", error=str(error))
                    self._trouble_since = time.monotonic()
                self._trouble = str(error)
                await asyncio.sleep(_RETRY)
            except StoreError as error:
                log.error("etcd's watch cannot be understood", error=str(error))
                await asyncio.sleep(_RETRY)

    def _take(self, response: Any) -> None:
        self._trouble = ""
        now = time.monotonic()
        mirror = self._mirror
        seen = mirror.revision
        for event in response.events:
            kv = event.kv
            # A watch that resumes begins after what was seen; this guards the promise that nothing is told twice.
            if kv.mod_revision > seen:
                self._take_event(kv, deleted=event.type == rpc.Event.DELETE, now=now)
        if not response.events and not response.created:
            # A progress notification: all before it has been told.
            mirror.advance(response.header.revision)
        mirror.trim(now)
        self._arrivals.reached(mirror.revision)

    def _take_event(self, kv: Any, *, deleted: bool, now: float) -> None:
        key = kv.key.decode()
        mirror = self._mirror
        before = mirror.get(key)
        if key.startswith(self._own) or (deleted and before is None):
            mirror.advance(kv.mod_revision)
            return
        try:
            after = None if deleted else self._record(kv)
        except StoreCorrupt as error:
            log.error("a change in etcd is not shown", error=str(error))
            self._misread = error
            mirror.advance(kv.mod_revision)
            return
        mirror.apply(Change(kv.mod_revision, key, before, after), now)

    async def _relist_patiently(self) -> None:
        """We were away for longer than etcd remembers: compare what is with what we know, and tell the difference."""
        try:
            revision = await self._current_revision()
            found = {record.key: record for record in await self._records(revision)}
        except StoreError as error:
            log.info("etcd cannot be read; trying again", error=str(error))
            await asyncio.sleep(_RETRY)
            return
        mirror, now = self._mirror, time.monotonic()
        known = {record.key: record for record in mirror.list("").records}
        changed = [r for r in found.values() if (old := known.get(r.key)) is None or old.revision != r.revision]
        for record in sorted(changed, key=lambda record: record.revision):
            mirror.apply(Change(record.revision, record.key, known.get(record.key), record), now)
        for record in known.values():
            if record.key not in found:
                mirror.apply(Change(revision, record.key, record, None), now)
        mirror.advance(revision)
        mirror.compact(revision)
        self._arrivals.reached(revision)


def _write_log(path: Path, rows: list[Row], revision: int) -> None:
    disk = Log(path)
    try:
        disk.commit(rows, {"reserved": revision, "compacted": revision}, [])
    finally:
        disk.close()
