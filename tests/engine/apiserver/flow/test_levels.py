"""Seats of priority levels, and who waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from apimachinery.objects.errors import TooManyRequests
from engine.apiserver.flow import levels as module
from engine.apiserver.flow.levels import SEATS, Level, Levels, Settings, deal

Json = dict[str, Any]
QUEUE: Json = {"type": "Queue", "queuing": {"queues": 4, "handSize": 2, "queueLengthLimit": 2}}


def levels(**specs: Json) -> Levels:
    found = Levels()
    found.configure(
        {name: (msgspec.convert(spec, Settings), spec.get("exempt", False)) for name, spec in specs.items()}
    )
    return found


def level(found: Levels, name: str) -> Level:
    one = found.get(name)
    assert one is not None
    return one


def fill(one: Level) -> int:
    """Take all seats that it gets; how many."""
    return next(taken for taken in range(10_000) if not one.enter())


def test_seats_are_shared_out_by_shares() -> None:
    found = levels(few={"nominalConcurrencyShares": 1}, many={"nominalConcurrencyShares": 3}, by_default={})
    assert [one.nominal for one in found] == [-(-SEATS // 34), -(-SEATS * 3 // 34), -(-SEATS * 30 // 34)]
    assert fill(level(found, "few")) == level(found, "few").nominal


def test_an_exempt_level_has_no_end() -> None:
    one = level(levels(free={"exempt": True}, all={}), "free")
    assert all(one.enter() for _ in range(2 * SEATS))


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(None, 300 + 150), (0, 300), (10, 330), (1000, 450)],
    ids=["no limit", "none", "ten", "much"],
)
def test_idle_seats_that_a_level_lends_are_borrowed(limit: int | None, expected: int) -> None:
    found = levels(busy={"borrowingLimitPercent": limit}, idle={"lendablePercent": 50})
    assert fill(level(found, "busy")) == expected
    # What was lent is missing to nobody who has it by right.
    assert fill(level(found, "idle")) == 300


def test_seats_that_are_used_are_not_lent() -> None:
    found = levels(busy={}, idle={"lendablePercent": 50})
    for _ in range(290):
        assert level(found, "idle").enter()
    assert fill(level(found, "busy")) == 310


@pytest.fixture
def one() -> Iterator[Level]:
    """A level without room whose requests may wait."""
    found = levels(one={"limitResponse": QUEUE})
    yield (full := level(found, "one"))
    assert full.waiting == 0


async def waiting(one: Level, *flows: str) -> list[asyncio.Task[None]]:
    tasks = [asyncio.ensure_future(one.wait(("schema", flow))) for flow in flows]
    await asyncio.sleep(0)
    return tasks


async def test_who_waits_comes_in_when_a_seat_is_free(one: Level) -> None:
    taken = fill(one)
    (first,) = await waiting(one, "a")
    assert not first.done()
    assert not one.enter()
    one.leave()
    await first
    assert (one.executing, one.waiting) == (taken, 0)


async def test_a_flow_fills_its_own_queues_only(one: Level) -> None:
    fill(one)
    greedy = await waiting(one, *["greedy"] * 6)
    refused = [task for task in greedy if task.done()]
    assert len(refused) == 2
    with pytest.raises(TooManyRequests, match="Too many requests, please try again later"):
        await refused[0]
    refused[1].exception()
    mine = set(deal(("schema", "greedy"), 4, 2))
    other = next(name for name in map(str, range(100)) if mine.isdisjoint(deal(("schema", name), 4, 2)))
    (modest,) = await waiting(one, other)
    for _ in range(3):
        one.leave()
    # Queues take turns: the one that came last waits for one round, not for all who came before.
    await modest
    for _ in range(2):
        one.leave()
    await asyncio.gather(*(task for task in greedy if task not in refused))
    assert one.rejected == 2


async def test_who_gives_up_leaves_no_trace(one: Level) -> None:
    taken = fill(one)
    first, second = await waiting(one, "a", "b")
    first.cancel()
    await asyncio.wait((first,))
    one.leave()
    # Its turn has come, but it goes in the same moment.
    second.cancel()
    await asyncio.wait((second,))
    assert (one.executing, one.waiting) == (taken - 1, 0)
    assert one.enter()


async def test_nobody_waits_for_ever(one: Level, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    fill(one)
    with pytest.raises(TooManyRequests):
        await one.wait(("schema", "a"))


async def test_who_waits_comes_in_when_the_level_goes_or_grows(one: Level) -> None:
    fill(one)
    tasks = await waiting(one, "a", "b")
    one._levels.configure({})
    await asyncio.gather(*tasks)


async def test_a_level_that_rejects_lets_nobody_wait() -> None:
    one = level(levels(one={"limitResponse": {"type": "Reject"}}), "one")
    fill(one)
    with pytest.raises(TooManyRequests):
        await one.wait(("schema", "a"))


@pytest.mark.parametrize(("queues", "size"), [(64, 8), (8, 8), (1, 8), (128, 6)])
def test_hands_are_different_cards(queues: int, size: int) -> None:
    for flow in range(200):
        hand = deal(("schema", str(flow)), queues, size)
        assert len(set(hand)) == len(hand) == min(size, queues)
        assert all(0 <= card < queues for card in hand)
    assert len({card for flow in range(200) for card in deal(("schema", str(flow)), queues, size)}) == queues
