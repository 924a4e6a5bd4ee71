"""From values to bodies: JSON, YAML and protobuf, whole and broken, packed and not."""

import json
import struct
import zlib
from random import Random
from typing import Any

from scripts.fuzzing.values import Text

_HOLE = "\u0001HOLE{}\u0001"

YAML_BOMB = b"a: &a [x,x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%b: &%b [%b]\n" % (new, new, b",".join([b"*" + old] * 10)) for old, new in zip(b"a b c d e f g h i".split(), b"b c d e f g h i j".split(), strict=True)
)  # fmt: skip
_YAML_GARBAGE = (
    YAML_BOMB,
    b"a: &a {b: *a}\n",
    b"&a [*a, *a]\n",
    b"<<: *nobody\n",
    b"<<: [1, 2]\n",
    b"kind: !!python/object/apply:os.system [x]\n",
    b"? {a: b}\n: c\n",
    b"a: !!binary x\nb: !!set {c}\nc: !!timestamp 2001-01-01\n",
    b"--- a\n--- b\n",
    b"%YAML 9.9\n---\na: 1\n",
    b"[" * 20_000,
    b"- " * 20_000,
    b"{a: " * 3000 + b"}" * 3000,
    b"a: .inf\nb: .nan\nc: 0o17\nd: 1:30:00\n",
    b"kind: \x80\xff\n",
    b"\xff\xfea\x00:\x00 \x001\x00",
    b"a: 'x\n",
    b"\ta: 1\n",
    b"1: a\ntrue: b\nnull: c\n[1]: d\n",
)


def to_json(random: Random, value: Any) -> bytes:
    """As JSON, with what no value stands for put in its place."""
    holes: list[bytes] = []

    def hole(item: Any) -> str:
        if not isinstance(item, Text):
            raise TypeError(type(item))
        holes.append(item.text)
        return _HOLE.format(len(holes) - 1)

    ascii_only = random.random() < 0.8
    body = json.dumps(value, default=hole, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    for number, text in enumerate(holes):
        body = body.replace(json.dumps(_HOLE.format(number), ensure_ascii=ascii_only).encode(), text)
    return body


def broken(random: Random, body: bytes) -> bytes:
    """Damaged as bytes."""
    at = random.randrange(len(body) + 1)
    match random.randrange(7):
        case 0:
            return body[:at]
        case 1:
            return (
                body[:at]
                + random.choice((b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b'"', b"}", b"{", b",", b"\\u12"))
                + body[at:]
            )
        case 2:
            return body[:at] + random.randbytes(random.choice((1, 8, 300))) + body[at + 8 :]
        case 3:
            return body + body
        case 4:
            return _doubled_keys(body)
        case 5:
            return random.choice(
                (b"", b"null", b"[]", b'"x"', b"0", b"\xef\xbb\xbf" + body, random.randbytes(200), b"[" * 100_000)
            )
        case _:
            return random.choice(_YAML_GARBAGE)


def _doubled_keys(body: bytes) -> bytes:
    return body.replace(b'"metadata"', b'"metadata":null,"metadata"', 1).replace(b'"spec"', b'"spec":[],"spec"', 1)


def packed(random: Random, body: bytes) -> bytes:
    """Gzip, now and then a broken one, or one that unpacks to far more than it is."""
    whole = zlib.compress(body, 1, wbits=31)
    match random.randrange(6):
        case 0:
            return whole[: len(whole) // 2]
        case 1:
            return body
        case 2:
            return whole + whole
        case 3:
            return (
                zlib.compress(b'{"a":"' + b"x" * 50_000_000 + b'"}', 9, wbits=31)
                if random.random() < 0.02
                else whole[:-4]
            )
        case _:
            return whole


def protobuf(random: Random, api_version: str, kind: str) -> bytes:
    """An envelope as typed clients send it, around fields that mean little."""
    names = _field(1, api_version.encode()) + _field(2, kind.encode())
    body = b"k8s\x00" + _field(1, names) + _field(2, _message(random, 0))
    return broken(random, body) if random.random() < 0.3 else body


def _message(random: Random, depth: int) -> bytes:
    if depth == 0 and random.random() < 0.05:
        return _deep(random)
    return b"".join(_any_field(random, depth) for _ in range(random.randrange(1, 5)))


def _deep(random: Random) -> bytes:
    body, number = b"", random.choice((1, 2, 3, 4, 22, 23))
    for _ in range(2000):
        body = _field(number, body)
    return body


def _any_field(random: Random, depth: int) -> bytes:
    number = random.choice((1, 1, 1, 2, 2, 3, 4, 5, 8, 9, 11, 12, 20, 536870911))
    match random.randrange(7):
        case 0:
            return _varint(number << 3) + _varint(random.choice((0, 1, 1 << 31, 1 << 63, (1 << 64) - 1)))
        case 1:
            return _varint(number << 3 | 1) + struct.pack("<d", random.choice((0.0, 1e308, float("nan"))))
        case 2:
            return _varint(number << 3 | random.choice((3, 4, 5, 6, 7))) + random.randbytes(4)
        case 3:
            return _field(
                number, random.choice((b"", b"a", b"default", b"\xff\xfe", b"\x00", b"{", b"2024", b"x" * 300))
            )
        case 4:
            return _varint(number << 3 | 2) + _varint(random.choice((1 << 20, 1 << 63))) + b"short"
        case _:
            return _field(number, _message(random, depth + 1) if depth < 6 else b"")


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])
