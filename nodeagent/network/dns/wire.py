"""DNS messages as bytes: the few things to know of a message that is only passed on. RFC 1035, section 4."""

import struct
from dataclasses import dataclass

FORMAT_ERROR, SERVER_FAILURE, NAME_ERROR, NOT_IMPLEMENTED, REFUSED = 1, 2, 3, 4, 5
RESPONSE, TRUNCATED, RECURSION_AVAILABLE = 0x8000, 0x0200, 0x0080
OPT, SOA = 41, 6
HEADER_BYTES = 12
_HEADER = struct.Struct("!HHHHHH")
_FIXED = struct.Struct("!HHIH")
"""Type, class, time to live and length that follow a record's name."""


class Malformed(Exception):
    """Not a DNS message, or one cut off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """`labels` in lower case; `section` is the question as it came, `opcode` zero for plain questions."""

    labels: tuple[str, ...]
    qtype: int
    qclass: int
    opcode: int
    section: bytes

    @property
    def key(self) -> tuple[tuple[str, ...], int, int]:
        return self.labels, self.qtype, self.qclass


def question(message: bytes) -> Question:
    """The one question of a message. Raises Malformed, also when there is not exactly one."""
    if len(message) < HEADER_BYTES:
        raise Malformed("shorter than a header")
    _, flags, count, _, _, _ = _HEADER.unpack_from(message)
    if count != 1:
        raise Malformed(f"{count} questions")
    labels: list[str] = []
    offset = HEADER_BYTES
    while True:
        length = message[offset] if offset < len(message) else 64
        if length > 63:
            raise Malformed("bad name")
        offset += 1
        if not length:
            break
        labels.append(message[offset : offset + length].decode("latin-1").lower())
        offset += length
    if offset + 4 > len(message) or offset - HEADER_BYTES > 255:
        raise Malformed("question cut off")
    qtype, qclass = struct.unpack_from("!HH", message, offset)
    return Question(
        labels=tuple(labels),
        qtype=qtype,
        qclass=qclass,
        opcode=flags >> 11 & 0xF,
        section=message[HEADER_BYTES : offset + 4],
    )


def is_response(message: bytes) -> bool:
    return len(message) >= HEADER_BYTES and bool(message[2] & 0x80)


def is_truncated(message: bytes) -> bool:
    return bool(message[2] & 0x02)


def response_code(message: bytes) -> int:
    return message[3] & 0xF


def cache_key(message: bytes, asked: Question) -> bytes:
    """Equal for questions that get the same answer: everything but the number and the spelling of the name."""
    return message[2:HEADER_BYTES] + asked.section.lower() + message[HEADER_BYTES + len(asked.section) :]


def failure(message: bytes, code: int) -> bytes:
    """The answer that only has a response code. `message` has at least a header."""
    number, flags, count, _, _, _ = _HEADER.unpack_from(message)
    section = b""
    try:
        section = question(message).section
    except Malformed:
        count = 0
    return _HEADER.pack(number, RESPONSE | RECURSION_AVAILABLE | flags & 0x7910 | code, count, 0, 0, 0) + section


def truncated(message: bytes) -> bytes:
    """The same message without any record, marked so that the client asks again over TCP."""
    number, flags, _, _, _, _ = _HEADER.unpack_from(message)
    return _HEADER.pack(number, flags | TRUNCATED, 1, 0, 0, 0) + question(message).section


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordAt:
    """Where a record's time to live stands, and what it is. `section` 1 answer, 2 authority, 3 additional."""

    section: int
    type: int
    qclass: int
    ttl: int
    ttl_offset: int
    data_offset: int
    data_bytes: int


def records(message: bytes) -> list[RecordAt]:
    """All records behind the question. Raises Malformed."""
    counts = _HEADER.unpack_from(message)[3:]
    offset = HEADER_BYTES + len(question(message).section)
    found: list[RecordAt] = []
    for section, count in enumerate(counts, start=1):
        for _ in range(count):
            offset = _skip_name(message, offset)
            if offset + _FIXED.size > len(message):
                raise Malformed("record cut off")
            kind, qclass, ttl, length = _FIXED.unpack_from(message, offset)
            data = offset + _FIXED.size
            found.append(
                RecordAt(
                    section=section,
                    type=kind,
                    qclass=qclass,
                    ttl=ttl,
                    ttl_offset=offset + 4,
                    data_offset=data,
                    data_bytes=length,
                )
            )
            offset = data + length
            if offset > len(message):
                raise Malformed("record cut off")
    return found


def payload_size(message: bytes) -> int:
    """How many bytes the asker takes over UDP: 512, or what its EDNS record says."""
    try:
        sizes = [record.qclass for record in records(message) if record.type == OPT and record.section == 3]
    except Malformed:
        return 512
    return max(512, sizes[0]) if sizes else 512


def lifetime(message: bytes) -> int:
    """For how many seconds an answer may be kept: the shortest life among its records; for a negative, its SOA's."""
    found = [record for record in records(message) if record.type != OPT]
    answers = [record.ttl for record in found if record.section == 1]
    if answers:
        return min(answers)
    for record in found:
        if record.section == 2 and record.type == SOA and record.data_bytes >= 4:
            end = record.data_offset + record.data_bytes
            return min(record.ttl, int.from_bytes(message[end - 4 : end], "big"))
    return 0


def aged(message: bytes, seconds: int) -> bytearray:
    """The message with all times to live reduced."""
    older = bytearray(message)
    for record in records(message):
        if record.type != OPT:
            struct.pack_into("!I", older, record.ttl_offset, max(0, record.ttl - seconds))
    return older


def _skip_name(message: bytes, offset: int) -> int:
    while offset < len(message):
        length = message[offset]
        if length >= 0xC0:
            return offset + 2
        if length > 63:
            break
        offset += 1 + length
        if not length:
            return offset
    raise Malformed("bad name")
