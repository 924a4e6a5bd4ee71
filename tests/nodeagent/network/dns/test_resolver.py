import asyncio
import socket
import struct

import pytest
from dnslib import EDNS0, QTYPE, RR, A, DNSRecord
from hypothesis import given
from hypothesis import strategies as st

from apimachinery.aio.clock import FakeClock
from apimachinery.aio.tasks import TaskScope
from nodeagent.network.dns import wire
from nodeagent.network.dns.resolver import Resolver
from nodeagent.network.dns.server import DnsServer
from nodeagent.network.dns.upstream import Server, Upstream
from nodeagent.network.state import Snapshot
from tests.nodeagent.network.dns.servers import name_server
from tests.nodeagent.network.dns.test_upstream import saying
from tests.nodeagent.network.dns.test_wire import query
from tests.nodeagent.network.dns.test_zone import STATE, zone
from tests.nodeagent.network.objects import endpoint, endpoints, service

MANY = Snapshot(
    services=(service("many", ip="None"),),
    slices=(endpoints(*(endpoint(f"10.42.{i // 250}.{i % 250}") for i in range(300)), of="many"),),
)


def resolver(state: Snapshot | None = STATE, servers: list[Server] | None = None) -> Resolver:
    return Resolver(zone(state), Upstream(lambda: servers or [], FakeClock()))


def reply_to(message: bytes, of: Resolver | None = None, tcp: bool = False) -> DNSRecord:
    found = (of or resolver()).now(message, tcp=tcp)
    assert found is not None
    return DNSRecord.parse(found)


def test_a_reply_is_authoritative_and_repeats_the_question_as_it_was_spelled() -> None:
    reply = reply_to(query("WEB.default.svc.Cluster.local"))
    header = reply.header
    assert (header.id, header.qr, header.aa, header.ra, header.rd, header.rcode) == (7, 1, 1, 1, 1, 0)
    assert str(reply.q.qname) == "WEB.default.svc.Cluster.local."
    assert (str(reply.rr[0].rdata), reply.rr[0].ttl) == ("10.43.0.50", 5)


@pytest.mark.parametrize(
    ("name", "code"),
    [("web.default.svc.cluster.local", 0), ("none.default.svc.cluster.local", wire.NAME_ERROR)],
    ids=["nodata", "nxdomain"],
)
def test_a_negative_reply_carries_the_soa_and_how_long_it_holds(name: str, code: int) -> None:
    reply = reply_to(query(name, "AAAA"))
    assert (reply.header.rcode, reply.rr) == (code, [])
    assert (str(reply.auth[0].rname), QTYPE[reply.auth[0].rtype], reply.auth[0].ttl) == ("cluster.local.", "SOA", 5)


def test_the_same_question_again_gets_its_own_number_and_what_has_changed() -> None:
    of = resolver()
    first, second = query("web.default.svc.cluster.local", number=1), query("web.default.svc.cluster.local", number=2)
    assert [reply_to(m, of).header.id for m in (first, second, first)] == [1, 2, 1]


def test_many_addresses_take_turns_at_being_first() -> None:
    of = resolver()
    first = {str(reply_to(query("db.data.svc.cluster.local"), of).rr[0].rdata) for _ in range(6)}
    assert first == {"10.42.1.5", "10.42.2.5", "10.42.2.6"}


@pytest.mark.parametrize(("size", "limit"), [(0, 512), (800, 800), (65000, 1232)])
def test_a_reply_over_udp_fits_and_says_when_it_is_not_whole(size: int, limit: int) -> None:
    raw = resolver(MANY).now(query("many.default.svc.cluster.local", size=size), tcp=False)
    assert raw is not None
    assert limit - 40 < len(raw) <= limit
    reply = DNSRecord.parse(raw)
    assert reply.header.tc == 1
    assert 0 < len(reply.rr) < 300
    assert [r.rtype for r in reply.ar] == ([wire.OPT] if size else [])


def test_a_reply_over_tcp_is_whole() -> None:
    reply = reply_to(query("many.default.svc.cluster.local"), resolver(MANY), tcp=True)
    assert (reply.header.tc, len(reply.rr)) == (0, 300)


def test_nothing_is_denied_before_anything_is_known() -> None:
    unknowing = resolver(None)
    assert reply_to(query("web.default.svc.cluster.local"), unknowing).header.rcode == wire.SERVER_FAILURE
    assert reply_to(query("kubernetes.default.svc.cluster.local"), unknowing).header.rcode == 0


@pytest.mark.parametrize(
    ("message", "code"),
    [
        pytest.param(query()[:13], wire.FORMAT_ERROR, id="cut off"),
        pytest.param(query()[:2] + b"\x28" + query()[3:], wire.NOT_IMPLEMENTED, id="an update"),
        pytest.param(query()[:-2] + b"\0\3", wire.REFUSED, id="another class"),
        pytest.param(query("cluster.local", "AXFR"), wire.REFUSED, id="zone transfer"),
    ],
)
def test_what_we_do_not_do_is_said(message: bytes, code: int) -> None:
    assert reply_to(message).header.rcode == code


