"""A key waits until the caches show its own last writes, so that a stale read cannot create twice."""

from collections import defaultdict
from dataclasses import dataclass
from heapq import heappop, heappush

from apimachinery.objects.meta import Object, object_key
from apimachinery.objects.resources import Resource
from engine.runtime.caches import Caches

PATIENCE = 10.0
"""Seconds after which a write that no cache shows is waited for no longer (its watch may filter it out)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A write that succeeded: `revision` of the object written, or None for an object deleted (or marked so)."""

    resource: Resource
    namespace: str
    name: str
    uid: str
    revision: int | None


class Expectations:
    """The outstanding writes of one controller's keys."""

    def __init__(self, caches: Caches) -> None:
        self._caches = caches
        self._writes: dict[str, list[Written]] = {}
        self._since: dict[str, float] = {}
        self._by_revision: dict[Resource, list[tuple[int, str]]] = defaultdict(list)
        self._by_uid: dict[str, set[str]] = defaultdict(set)

    def expect(self, key: str, writes: list[Written], steady: float) -> None:
        if writes:
            self._writes[key] = writes
            self._since[key] = steady

    def settled(self, key: str, steady: float) -> bool:
        """Whether the caches show all writes of the key. If not, the key is handed out by `woken` once they may."""
        pending = [write for write in self._writes.get(key, ()) if not self._shown(write)]
        if not pending or steady - self._since[key] > PATIENCE:
            self._writes.pop(key, None)
            self._since.pop(key, None)
            return True
        self._writes[key] = pending
        last = max((w for w in pending if w.revision is not None), key=lambda w: w.revision or 0, default=pending[0])
        if last.revision is not None:
            heappush(self._by_revision[last.resource], (last.revision, key))
        else:
            self._by_uid[last.uid].add(key)
        return False

    def woken(self, resource: Resource, changed: Object) -> list[str]:
        """Keys that waited for this change. They may still wait for another: ask `settled` again."""
        keys = list(self._by_uid.pop(changed.metadata.uid, ()))
        waiting = self._by_revision[resource]
        while waiting and waiting[0][0] <= self._caches.seen(resource):
            keys.append(heappop(waiting)[1])
        return keys

    def _shown(self, write: Written) -> bool:
        if write.revision is not None:
            return self._caches.seen(write.resource) >= write.revision
        cached = self._caches.peek(write.resource, object_key(write.namespace, write.name))
        return cached is None or cached.metadata.uid != write.uid or cached.metadata.deletion_timestamp is not None
