"""How many requests are worked on at once: more are sent away with the word to come back.

Limits and wording: apiserver/pkg/server/filters/maxinflight.go. What users configure comes before (flow/); here it is
seen to, whatever they do, that no single user takes all places. Masters are always served, so that somebody can still
look at what goes on, and the cluster's own parts have some places more than everybody else. Watches and streams have
places of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal

from engine.apiserver.flow.levels import too_many
from engine.apiserver.request import User

READING = 400
WRITING = 200
LASTING = 10_000
MASTERS = "system:masters"
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_PARTS = frozenset({"system:nodes", "system:serviceaccounts:kube-system"})
_OWN_NAMES = ("system:kube-", "system:apiserver")
_UNAUTHENTICATED = "system:unauthenticated"

Side = Literal["readOnly", "mutating", "longRunning"]
"""The first two are upstream's names."""


class InFlight:
    """The places for requests: some for those that read, some for those that write, some for those that last."""

    def __init__(self, *, reading: int = READING, writing: int = WRITING, lasting: int = LASTING) -> None:
        self._limits: dict[Side, int] = {"readOnly": reading, "mutating": writing, "longRunning": lasting}
        self.taken: dict[Side, int] = {"readOnly": 0, "mutating": 0, "longRunning": 0}
        """How many places are taken."""
        self._by_user: Counter[tuple[Side, str]] = Counter()

    @contextmanager
    def place(self, method: str, user: User, *, lasting: bool = False) -> Generator[None]:
        """Hold a place for a request. Raises TooManyRequests when there is none left for this user."""
        side: Side = "longRunning" if lasting else "readOnly" if method in _READS else "mutating"
        holder = (side, user.name)
        if not self._room(side, user, self._by_user[holder]):
            raise too_many()
        self.taken[side] += 1
        self._by_user[holder] += 1
        try:
            yield
        finally:
            self.taken[side] -= 1
            self._by_user[holder] -= 1
            if not self._by_user[holder]:
                del self._by_user[holder]

    def _room(self, side: Side, user: User, held: int) -> bool:
        limit, taken = self._limits[side], self.taken[side]
        if MASTERS in user.groups:
            return True
        if not _OWN_PARTS.isdisjoint(user.groups) or user.name.startswith(_OWN_NAMES):
            return taken < limit + limit // 2
        share = limit // 8 if _UNAUTHENTICATED in user.groups else limit // 2
        return taken < limit and held < max(share, 1)
