"""How many requests are worked on at once: more are sent away with the word to come back.

Limits and wording: apiserver/pkg/server/filters/maxinflight.go. Masters are always served, so that somebody can still
look at what goes on. Watches and streams do not count.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from apimachinery.objects.errors import TooManyRequests
from engine.apiserver.request import User

READING = 400
WRITING = 200
MASTERS = "system:masters"
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_RETRY_AFTER = 1


class InFlight:
    """The places for requests, some for those that read and some for those that write."""

    def __init__(self, *, reading: int = READING, writing: int = WRITING) -> None:
        self._limits = {"readOnly": reading, "mutating": writing}
        self.taken = {"readOnly": 0, "mutating": 0}
        """How many places are taken, by upstream's names."""

    @contextmanager
    def place(self, method: str, user: User) -> Generator[None]:
        """Hold a place for a request. Raises TooManyRequests when all are taken."""
        side = "readOnly" if method in _READS else "mutating"
        if self.taken[side] >= self._limits[side] and MASTERS not in user.groups:
            raise TooManyRequests(
                "Too many requests, please try again later.", details={"retryAfterSeconds": _RETRY_AFTER}
            )
        self.taken[side] += 1
        try:
            yield
        finally:
            self.taken[side] -= 1