def test_answers_and_noise_get_no_answer() -> None:
    for message in (b"", b"x" * 11, bytes(DNSRecord.parse(query()).reply().pack())):
        assert resolver().now(message, tcp=False) == b""


async def test_names_outside_are_asked_of_others_and_then_known() -> None:
    async with name_server(saying("192.0.2.1")) as server:
        of = resolver(servers=[server])
        assert of.now(query("example.com"), tcp=False) is None
        assert str(DNSRecord.parse(await of.later(query("example.com"), tcp=False)).rr[0].rdata) == "192.0.2.1"
        assert of.now(query("example.com"), tcp=False) is not None


async def test_names_outside_fail_when_nobody_answers() -> None:
    failed = DNSRecord.parse(await resolver().later(query("example.com"), tcp=False))
    assert failed.header.rcode == wire.SERVER_FAILURE


async def test_an_external_name_comes_with_where_it_leads() -> None:
    async with name_server(saying("192.0.2.1")) as server:
        raw = await resolver(servers=[server]).later(query("outside.default.svc.cluster.local"), tcp=False)
    assert [(QTYPE[r.rtype], str(r.rdata)) for r in DNSRecord.parse(raw).rr] == [
        ("CNAME", "Example.com."),
        ("A", "192.0.2.1"),
    ]


async def test_an_external_name_too_long_for_udp_is_fetched_over_tcp() -> None:
    def answering(question: DNSRecord, tcp: bool) -> DNSRecord:
        reply = question.reply()
        reply.header.tc = int(not tcp)
        if tcp:
            reply.add_answer(RR(question.q.qname, QTYPE.A, rdata=A("192.0.2.1"), ttl=5))
        return reply

    async with name_server(answering) as server:
        raw = await resolver(servers=[server]).later(query("outside.default.svc.cluster.local"), tcp=False)
    assert len(DNSRecord.parse(raw).rr) == 2


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


async def test_the_server_answers_over_udp_and_tcp_by_real_sockets() -> None:
    port = free_port()
    async with name_server(saying("192.0.2.1")) as upstream, TaskScope("test") as scope:
        server = DnsServer(resolver(servers=[upstream]), "127.0.0.1", port)
        scope.spawn("dns", server.run())
        await server.listening.wait()
        for name, expected in (("web.default.svc.cluster.local", "10.43.0.50"), ("example.com", "192.0.2.1")):
            asked = DNSRecord.question(name)
            for tcp in (False, True):
                raw = await asyncio.to_thread(asked.send, "127.0.0.1", port, tcp=tcp, timeout=5)
                assert str(DNSRecord.parse(raw).rr[0].rdata) == expected


async def test_one_connection_carries_many_questions() -> None:
    port = free_port()
    async with TaskScope("test") as scope:
        server = DnsServer(resolver(), "127.0.0.1", port)
        scope.spawn("dns", server.run())
        await server.listening.wait()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in range(3):
            message = query("web.default.svc.cluster.local", number=number)
            writer.write(struct.pack("!H", len(message)) + message)
        for number in range(3):
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            assert DNSRecord.parse(await reader.readexactly(length)).header.id == number
        writer.close()
        await writer.wait_closed()


def test_edns_is_answered_only_to_those_who_speak_it() -> None:
    assert [type(r.rdata) for r in reply_to(query("web.default.svc.cluster.local")).ar] == []
    (opt,) = reply_to(query("web.default.svc.cluster.local", size=4096)).ar
    assert opt.rtype == wire.OPT
    assert opt.rclass == EDNS0(udp_len=1232).rclass


LABELS = st.sampled_from(
    [
        b"svc",
        b"pod",
        b"cluster",
        b"local",
        b"default",
        b"web",
        b"db",
        b"data",
        b"_http",
        b"_tcp",
        b"10-42-1-2",
        b"fd00--1%x",
        b"in-addr",
        b"arpa",
        b"50",
        b"43",
        b"10",
        b"0",
        b"alias",
        b"loop",
        b"a.b",
        b"\xff\x00",
    ]
) | st.binary(min_size=1, max_size=20)


@given(st.lists(LABELS, max_size=8), st.integers(0, 300), st.binary(max_size=30), st.booleans())
def test_whatever_is_asked_gets_an_answer_that_can_be_read(
    labels: list[bytes], qtype: int, rest: bytes, tcp: bool
) -> None:
    name = b"".join(bytes([len(label)]) + label for label in labels)
    message = query()[:12] + name + b"\0" + struct.pack("!HH", qtype, 1) + rest
    found = resolver().now(message, tcp=tcp)
    if found is not None:
        assert found[:2] == message[:2]
        assert wire.is_response(found)
        wire.records(found)
