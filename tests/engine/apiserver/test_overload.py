"""More requests than can be worked on are sent away, politely."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import AsyncExitStack, ExitStack

import aiohttp
import pytest

from apimachinery.objects.errors import TooManyRequests
from apimachinery.objects.resources import CONFIGMAPS
from engine.apiserver import incoming
from engine.apiserver.connections import Patience
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
        with flight.place("GET", GUEST, lasting=True):
            assert flight.taken == {"readOnly": 1, "mutating": 1, "longRunning": 1}
    assert flight.taken == {"readOnly": 0, "mutating": 0, "longRunning": 0}


def test_a_place_is_given_back_by_a_request_that_fails() -> None:
    flight = InFlight(reading=1)
    with pytest.raises(ValueError), flight.place("GET", GUEST):
        raise ValueError
    with flight.place("GET", GUEST):
        pass


def test_masters_are_always_served() -> None:
    with InFlight(reading=0).place("GET", MASTER):
        pass


def hold(flight: InFlight, stack: ExitStack, user: User, method: str = "POST") -> int:
    """Take places until there is none left for this user; how many there were."""
    for held in range(1000):
        try:
            stack.enter_context(flight.place(method, user))
        except TooManyRequests:
            return held
    raise AssertionError("there is no end of places")


def test_no_user_takes_the_places_of_the_others() -> None:
    flight = InFlight(writing=40)
    anonymous = User("system:anonymous", ("system:unauthenticated",))
    with ExitStack() as stack:
        assert hold(flight, stack, anonymous) == 5
        assert hold(flight, stack, GUEST) == 20
        assert hold(flight, stack, User("other")) == 15
        assert hold(flight, stack, User("late")) == 0


@pytest.mark.parametrize(
    "user",
    [
        User("system:node:m1", ("system:nodes", "system:authenticated")),
        User("system:kube-scheduler"),
        User("system:serviceaccount:kube-system:dns", ("system:serviceaccounts:kube-system",)),
    ],
    ids=lambda user: user.name,
)
def test_the_clusters_own_parts_have_places_beyond_those_of_all(user: User) -> None:
    flight = InFlight(writing=10)
    with ExitStack() as stack:
        while any(hold(flight, stack, User(name)) for name in "abc"):
            pass
        assert flight.taken["mutating"] == 10
        assert hold(flight, stack, user) == 5


class Slow:
    """A connection that does as badly as it can."""

    def __init__(self, engine: RunningEngine, *, certificate: bool = False) -> None:
        self._where = ("127.0.0.1", engine.port)
        self._ssl = engine.ssl(certificate=certificate)

    async def __aenter__(self) -> Slow:
        self.reader, self.writer = await asyncio.open_connection(
            *self._where, ssl=self._ssl, server_hostname="localhost"
        )
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self.writer.transport.abort()
        await asyncio.sleep(0)

    async def ended(self) -> bytes:
        """What came until the server closed."""
        try:
            async with asyncio.timeout(10):
                return await self.reader.read()
        except ConnectionError:
            return b""


async def test_headers_that_never_end_end_the_connection(engine: RunningEngine) -> None:
    engine.api.http.server.patience = Patience(first_request=0.5)
    async with Slow(engine) as silent, Slow(engine) as slow, Slow(engine) as good:
        slow.writer.write(b"GET /version HTTP/1.1\r\nHost")
        good.writer.write(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
        await good.reader.readuntil(b"\r\n\r\n")
        assert await slow.ended() == b""
        assert await silent.ended() == b""
        # Whoever has asked something may keep the connection.
        good.writer.write(b"GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"HTTP/1.1 200" in await good.ended()


async def test_bodies_that_never_end_are_given_up_and_starve_nobody(engine: RunningEngine) -> None:
    engine.api.http.server.patience = Patience(body=1.0)
    engine.api.http.in_flight = InFlight(writing=8)
    head = b"POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
    async with AsyncExitStack() as stack:
        slow = [await stack.enter_async_context(Slow(engine)) for _ in range(20)]
        for one in slow:
            one.writer.write(head)
        first = [await asyncio.wait_for(one.reader.readline(), 5) for one in slow]
        assert sorted(first) == [b"HTTP/1.1 408 Request Timeout\r\n"] + [b"HTTP/1.1 429 Too Many Requests\r\n"] * 19
    assert engine.api.http.in_flight.taken["mutating"] == 0


async def test_bodies_beyond_the_limit_are_refused_however_they_come(engine: RunningEngine) -> None:
    path = b"POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    async with Slow(engine, certificate=True) as told, Slow(engine, certificate=True) as counted:
        told.writer.write(path + b"Content-Length: %d\r\n\r\n" % (incoming.BODY_LIMIT + 1))
        assert await told.reader.readline() == b"HTTP/1.1 413 Request Entity Too Large\r\n"
        counted.writer.write(path + b"Transfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(incoming.BODY_LIMIT // 65536 + 2):
                counted.writer.write(b"10000\r\n" + b" " * 65536 + b"\r\n")
                await counted.writer.drain()
        assert await counted.reader.readline() == b"HTTP/1.1 413 Request Entity Too Large\r\n"


async def test_an_answer_that_nobody_reads_is_given_up(engine: RunningEngine) -> None:
    engine.api.http.server.patience = Patience(answer=0.5)
    async with Slow(engine, certificate=True) as slow:
        for number in range(12):
            await engine.client.create(
                CONFIGMAPS, {"metadata": {"name": f"c{number}"}, "data": {"k": "v" * 900_000}}, "default"
            )
        slow.writer.transport.pause_reading()
        slow.writer.write(b"GET /api/v1/configmaps HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.sleep(1.5)
        assert engine.api.http.in_flight.taken["readOnly"] == 0
        slow.writer.transport.resume_reading()
        assert 0 < len(await slow.ended()) < 10_000_000


async def test_watches_have_a_limit_for_each_user(engine: RunningEngine) -> None:
    engine.api.http.in_flight = InFlight(lasting=16)
    watch = b"GET /api/v1/namespaces/default/configmaps?watch=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\n\r\n"
    other = User("other", ("system:authenticated",))
    with ExitStack() as stack:
        assert hold_watches(engine.api.http.in_flight, stack, other) == 8
    async with Slow(engine, certificate=True) as master:
        # Masters are served beyond all limits.
        engine.api.http.in_flight = InFlight(lasting=0)
        master.writer.write(watch)
        assert await master.reader.readline() == b"HTTP/1.1 200 OK\r\n"


def hold_watches(flight: InFlight, stack: ExitStack, user: User) -> int:
    for held in range(1000):
        try:
            stack.enter_context(flight.place("GET", user, lasting=True))
        except TooManyRequests:
            return held
    raise AssertionError("there is no end of places")


async def test_connections_beyond_the_limit_are_refused_until_others_end(engine: RunningEngine) -> None:
    server = engine.api.http.server
    server.limit = len(server.connections) + 2
    ask = b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n"
    async with Slow(engine) as first, Slow(engine) as second:
        for one in (first, second):
            one.writer.write(ask)
            assert await one.reader.readline() == b"HTTP/1.1 200 OK\r\n"
        async with Slow(engine) as third:
            third.writer.write(ask)
            assert await third.ended() == b""
    await asyncio.sleep(0.2)
    async with Slow(engine) as later:
        later.writer.write(ask)
        assert await later.reader.readline() == b"HTTP/1.1 200 OK\r\n"


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
