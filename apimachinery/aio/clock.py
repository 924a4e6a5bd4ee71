"""Time as an argument: the real clock, and one that tests move by hand."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The wall clock, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps; only differences mean anything."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251 - the one home of the wall clock

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class FakeClock:
    """Stands still until `advance`; sleepers wake in order of their deadline."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        wake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._elapsed + seconds, wake))
        await wake

    async def advance(self, seconds: float) -> None:
        """Move time on, waking each sleeper at its own moment and letting it run."""
        target = self._elapsed + seconds
        while True:
            self._sleepers = [(at, wake) for at, wake in self._sleepers if not wake.done()]
            due = min((s for s in self._sleepers if s[0] <= target), key=lambda s: s[0], default=None)
            if due is None:
                break
            self._elapsed = max(self._elapsed, due[0])
            due[1].set_result(None)
            await _settle()
        self._elapsed = target
        await _settle()


async def _settle() -> None:
    # Several turns: a woken task may wake another before it sleeps again.
    for _ in range(10):
        await asyncio.sleep(0)
