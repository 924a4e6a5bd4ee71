"""Priority levels: how many requests of each are worked on at once, and the queues of those that wait.

Source: apiserver/pkg/util/flowcontrol (apf_controller.go, fairqueuing/queueset). Every request takes one seat here, a
list as well. Seats that a level lends are lent while it does not use them, from one request to the next, where upstream
moves them about every ten seconds.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections import deque
from collections.abc import Iterator, Mapping

import msgspec

from apimachinery.objects.errors import TooManyRequests

SEATS = 600
"""As upstream: what may read and what may write at once, together."""
PATIENCE = 15.0
"""Seconds that a request waits in a queue at most: a quarter of what it may take."""
_RETRY_AFTER = 1


class _Queuing(msgspec.Struct, frozen=True, rename="camel"):
    queues: int = 64
    hand_size: int = 8
    queue_length_limit: int = 50


class _Response(msgspec.Struct, frozen=True):
    type: str = "Reject"
    queuing: _Queuing | None = None


class Settings(msgspec.Struct, frozen=True, rename="camel"):
    """`spec.limited` of a PriorityLevelConfiguration, or the same two fields of `spec.exempt`."""

    nominal_concurrency_shares: int | None = None
    lendable_percent: int | None = None
    borrowing_limit_percent: int | None = None
    limit_response: _Response = _Response()

    @property
    def shares(self) -> int:
        return 30 if self.nominal_concurrency_shares is None else self.nominal_concurrency_shares


def too_many() -> TooManyRequests:
    """The refusal, as the client sees it."""
    return TooManyRequests("Too many requests, please try again later.", details={"retryAfterSeconds": _RETRY_AFTER})


class Level:
    """One level. `enter` or `wait` take a seat, `leave` gives it back."""

    __slots__ = (
        "_levels", "_queues", "_settings", "executing", "exempt", "lendable", "most", "name", "nominal", "rejected",
        "waiting",
    )  # fmt: skip

    def __init__(self, name: str, levels: Levels) -> None:
        self.name = name
        self.exempt = False
        self.nominal = self.lendable = 0
        self.most = math.inf
        """How many seats it may have, borrowed ones included."""
        self.executing = self.waiting = self.rejected = 0
        self._settings = Settings()
        self._levels = levels
        self._queues: dict[int, deque[asyncio.Future[None]]] = {}
        """Those that are not empty, the one whose turn it is first."""

    def configure(self, settings: Settings, *, exempt: bool, shares: int) -> None:
        """`shares`: those of all levels together."""
        self._settings = settings
        self.exempt = exempt
        own = settings.shares if not exempt else settings.nominal_concurrency_shares or 0
        self.nominal = math.ceil(SEATS * own / shares) if shares else SEATS
        self.lendable = 0 if exempt else round(self.nominal * (settings.lendable_percent or 0) / 100)
        limit = settings.borrowing_limit_percent
        self.most = math.inf if limit is None else self.nominal + round(self.nominal * limit / 100)

    @property
    def has_room(self) -> bool:
        if self.exempt or self.executing < self.nominal:
            return True
        return self.executing < self.most and self._levels.lend

    def enter(self) -> bool:
        """Take a seat if there is one for somebody who did not wait."""
        if self.waiting or not self.has_room:
            return False
        self.executing += 1
        return True

    def leave(self) -> None:
        self.executing -= 1
        self._levels.hand_out()

    async def wait(self, flow: tuple[str, str]) -> None:
        """Take a seat when one is free and it is this flow's turn. Raises TooManyRequests."""
        response = self._settings.limit_response
        queuing = response.queuing
        if response.type != "Queue" or queuing is None:
            raise self._refused()
        hand = deal(flow, queuing.queues, queuing.hand_size)
        index = min(hand, key=lambda number: len(self._queues.get(number, ())))
        queue = self._queues.setdefault(index, deque())
        if len(queue) >= queuing.queue_length_limit:
            raise self._refused()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        self.waiting += 1
        try:
            async with asyncio.timeout(PATIENCE):
                await turn
        except BaseException as error:
            self._give_up(index, turn)
            if isinstance(error, TimeoutError):
                raise self._refused() from error
            raise

    def hand_out(self) -> None:
        """Give free seats to those who wait, one from each queue in turn."""
        while self.waiting and self.has_room:
            index, queue = next(iter(self._queues.items()))
            turn = queue.popleft()
            del self._queues[index]
            if queue:
                self._queues[index] = queue
            self.waiting -= 1
            self.executing += 1
            turn.set_result(None)

    def _give_up(self, index: int, turn: asyncio.Future[None]) -> None:
        queue = self._queues.get(index)
        if queue is None or turn not in queue:
            # Its turn had come, but it did not live to see it.
            self.leave()
            return
        queue.remove(turn)
        self.waiting -= 1
        if not queue:
            del self._queues[index]

    def _refused(self) -> TooManyRequests:
        self.rejected += 1
        return too_many()


class Levels:
    """All levels, who lend each other seats."""

    def __init__(self) -> None:
        self._levels: dict[str, Level] = {}

    def __iter__(self) -> Iterator[Level]:
        return iter(self._levels.values())

    def get(self, name: str) -> Level | None:
        return self._levels.get(name)

    def configure(self, settings: Mapping[str, tuple[Settings, bool]]) -> None:
        """By name the settings, and whether the level is exempt. Requests under way keep their seats."""
        shares = sum(
            each.nominal_concurrency_shares or 0 if exempt else each.shares for each, exempt in settings.values()
        )
        before, self._levels = self._levels, {}
        for name, (each, exempt) in settings.items():
            level = self._levels[name] = before.pop(name, None) or Level(name, self)
            level.configure(each, exempt=exempt, shares=shares)
        for gone in before.values():
            # Nobody comes to it any more; those who wait go on as they came.
            gone.exempt = True
            gone.hand_out()
        self.hand_out()

    @property
    def lend(self) -> bool:
        """Whether a level that has all its own seats taken gets one more."""
        idle = borrowed = 0
        for level in self._levels.values():
            if level.exempt:
                continue
            spare = level.nominal - level.executing
            if spare < 0:
                borrowed -= spare
            else:
                idle += min(level.lendable, spare)
        return borrowed < idle

    def hand_out(self) -> None:
        for level in self._levels.values():
            if level.waiting:
                level.hand_out()


def deal(flow: tuple[str, str], queues: int, size: int) -> list[int]:
    """The queues that a flow may wait in: few of many, so that hardly two flows share all of theirs."""
    number = int.from_bytes(hashlib.sha256("\0".join(flow).encode()).digest()[:16], "big")
    hand: list[int] = []
    for dealt in range(min(size, queues)):
        number, card = divmod(number, queues - dealt)
        for lower in sorted(hand):
            card += card >= lower
        hand.append(card)
    return hand
