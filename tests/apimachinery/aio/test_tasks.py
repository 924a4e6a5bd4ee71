import asyncio

import pytest

from apimachinery.aio.backoff import Backoff
from apimachinery.aio.clock import FakeClock
from apimachinery.aio.tasks import TaskScope, finished


async def test_leaving_a_scope_cancels_its_tasks():
    ended = []

    async def serve() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("served")

    async with TaskScope("test") as scope:
        scope.spawn("serve", serve())
        await asyncio.sleep(0)
    assert ended == ["served"]


async def test_a_crash_ends_the_body_and_is_raised():
    async def crash() -> None:
        await asyncio.sleep(0)
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        async with TaskScope("test") as scope:
            scope.spawn("crash", crash())
            await asyncio.sleep(30)
    assert asyncio.current_task().cancelling() == 0


async def test_cancellation_from_outside_stays_a_cancellation():
    async def body() -> None:
        async with TaskScope("test") as scope:
            scope.spawn("wait", asyncio.sleep(30))
            await asyncio.sleep(30)

    task = asyncio.ensure_future(body())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_supervised_work_is_started_again_and_counted():
    runs = 0
    third = asyncio.Event()

    async def work() -> None:
        nonlocal runs
        runs += 1
        if runs == 3:
            third.set()
            await asyncio.Event().wait()
        raise OSError("gone")

    async with TaskScope("test") as scope:
        scope.supervise("work", work, backoff=Backoff(initial=0.001))
        await asyncio.wait_for(third.wait(), 1)
        assert scope.health()["work"].restarts == 2


def test_backoff_grows_to_its_maximum_and_starts_over():
    backoff = Backoff(initial=1, maximum=5, jitter=0)
    assert [backoff.next() for _ in range(5)] == [1, 2, 4, 5, 5]
    backoff.reset()
    assert backoff.next() == 1


async def test_fake_clock_wakes_sleepers_in_order_at_their_moment():
    clock = FakeClock()
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.monotonic()))

    async with TaskScope("test") as scope:
        scope.spawn("late", sleeper("late", 5))
        scope.spawn("early", sleeper("early", 2))
        await asyncio.sleep(0)
        await clock.advance(3)
        assert woken == [("early", 2)]
        await clock.advance(3)
    assert woken == [("early", 2), ("late", 5)]


async def test_a_failure_is_told_when_all_the_rest_has_ended():
    ended: list[str] = []

    async def work(name: str, turns: int) -> str:
        for _ in range(turns):
            await asyncio.sleep(0)
        ended.append(name)
        if name == "bad":
            raise ValueError(name)
        return name

    assert await finished([work("slow", 3), work("fast", 1)]) == ["slow", "fast"]
    with pytest.raises(ValueError, match="bad"):
        await finished([work("bad", 1), work("good", 5)])
    assert ended[-2:] == ["bad", "good"]
