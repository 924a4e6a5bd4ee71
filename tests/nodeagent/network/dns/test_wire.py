import contextlib

import pytest
from dnslib import EDNS0, QTYPE, RR, SOA, A, DNSRecord
from hypothesis import given
from hypothesis import strategies as st

from nodeagent.network.dns import wire


def query(name: str = "Web.Example.com", qtype: str = "A", size: int = 0, number: int = 7) -> bytes:
    asked = DNSRecord.question(name, qtype)
    asked.header.id = number
    if size:
        asked.add_ar(EDNS0(udp_len=size))
    return bytes(asked.pack())


def answer(ttls: list[int], to: bytes | None = None) -> bytes:
    reply = DNSRecord.parse(to or query()).reply()
    for i, ttl in enumerate(ttls):
        reply.add_answer(RR("web.example.com", QTYPE.A, rdata=A(f"192.0.2.{i}"), ttl=ttl))
    return bytes(reply.pack())


def test_a_question_is_read_in_lower_case() -> None:
    found = wire.question(query())
    assert (found.labels, found.qtype, found.qclass, found.opcode) == (("web", "example", "com"), 1, 1, 0)


def test_the_root_is_a_name_too() -> None:
    assert wire.question(query(".", "NS")).labels == ()


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(b"", id="empty"),
        pytest.param(query()[:20], id="cut off"),
        pytest.param(query()[:4] + b"\0\2" + query()[6:], id="two questions"),
        pytest.param(query()[:12] + b"\xc0\x0c\0\1\0\1", id="pointer in the question"),
        pytest.param(
            query()[:12] + b"\x3f" + b"a" * 63 + (b"\x3f" + b"a" * 63) * 4 + b"\0\0\1\0\1", id="name too long"
        ),
    ],
)
def test_malformed_questions_are_said_to_be(message: bytes) -> None:
    with pytest.raises(wire.Malformed):
        wire.question(message)


@given(st.binary(max_size=80), st.booleans())
def test_no_bytes_whatever_raise_anything_but_malformed(noise: bytes, after_header: bool) -> None:
    message = query()[:12] + noise if after_header else noise
    for read in (wire.question, wire.records, wire.lifetime, wire.payload_size):
        with contextlib.suppress(wire.Malformed):
            if len(message) >= wire.HEADER_BYTES or read is wire.question:
                read(message)


@pytest.mark.parametrize(("size", "limit"), [(0, 512), (100, 512), (1232, 1232), (4096, 4096)])
def test_payload_size_is_what_the_asker_takes(size: int, limit: int) -> None:
    assert wire.payload_size(query(size=size)) == limit


def test_questions_that_differ_in_number_and_spelling_share_an_answer() -> None:
    one, other = query("a.example", number=1), query("A.Example", number=2)
    assert wire.cache_key(one, wire.question(one)) == wire.cache_key(other, wire.question(other))
    more = query("a.example", size=1232)
    assert wire.cache_key(one, wire.question(one)) != wire.cache_key(more, wire.question(more))


def test_an_answer_lives_as_long_as_its_shortest_record() -> None:
    assert wire.lifetime(answer([300, 20, 60])) == 20


def test_a_negative_answer_lives_as_its_soa_says() -> None:

    reply = DNSRecord.parse(query()).reply()
    reply.add_auth(
        RR("example.com", QTYPE.SOA, ttl=900, rdata=SOA("ns.example.com", "root.example.com", (1, 2, 3, 4, 60)))
    )
    assert wire.lifetime(bytes(reply.pack())) == 60
    assert wire.lifetime(bytes(DNSRecord.parse(query()).reply().pack())) == 0


def test_ageing_never_goes_below_zero() -> None:
    older = DNSRecord.parse(bytes(wire.aged(answer([300, 20]), 30)))
    assert [record.ttl for record in older.rr] == [270, 0]


def test_a_failure_repeats_the_question() -> None:
    refused = DNSRecord.parse(wire.failure(query(), wire.REFUSED))
    assert (refused.header.id, refused.header.qr, refused.header.rcode) == (7, 1, wire.REFUSED)
    assert str(refused.q.qname) == "Web.Example.com."


def test_a_truncated_answer_has_the_question_and_the_mark() -> None:
    short = DNSRecord.parse(wire.truncated(answer([1] * 50)))
    assert (short.header.tc, short.rr, str(short.q.qname)) == (1, [], "Web.Example.com.")
