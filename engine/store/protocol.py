"""The contract every store keeps: keys, bytes, and one counter of revisions.

* A revision is given to exactly one change of one key and is never given twice, restarts included.
* Reads (`get`, `list`, `watch`) answer from memory with what is durable, never with what may still be lost.
* Writes return after the change is durable. They compare against `latest`, which includes changes on their way to
  the disk, so that a queue of writers to one key costs one fsync and not one each.
* A watcher gets every change after its revision exactly once, in order of revision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec

# How a value looks in memory and to readers, given the revision that wrote it. The disk holds the undecorated value.
Decorate = Callable[[bytes, int], bytes]

# (key, value) -> the values of which no two keys may hold the same one, such as the addresses of Services. A store that
# several engines write takes them in the same transaction as the key.
Claims = Callable[[str, bytes], frozenset[str]]


class Record:
    """One key's value at one revision. Never changed once made; `notes` is the readers' own memo about this record."""

    __slots__ = ("key", "notes", "revision", "value")

    def __init__(self, key: str, value: bytes, revision: int) -> None:
        self.key = key
        self.value = value
        self.revision = revision
        self.notes: Any = None

    def __repr__(self) -> str:
        return f"Record({self.key!r}, {len(self.value)} bytes, revision={self.revision})"


class Change(msgspec.Struct, frozen=True, gc=False):
    """One step of one key: created (no `before`), updated (both) or deleted (no `after`)."""

    revision: int
    key: str
    before: Record | None
    after: Record | None


@dataclass(frozen=True, slots=True)
class Listing:
    """Records in order of key as they stood at `revision`; `remaining` counts those the limit left out."""

    records: Sequence[Record]
    revision: int
    remaining: int = 0


class Subscription(Protocol):
    """A running watch."""

    def close(self) -> None: ...


class Reader(Protocol):
    """What answers to reads are made of."""

    @property
    def revision(self) -> int:
        """The newest durable revision."""
        ...

    def get(self, key: str) -> Record | None: ...

    def list(self, prefix: str, *, limit: int = 0, start_after: str = "", revision: int = 0) -> Listing:
        """Keys under `prefix` (0 = no limit, now). Raises Compacted, FutureRevision."""
        ...


class Store(Reader, Protocol):
    """See the module's docstring. Read methods are plain functions: they never wait."""

    @property
    def compacted(self) -> int:
        """The oldest revision that can still be listed at or watched from."""
        ...

    @property
    def trouble(self) -> str:
        """Why the store cannot serve at present; empty when it is well."""
        ...

    def latest(self, key: str) -> Record | None:
        """As `get`, but with writes still on their way to the disk: what the next write has to build on.

        The revision of such a record may be provisional: good as `expected_revision`, and for nothing else.
        """
        ...

    def count(self, prefix: str) -> int: ...

    def watch(self, prefix: str, from_revision: int, on_change: Callable[[Change], None]) -> Subscription:
        """Call `on_change` for every change under `prefix` after `from_revision` (0 = from now on).

        What is already known is delivered before this returns, the rest as it becomes durable, in the loop's thread.
        Raises Compacted, FutureRevision.
        """
        ...

    async def create(self, key: str, value: bytes) -> Record:
        """Raises KeyExists, ClaimTaken, StoreUnavailable."""
        ...

    async def update(self, key: str, value: bytes, expected_revision: int) -> Record:
        """Raises KeyMissing, RevisionMismatch, ClaimTaken, StoreUnavailable."""
        ...

    async def delete(self, key: str, expected_revision: int) -> int:
        """The revision of the deletion. Raises KeyMissing, RevisionMismatch, StoreUnavailable."""
        ...

    async def compact(self, revision: int) -> None:
        """Forget what was before `revision`."""
        ...

    async def snapshot(self, path: Path) -> None:
        """Write a consistent copy to a new file."""
        ...

    async def barrier(self) -> None:
        """Wait until reads show every write acknowledged anywhere before this call."""
        ...

    async def close(self) -> None: ...
