"""Who leads, by tables, and two candidates on a real API."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from apimachinery.aio.clock import SystemClock
from apimachinery.objects.resources import LEASES
from engine.runtime.leader import TERMS, Election, Sighting, Terms, claim, may_take, sighted
from tests.engine.conftest import RunningEngine

HELD: dict[str, Any] = {"holderIdentity": "a", "acquireTime": "t0", "renewTime": "t1", "leaseTransitions": 3}
QUICK = Terms(duration=1.0, renew_deadline=0.7, retry=0.1)


@pytest.mark.parametrize(
    ("holder", "silent_for", "may"),
    [
        pytest.param("b", 0.0, True, id="ours"),
        pytest.param("", 0.0, True, id="free"),
        pytest.param(None, 0.0, True, id="never held"),
        pytest.param("a", 9.9, False, id="another's"),
        pytest.param("a", 10.0, True, id="another's, silent"),
    ],
)
def test_lease_may_be_taken_when_ours_free_or_silent(holder: str | None, silent_for: float, may: bool) -> None:
    seen = Sighting({"holderIdentity": holder}, since=100.0)
    assert may_take(seen, "b", 100.0 + silent_for, TERMS) is may


def test_silence_is_counted_anew_when_the_record_changes() -> None:
    first = sighted(None, HELD, 1.0)
    assert sighted(first, dict(HELD), 5.0).since == 1.0
    assert sighted(first, {**HELD, "renewTime": "t2"}, 5.0).since == 5.0


@pytest.mark.parametrize(
    ("spec", "identity", "acquired", "transitions"),
    [
        pytest.param({}, "b", "now", 0, id="first"),
        pytest.param(HELD, "a", "t0", 3, id="renewed"),
        pytest.param(HELD, "b", "now", 4, id="taken over"),
    ],
)
def test_claim_counts_changes_of_hands(spec: dict[str, Any], identity: str, acquired: str, transitions: int) -> None:
    assert claim(spec, identity, "now", TERMS) == {
        "holderIdentity": identity,
        "leaseDurationSeconds": 10,
        "acquireTime": acquired,
        "renewTime": "now",
        "leaseTransitions": transitions,
    }


async def wait_until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.02)


async def test_one_candidate_works_at_a_time_and_the_next_begins_when_it_stops(engine: RunningEngine) -> None:
    at_work: list[str] = []

    async def work(name: str) -> None:
        at_work.append(name)
        try:
            await asyncio.Event().wait()
        finally:
            at_work.remove(name)

    def candidate(name: str) -> asyncio.Task[None]:
        election = Election(engine.api.client("test"), SystemClock(), "part", name, terms=QUICK)
        return asyncio.ensure_future(election.run(lambda: work(name)))

    first = candidate("first")
    await wait_until(lambda: at_work == ["first"])
    second = candidate("second")
    await asyncio.sleep(1.5)
    assert at_work == ["first"]
    first.cancel()
    await wait_until(lambda: at_work == ["second"])
    lease = await engine.client.get(LEASES, "part", "kube-system")
    assert lease["spec"]["holderIdentity"] == "second"
    assert lease["spec"]["leaseTransitions"] == 1
    second.cancel()
    await asyncio.wait((first, second))
    assert at_work == []


async def test_leader_whose_lease_was_taken_stops_working(engine: RunningEngine) -> None:
    started, stopped = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    election = Election(engine.api.client("test"), SystemClock(), "part", "first", terms=QUICK)
    task = asyncio.ensure_future(election.run(work))
    await asyncio.wait_for(started.wait(), 5)
    patch = {"spec": {"holderIdentity": "usurper", "leaseDurationSeconds": 60}}
    await engine.client.patch(LEASES, "part", patch, "kube-system", kind="merge")
    await asyncio.wait_for(stopped.wait(), 5)
    assert not election.leads
    task.cancel()
    await asyncio.wait((task,))
