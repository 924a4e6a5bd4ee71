"""More requests than can be worked on are sent away, politely."""

from __future__ import annotations

import aiohttp
import pytest

from apimachinery.objects.errors import TooManyRequests
from engine.apiserver.overload import InFlight
from engine.apiserver.request import User
from tests.engine.conftest import RunningEngine

GUEST = User("guest")
MASTER = User("admin", ("system:masters",))


def test_readers_and_writers_have_places_of_their_own() -> None:
    flight = InFlight(reading=1, writing=1)
    with flight.place("GET", GUEST), flight.place("POST", GUEST):
        for method in ("HEAD", "PATCH"):
            with pytest.raises(TooManyRequests), flight.place(method, GUEST):
                pass
        assert flight.taken == {"readOnly": 1, "mutating": 1}
    assert flight.taken == {"readOnly": 0, "mutating": 0}


def test_a_place_is_given_back_by_a_request_that_fails() -> None:
    flight = InFlight(reading=1)
    with pytest.raises(ValueError), flight.place("GET", GUEST):
        raise ValueError
    with flight.place("GET", GUEST):
        pass


def test_masters_are_always_served() -> None:
    with InFlight(reading=0).place("GET", MASTER):
        pass


async def test_a_refused_client_is_told_when_to_come_back(engine: RunningEngine) -> None:
    engine.api.http.in_flight = InFlight(reading=0, writing=0)
    context = engine.ssl(certificate=False)
    async with aiohttp.ClientSession() as session, session.get(f"{engine.url}/version", ssl=context) as answer:
        assert (answer.status, answer.headers["retry-after"]) == (429, "1")
        status = await answer.json()
    assert (status["reason"], status["message"]) == (
        "TooManyRequests",
        "Too many requests, please try again later.",
    )
    assert (await engine.kubectl("version")).code == 0
