"""Pods that wait for a machine: ready to be tried, backing off after a try, or waiting for something to change.

The rules of pkg/scheduler/backend/queue. Time is an argument; nothing here waits.
"""

import heapq
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

FIRST_BACKOFF, LAST_BACKOFF = 1.0, 10.0
"""Seconds from a failed try to the next one at the earliest; doubles with each try."""
FLUSH_AFTER = 300.0
"""Seconds after which a pod is tried again though nothing happened that might help it."""


class Entry(Protocol):
    @property
    def priority(self) -> int: ...


E = TypeVar("E", bound=Entry)
W = TypeVar("W", bound=Hashable)
_Place = tuple[int, float, int]


@dataclass(slots=True)
class _Waiting(Generic[E, W]):
    """`since`: when it came first, which decides among equals; `why` it fitted nowhere."""

    entry: E
    since: float
    number: int
    attempts: int = 0
    tried_at: float = 0.0
    why: W | None = None
    errors: int = 0

    def place(self) -> _Place:
        return -self.entry.priority, self.since, self.number

    def due(self, first: float, last: float) -> float:
        tries = max(self.attempts, self.errors)
        return self.tried_at + min(last, first * 2 ** min(tries - 1, 30)) if tries else 0.0


class SchedulingQueue(Generic[E, W]):
    """Keys are uids. A key is in one of the three places, or in flight between `pop` and the word on its outcome.

    Pods that fit nowhere for the same reason (equal `W`) are asked about together.
    """

    def __init__(self, *, first_backoff: float = FIRST_BACKOFF, last_backoff: float = LAST_BACKOFF) -> None:
        self._first, self._last = first_backoff, last_backoff
        self._all: dict[str, _Waiting[E, W]] = {}
        self._active: list[tuple[_Place, str]] = []
        self._active_keys: set[str] = set()
        self._backoff: list[tuple[float, _Place, str]] = []
        self._backoff_keys: set[str] = set()
        self._unschedulable: dict[str, None] = {}
        self._by_reason: dict[W, set[str]] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._active_keys)

    def __contains__(self, key: str) -> bool:
        return key in self._all

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Ready, backing off, waiting for something to change."""
        return len(self._active_keys), len(self._backoff_keys), len(self._unschedulable)

    def add(self, key: str, entry: E, now: float) -> None:
        """A new pod, or one that changed so that it may fit now."""
        waiting = self._all.get(key)
        if waiting is None:
            self._count += 1
            waiting = self._all[key] = _Waiting(entry, now, self._count)
        waiting.entry = entry
        self._leave(key)
        self._activate(key, waiting)

    def update(self, key: str, entry: E) -> None:
        """The pod changed in nothing that matters for its place."""
        waiting = self._all.get(key)
        if waiting is not None:
            waiting.entry = entry

    def entry(self, key: str) -> E | None:
        waiting = self._all.get(key)
        return waiting.entry if waiting is not None else None

    def attempts(self, key: str) -> int:
        waiting = self._all.get(key)
        return waiting.attempts if waiting is not None else 0

    def remove(self, key: str) -> None:
        self._leave(key)
        self._all.pop(key, None)

    def pop(self) -> str | None:
        """The most important pod that is ready, and among equals the one that waits longest."""
        while self._active:
            _, key = heapq.heappop(self._active)
            if key in self._active_keys:
                self._active_keys.discard(key)
                return key
        return None

    def take(self, key: str) -> bool:
        """Pop this one, wherever it waits, for a try together with others. False when it does not wait."""
        if key not in self._active_keys and key not in self._backoff_keys and key not in self._unschedulable:
            return False
        self._leave(key)
        return True

    def unschedulable(self, key: str, why: W, now: float) -> None:
        """It was tried and fitted nowhere."""
        waiting = self._all.get(key)
        if waiting is None or key in self._active_keys:
            # Gone, or changed while it was tried: then it is tried anew.
            return
        self._leave(key)
        waiting.attempts += 1
        waiting.tried_at, waiting.why = now, why
        self._unschedulable[key] = None
        self._by_reason.setdefault(why, set()).add(key)

    def failed(self, key: str, now: float) -> None:
        """Something went wrong on the way, which was not for want of a machine."""
        waiting = self._all.get(key)
        if waiting is None or key in self._active_keys:
            return
        self._leave(key)
        waiting.errors += 1
        waiting.tried_at = now
        self._back_off(key, waiting)

    def wake(self, helps: Callable[[W], bool], now: float) -> int:
        """Something changed: those that it may help are tried again, once their back-off is over."""
        reasons = [why for why in self._by_reason if helps(why)]
        found = [key for why in reasons for key in self._by_reason[why]]
        for key in found:
            self._requeue(key, now)
        return len(found)

    def activate(self, key: str, now: float) -> None:
        """Try this one again, once its back-off is over."""
        if key in self._unschedulable:
            self._requeue(key, now)

    def tick(self, now: float) -> float | None:
        """Move on what has waited long enough; answer when there is something to move on next."""
        while self._backoff and self._backoff[0][0] <= now:
            _, _, key = heapq.heappop(self._backoff)
            # An entry of an earlier back-off may lie before that of a later one.
            if key in self._backoff_keys and self._all[key].due(self._first, self._last) <= now:
                self._backoff_keys.discard(key)
                self._activate(key, self._all[key])
        while self._unschedulable:
            # They stand in the order of their last try.
            oldest = next(iter(self._unschedulable))
            if now - self._all[oldest].tried_at < FLUSH_AFTER:
                break
            self._requeue(oldest, now)
        times = [self._backoff[0][0]] if self._backoff else []
        if self._unschedulable:
            times.append(self._all[next(iter(self._unschedulable))].tried_at + FLUSH_AFTER)
        return min(times, default=None)

    def waiting(self) -> Iterator[tuple[str, E]]:
        return ((key, waiting.entry) for key, waiting in self._all.items())

    def _requeue(self, key: str, now: float) -> None:
        self._no_longer_unschedulable(key)
        waiting = self._all[key]
        if waiting.due(self._first, self._last) > now:
            self._back_off(key, waiting)
        else:
            self._activate(key, waiting)

    def _back_off(self, key: str, waiting: _Waiting[E, W]) -> None:
        self._backoff_keys.add(key)
        heapq.heappush(self._backoff, (waiting.due(self._first, self._last), waiting.place(), key))

    def _activate(self, key: str, waiting: _Waiting[E, W]) -> None:
        self._active_keys.add(key)
        heapq.heappush(self._active, (waiting.place(), key))

    def _leave(self, key: str) -> None:
        self._active_keys.discard(key)
        self._backoff_keys.discard(key)
        if key in self._unschedulable:
            self._no_longer_unschedulable(key)

    def _no_longer_unschedulable(self, key: str) -> None:
        del self._unschedulable[key]
        why = self._all[key].why
        if why is not None:
            alike = self._by_reason[why]
            alike.discard(key)
            if not alike:
                del self._by_reason[why]
