"""Following logs: many containers, streams that break, pods that join, readers that are ahead."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import hypothesis.strategies as st
import pytest
from hypothesis import given

from apimachinery.aio.tasks import TaskScope
from tests.tui.demo import pod
from tests.tui.memory_cluster import MemoryCluster
from tui.feeds.logring import NOTE, LogLine, LogRing
from tui.feeds.logs import LogFeed, LogQuery, Resume, Source, normal_stamp, started_sources

WEB = Source("default", "web-1", "web")
API = Source("default", "web-2", "web")


def stamp(second: int, nanos: int = 0) -> str:
    return f"2026-01-01T00:00:{second:02}.{nanos:09}Z"


@asynccontextmanager
async def following(
    cluster: MemoryCluster, query: LogQuery, *sources: Source, pending_limit: int = 1000
) -> AsyncIterator[LogFeed]:
    feed = LogFeed(cluster, query, pending_limit=pending_limit)
    async with TaskScope("test") as scope:
        scope.spawn("logs", feed.run())
        feed.want(list(sources))
        yield feed


async def texts(feed: LogFeed, wait: float = 0.03) -> list[str]:
    await asyncio.sleep(wait)
    return [line.text for line in feed.take() if line.source != NOTE]


async def test_lines_of_several_containers_come_by_time() -> None:
    cluster = MemoryCluster()
    cluster.say("default", "web-1", "web", f"{stamp(1)} one")
    cluster.say("default", "web-1", "web", f"{stamp(3)} three")
    cluster.say("default", "web-2", "web", f"{stamp(2)} two")
    async with following(cluster, LogQuery(), WEB, API) as feed:
        assert await texts(feed) == ["one", "two", "three"]


async def test_a_broken_stream_resumes_without_loss_and_without_repeating() -> None:
    cluster = MemoryCluster()
    cluster.say("default", "web-1", "web", f"{stamp(1, 5)} one")
    cluster.say("default", "web-1", "web", f"{stamp(1, 5)} one again")
    async with following(cluster, LogQuery(), WEB) as feed:
        assert await texts(feed) == ["one", "one again"]
        cluster.break_streams()
        cluster.logs["default", "web-1", "web"] += [f"{stamp(1, 5)} same instant", f"{stamp(2)} two"]
        assert await texts(feed, 0.8) == ["same instant", "two"]


async def test_a_new_source_joins_and_one_no_longer_wanted_leaves() -> None:
    cluster = MemoryCluster()
    async with following(cluster, LogQuery(), WEB) as feed:
        await asyncio.sleep(0.02)
        feed.want([API])
        await asyncio.sleep(0.02)
        cluster.say("default", "web-1", "web", f"{stamp(1)} unheard")
        cluster.say("default", "web-2", "web", f"{stamp(2)} heard")
        await asyncio.sleep(0.02)
        lines = feed.take()
        assert [line.text for line in lines if line.source != NOTE] == ["heard"]
        assert [line.text for line in lines if line.source == NOTE] == ["web-1 web left", "web-2 web joined"]


async def test_a_reader_ahead_of_the_screen_waits_and_loses_nothing() -> None:
    cluster = MemoryCluster()
    for number in range(95):
        cluster.say("default", "web-1", "web", f"{stamp(1, number)} {number}")
    async with following(cluster, LogQuery(), WEB, pending_limit=10) as feed:
        seen: list[str] = []
        for _ in range(40):
            batch = await texts(feed, 0.003)
            assert len(batch) <= 10
            seen += batch
        assert seen == [str(number) for number in range(95)]


def test_only_containers_that_have_run_are_sources() -> None:
    waiting = pod("web-1", reason="ContainerCreating")
    assert started_sources([waiting]) == []
    crashed = pod("web-2", reason="CrashLoopBackOff")
    crashed["status"]["containerStatuses"][0]["lastState"] = {"terminated": {"exitCode": 1}}
    assert started_sources([crashed]) == [API]


@pytest.mark.parametrize(
    ("given_stamp", "normal"),
    [
        pytest.param("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000000000Z", id="whole-second"),
        pytest.param("2026-01-01T00:00:00.5Z", "2026-01-01T00:00:00.500000000Z", id="short-fraction"),
        pytest.param("hello", "hello", id="no-stamp"),
    ],
)
def test_stamps_compare_as_texts(given_stamp: str, normal: str) -> None:
    assert normal_stamp(given_stamp) == normal


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.integers(0, 30))
def test_replaying_any_log_from_its_last_second_yields_exactly_what_is_new(instants: list[int], cut: int) -> None:
    log = [(stamp(0, instant), number) for number, instant in enumerate(sorted(instants))]
    resume = Resume()
    first = [number for at, number in log[:cut] if resume.is_new(at)]
    resume.reconnected()
    second = [number for at, number in log if resume.is_new(at)]
    assert first + second == list(range(len(log)))


def test_a_full_ring_sheds_its_oldest_lines_and_keeps_their_numbers() -> None:
    ring = LogRing(limit=100)
    shed = ring.extend([LogLine(0, "", str(number)) for number in range(250)])
    assert shed >= 150
    assert ring.first == shed
    assert ring.line(249).text == "249"
    assert len(ring) <= 100
