"""What a store can refuse or fail.

StoreError
├── KeyExists          create of a key that is there
├── KeyMissing         update or delete of a key that is not there
├── RevisionMismatch   the key changed since the caller read it; carries the revision it has now
├── ClaimTaken         a value that only one key may hold is held by another
├── Compacted          a revision older than what is kept; carries the oldest that can be asked for
├── FutureRevision     a revision that this store has not reached
└── StoreUnavailable   the medium failed; nothing of the write was kept
    ├── StoreFull      no space left
    └── StoreCorrupt   what is on disk is not a store, or is damaged
"""

from __future__ import annotations


class StoreError(Exception):
    """Root of the tree."""


class KeyExists(StoreError):
    def __init__(self, key: str) -> None:
        super().__init__(f"key {key} exists")
        self.key = key


class KeyMissing(StoreError):
    def __init__(self, key: str) -> None:
        super().__init__(f"key {key} does not exist")
        self.key = key


class RevisionMismatch(StoreError):
    def __init__(self, key: str, actual: int) -> None:
        super().__init__(f"key {key} is at revision {actual}")
        self.key = key
        self.actual = actual


class ClaimTaken(StoreError):
    def __init__(self, key: str, claim: str) -> None:
        super().__init__(f"key {key} claims {claim}, which another key holds")
        self.key = key
        self.claim = claim


class Compacted(StoreError):
    def __init__(self, asked: int, oldest: int) -> None:
        super().__init__(f"revision {asked} has been compacted; the oldest kept is {oldest}")
        self.asked = asked
        self.oldest = oldest


class FutureRevision(StoreError):
    def __init__(self, asked: int, current: int) -> None:
        super().__init__(f"revision {asked} is ahead of {current}")
        self.asked = asked
        self.current = current


class StoreUnavailable(StoreError):
    pass


class StoreFull(StoreUnavailable):
    pass


class StoreCorrupt(StoreUnavailable):
    pass
