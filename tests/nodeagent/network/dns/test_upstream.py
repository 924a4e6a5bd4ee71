import asyncio

import pytest
from dnslib import QTYPE, RR, A, DNSRecord

from apimachinery.aio.clock import FakeClock
from nodeagent.network.dns import wire
from nodeagent.network.dns.upstream import MAX_SAME_QUESTION, NoAnswer, ResolvConf, Upstream, parse_resolv_conf
from tests.nodeagent.network.dns.servers import Answering, name_server
from tests.nodeagent.network.dns.test_wire import query

NOWHERE = ("127.0.0.1", 1)


def saying(address: str, ttl: int = 60, asked: list[bool] | None = None) -> Answering:
    def answering(question: DNSRecord, tcp: bool) -> DNSRecord:
        if asked is not None:
            asked.append(tcp)
        reply = question.reply()
        reply.add_answer(RR(question.q.qname, QTYPE.A, rdata=A(address), ttl=ttl))
        return reply

    return answering


def failing(code: int) -> Answering:
    def answering(question: DNSRecord, tcp: bool) -> DNSRecord:
        reply = question.reply()
        reply.header.rcode = code
        return reply

    return answering


async def ask(upstream: Upstream, name: str = "example.com", tcp: bool = False) -> DNSRecord:
    message = query(name)
    return DNSRecord.parse(await upstream.ask(message, wire.question(message), tcp=tcp))


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
async def test_a_question_is_passed_on_and_its_answer_back(tcp: bool) -> None:
    asked: list[bool] = []
    async with name_server(saying("192.0.2.1", asked=asked)) as server:
        reply = await ask(Upstream(lambda: [server], FakeClock()), tcp=tcp)
    assert (reply.header.id, str(reply.rr[0].rdata), asked) == (7, "192.0.2.1", [tcp])


async def test_a_server_that_is_down_is_passed_over_and_not_asked_first_again() -> None:
    async with name_server(saying("192.0.2.1")) as server:
        upstream = Upstream(lambda: [NOWHERE, server], FakeClock())
        for _ in range(2):
            assert str((await ask(upstream)).rr[0].rdata) == "192.0.2.1"


async def test_a_server_that_fails_is_passed_over() -> None:
    async with name_server(failing(wire.SERVER_FAILURE)) as bad, name_server(saying("192.0.2.1")) as good:
        assert (await ask(Upstream(lambda: [bad, good], FakeClock()))).header.rcode == 0
        assert (await ask(Upstream(lambda: [bad], FakeClock()))).header.rcode == wire.SERVER_FAILURE


async def test_without_servers_there_is_no_answer() -> None:
    with pytest.raises(NoAnswer):
        await ask(Upstream(list, FakeClock()))


async def test_our_own_addresses_are_never_asked() -> None:
    async with name_server(saying("192.0.2.1")) as server:
        with pytest.raises(NoAnswer):
            await ask(Upstream(lambda: [server], FakeClock(), ours=[server[0]]))


async def test_an_answer_to_another_question_is_not_believed() -> None:
    def answering(question: DNSRecord, tcp: bool) -> DNSRecord:
        reply = saying("192.0.2.66")(DNSRecord.question("evil.example"), tcp)
        assert reply is not None
        reply.header.id = question.header.id
        return reply

    async with name_server(answering) as server:
        with pytest.raises(NoAnswer):
            await ask(Upstream(lambda: [server], FakeClock()), tcp=True)


async def test_answers_are_kept_for_their_life_and_grow_older() -> None:
    clock = FakeClock()
    async with name_server(saying("192.0.2.1", ttl=20)) as server:
        upstream = Upstream(lambda: [server], clock)
        await ask(upstream)
    again = query("EXAMPLE.com", number=9)
    await clock.advance(15)
    kept = upstream.cached(again, wire.question(again))
    assert kept is not None
    reply = DNSRecord.parse(kept)
    assert (reply.header.id, str(reply.q.qname), reply.rr[0].ttl) == (9, "EXAMPLE.com.", 5)
    await clock.advance(5)
    assert upstream.cached(again, wire.question(again)) is None


async def test_answers_that_are_failures_are_not_kept() -> None:
    async with name_server(failing(wire.REFUSED)) as server:
        upstream = Upstream(lambda: [server], FakeClock())
        await ask(upstream)
    message = query("example.com")
    assert upstream.cached(message, wire.question(message)) is None


async def test_a_question_that_comes_back_to_us_ends_the_loop() -> None:
    upstream: Upstream
    seen = 0

    async def pass_on(message: bytes) -> None:
        try:
            await upstream.ask(message, wire.question(message), tcp=False)
        except NoAnswer:
            refused.set()

    def answering(question: DNSRecord, tcp: bool) -> None:
        nonlocal seen
        seen += 1
        waiting.append(asyncio.ensure_future(pass_on(bytes(question.pack()))))

    waiting: list[asyncio.Future[None]] = []
    refused = asyncio.Event()
    async with name_server(answering) as server:
        upstream = Upstream(lambda: [server], FakeClock())
        first = asyncio.ensure_future(pass_on(query()))
        async with asyncio.timeout(2):
            await refused.wait()
        assert seen == MAX_SAME_QUESTION
        for task in (first, *waiting):
            task.cancel()
        await asyncio.gather(first, *waiting, return_exceptions=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ResolvConf()),
        ("nameserver 192.0.2.1 # home\n; old\nnameserver fd00::1\n", ResolvConf(("192.0.2.1", "fd00::1"))),
        ("search lan. example.com\nsearch last\noptions ndots:2", ResolvConf((), ("last",))),
        ("search .\nnameserver\n", ResolvConf()),
    ],
)
def test_resolv_conf_is_read_as_its_manual_says(text: str, expected: ResolvConf) -> None:
    assert parse_resolv_conf(text) == expected
