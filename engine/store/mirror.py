"""The current state and the recent past of a store, in memory: what every read and every watch is answered from.

Knows no disk. Changes must be fed in order of revision, each after it became durable.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import structlog

from engine.store.errors import Compacted, FutureRevision
from engine.store.protocol import Change, Listing, Record

log = structlog.get_logger(__name__)

# Sorts after every character a key may hold.
_AFTER = "\U0010ffff"


class _Watch:
    """Registered under its prefix in the mirror until closed."""

    __slots__ = ("_mirror", "on_change", "prefix")

    def __init__(self, mirror: Mirror, prefix: str, on_change: Callable[[Change], None]) -> None:
        self._mirror = mirror
        self.prefix = prefix
        self.on_change = on_change

    def close(self) -> None:
        self._mirror.forget(self)


class Mirror:
    """Keys sorted, values by key, and the changes since `compacted` for resuming watches and reading the past."""

    def __init__(self, *, history_bytes: int = 16 << 20, history_seconds: float = 300) -> None:
        self.revision = 0
        self.compacted = 0
        self._records: dict[str, Record] = {}
        self._keys: list[str] = []
        self._history: deque[tuple[float, Change]] = deque()
        self._history_size = 0
        self._history_bytes = history_bytes
        self._history_seconds = history_seconds
        self._watches: dict[str, dict[_Watch, None]] = {}

    @property
    def has_history(self) -> bool:
        return bool(self._history)

    def get(self, key: str) -> Record | None:
        return self._records.get(key)

    def count(self, prefix: str) -> int:
        low, high = self._range(prefix)
        return high - low

    def list(self, prefix: str, *, limit: int = 0, start_after: str = "", revision: int = 0) -> Listing:
        self._check(revision)
        if revision and revision < self.revision:
            return self._list_past(prefix, limit, start_after, revision)
        low, high = self._range(prefix)
        if start_after:
            low = max(low, bisect_right(self._keys, start_after))
        end = min(high, low + limit) if limit else high
        return Listing(list(map(self._records.__getitem__, self._keys[low:end])), self.revision, high - end)

    def watch(self, prefix: str, from_revision: int, on_change: Callable[[Change], None]) -> _Watch:
        self._check(from_revision)
        watch = _Watch(self, prefix, on_change)
        if from_revision:
            for change in self._since(from_revision):
                if change.key.startswith(prefix):
                    on_change(change)
        self._watches.setdefault(prefix, {})[watch] = None
        return watch

    def forget(self, watch: _Watch) -> None:
        watches = self._watches.get(watch.prefix)
        if watches is not None:
            watches.pop(watch, None)
            if not watches:
                del self._watches[watch.prefix]

    def seed(self, records: Iterable[Record], revision: int) -> None:
        """Begin with these records, in order of key, and no past before `revision`."""
        self._records = {record.key: record for record in records}
        self._keys = list(self._records)
        self.revision = self.compacted = revision

    def advance(self, revision: int) -> None:
        """Nothing of ours changed up to `revision`."""
        self.revision = max(self.revision, revision)

    def successor(self, key: str, revision: int) -> Change | None:
        """The change that took `key` away from where it was at `revision` (0: not there), if that is still known."""
        found: Change | None = None
        for change in _while_newer(self._history, revision):
            if change.key == key and (change.before.revision if change.before is not None else 0) == revision:
                found = change
        return found

    def load(self, change: Change, now: float) -> None:
        """Apply a change without telling anybody: for replaying a log before the first reader comes."""
        key = change.key
        if change.after is None:
            if self._records.pop(key, None) is not None:
                del self._keys[bisect_left(self._keys, key)]
        else:
            if key not in self._records:
                insort(self._keys, key)
            self._records[key] = change.after
        self.revision = change.revision
        self._history.append((now, change))
        self._history_size += _size(change)

    def apply(self, change: Change, now: float) -> None:
        """Take in one durable change and tell its watchers."""
        self.load(change, now)
        key = change.key
        for prefix, watches in list(self._watches.items()):
            if key.startswith(prefix):
                for watch in list(watches):
                    self._tell(watch, change)

    def _tell(self, watch: _Watch, change: Change) -> None:
        try:
            watch.on_change(change)
        except Exception as error:
            # One broken reader must not keep the change from the others, nor leave the writer without an answer.
            log.error("watcher failed; dropping it", prefix=watch.prefix, exc_info=error)
            self.forget(watch)

    def trim(self, now: float) -> list[Change]:
        """Forget history beyond the limits of age and size; what was forgotten, oldest first."""
        forgotten: list[Change] = []
        history = self._history
        horizon = now - self._history_seconds
        while history and (history[0][0] < horizon or self._history_size > self._history_bytes):
            forgotten.append(self._forget_oldest())
        return forgotten

    def compact(self, revision: int) -> list[Change]:
        """Forget history up to and including `revision`; what was forgotten."""
        forgotten: list[Change] = []
        while self._history and self._history[0][1].revision <= revision:
            forgotten.append(self._forget_oldest())
        self.compacted = max(self.compacted, min(revision, self.revision))
        return forgotten

    def _forget_oldest(self) -> Change:
        change = self._history.popleft()[1]
        self._history_size -= _size(change)
        self.compacted = change.revision
        return change

    def _check(self, revision: int) -> None:
        if revision and revision < self.compacted:
            raise Compacted(revision, self.compacted)
        if revision > self.revision:
            raise FutureRevision(revision, self.revision)

    def _range(self, prefix: str) -> tuple[int, int]:
        low = bisect_left(self._keys, prefix)
        return low, bisect_left(self._keys, prefix + _AFTER, low)

    def _since(self, revision: int) -> Iterator[Change]:
        newer = sum(1 for _ in _while_newer(self._history, revision))
        start = len(self._history) - newer
        return (change for _, change in list(islice(self._history, start, None)))

    def _list_past(self, prefix: str, limit: int, start_after: str, revision: int) -> Listing:
        low, high = self._range(prefix)
        past: dict[str, Record | None] = {key: self._records[key] for key in self._keys[low:high]}
        for change in _while_newer(self._history, revision):
            if change.key.startswith(prefix):
                past[change.key] = change.before
        keys = sorted(key for key, record in past.items() if record is not None and key > start_after)
        shown = keys[:limit] if limit else keys
        records = [record for key in shown if (record := past[key]) is not None]
        return Listing(records, revision, len(keys) - len(shown))


def _while_newer(history: deque[tuple[float, Change]], revision: int) -> Iterator[Change]:
    for _, change in reversed(history):
        if change.revision <= revision:
            return
        yield change


def _size(change: Change) -> int:
    # Only what history alone keeps alive: the value after a change is usually the current one.
    return 200 + (len(change.before.value) if change.before is not None else 0)
