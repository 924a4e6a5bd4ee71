import asyncio

import pytest

from apimachinery.aio.workqueue import QueueClosed, WorkQueue


async def test_a_key_waits_at_most_once():
    queue: WorkQueue[str] = WorkQueue()
    for key in ("a", "b", "a"):
        queue.add(key)
    assert [await queue.get(), await queue.get()] == ["a", "b"]
    assert len(queue) == 0


async def test_a_key_in_work_comes_back_only_after_done():
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("a")
    assert len(queue) == 0
    queue.done("a")
    assert await queue.get() == "a"
    queue.done("a")
    assert queue.idle


async def test_waiting_getter_is_woken_and_a_cancelled_one_loses_nothing():
    queue: WorkQueue[str] = WorkQueue()
    first = asyncio.ensure_future(queue.get())
    second = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    first.cancel()
    assert await asyncio.wait_for(second, 1) == "a"


async def test_earliest_delay_wins():
    queue: WorkQueue[str] = WorkQueue()
    queue.add_after("a", 30)
    queue.add_after("a", 0.01)
    assert await asyncio.wait_for(queue.get(), 1) == "a"


async def test_rate_limit_doubles_until_forgotten():
    queue: WorkQueue[str] = WorkQueue(base_delay=0.001)
    for expected in (1, 2, 3):
        queue.add_rate_limited("a")
        assert queue.retries("a") == expected
        assert await asyncio.wait_for(queue.get(), 1) == "a"
        queue.done("a")
    queue.forget("a")
    assert queue.retries("a") == 0


async def test_closed_queue_raises_in_every_getter():
    queue: WorkQueue[str] = WorkQueue()
    getters = [asyncio.ensure_future(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    queue.close()
    for getter in getters:
        with pytest.raises(QueueClosed):
            await asyncio.wait_for(getter, 1)
