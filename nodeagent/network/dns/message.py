"""Answers as DNS messages, through dnslib."""

from collections.abc import Iterable, Sequence

from dnslib import AAAA, CNAME, EDNS0, NS, PTR, QTYPE, RR, SOA, SRV, TXT, A, DNSHeader, DNSQuestion, DNSRecord
from dnslib.buffer import BufferError as CutOff
from dnslib.dns import DNSBuffer, DNSError
from dnslib.label import DNSLabelError

from nodeagent.network.dns import wire
from nodeagent.network.dns.zone import Answer, Record

MAX_UDP_BYTES = 1232
"""What crosses any network in one piece, as the DNS community agreed in 2020."""


def type_name(number: int) -> str:
    """`A`, `SRV`, …; unknown types as TYPEn."""
    return str(QTYPE.get(number) or f"TYPE{number}")


def build(query: bytes, asked: wire.Question, answer: Answer, soa: Record, more: Sequence[RR] = ()) -> DNSRecord:
    """The reply to `query`. `more` are records from elsewhere that belong to the answer."""
    reply = DNSRecord(
        DNSHeader(
            id=int.from_bytes(query[:2], "big"),
            qr=1,
            aa=1,
            ra=1,
            rd=query[2] & 1,
            rcode=0 if answer.exists else wire.NAME_ERROR,
        ),
        q=DNSQuestion.parse(DNSBuffer(asked.section)),
    )
    for rr in [*map(_rr, answer.records), *more]:
        reply.add_answer(rr)
    if not reply.rr:
        reply.add_auth(_rr(soa))
    for record in answer.additional:
        reply.add_ar(_rr(record))
    if any(found.type == wire.OPT for found in wire.records(query)):
        reply.add_ar(EDNS0(udp_len=MAX_UDP_BYTES))
    return reply


def packed(reply: DNSRecord, limit: int) -> bytes:
    """The reply in at most `limit` bytes: first without additional records, then with fewer answers and marked so."""
    message = bytes(reply.pack())
    if len(message) <= limit:
        return message
    reply.ar = [record for record in reply.ar if record.rtype == wire.OPT]
    message = bytes(reply.pack())
    if len(message) > limit:
        reply.header.tc = 1
    while len(message) > limit and reply.rr:
        reply.rr = reply.rr[: len(reply.rr) * limit // len(message)]
        message = bytes(reply.pack())
    return message


def records_of(message: bytes) -> list[RR]:
    """The answer records of a message from elsewhere. Raises wire.Malformed."""
    try:
        return list(DNSRecord.parse(message).rr)
    except (DNSError, DNSLabelError, CutOff) as error:
        raise wire.Malformed(str(error)) from error


def question_for(name: str, qtype: int, number: int) -> bytes:
    """A message that asks for a name."""
    header = DNSHeader(id=number, rd=1)
    return bytes(DNSRecord(header, q=DNSQuestion(name, qtype)).pack())


def rotated(answer: Answer, turn: int) -> Sequence[Record]:
    """The records with another address first each turn: most clients take the first."""
    head: Iterable[Record] = [record for record in answer.records if record.type not in {"A", "AAAA"}]
    addresses = [record for record in answer.records if record.type in {"A", "AAAA"}]
    start = turn % len(addresses) if addresses else 0
    return [*head, *addresses[start:], *addresses[:start]]


def _rr(record: Record) -> RR:
    return RR(record.name, getattr(QTYPE, record.type), ttl=record.ttl, rdata=_data(record))


def _data(record: Record) -> A | AAAA | CNAME | NS | PTR | SOA | SRV | TXT:
    match record.type:
        case "A":
            return A(record.data)
        case "AAAA":
            return AAAA(record.data)
        case "TXT":
            return TXT(record.data)
        case "SRV":
            priority, weight, port, target = record.data.split()
            return SRV(int(priority), int(weight), int(port), target)
        case "SOA":
            primary, mailbox, *times = record.data.split()
            return SOA(primary, mailbox, tuple(int(time) for time in times))
        case "CNAME":
            return CNAME(record.data)
        case "NS":
            return NS(record.data)
        case "PTR":
            return PTR(record.data)
