"""SPDY/3.1 frames, as much as a Kubernetes stream client needs: no sockets, bytes in, values out.

containerd's stream server closes a command's stdin only on request of a SPDY client: its WebSocket has no word for
it. Frame layouts are those of draft-mbelshe-httpbis-spdy-00, sections 2.2 and 2.6.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_SYN_STREAM, _RST_STREAM, _PING, _GOAWAY = 1, 3, 6, 7
_FIN = 0x01
_HEAD = 8
_WORDS = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow "
    "authorization cache-control connection content-base content-encoding content-language content-length "
    "content-location content-md5 content-range content-type date etag expect expires from host if-match "
    "if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma "
    "proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    "user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie "
    "keep-alive origin"
)
_TAIL = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)


def dictionary() -> bytes:
    """What both sides' header compression starts from."""
    words = [word.replace("_", " ").encode() for word in _WORDS.split()]
    return b"".join(struct.pack(">I", len(word)) + word for word in words) + _TAIL.encode()


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes on a stream; `last`: the other side sends no more on it."""

    stream: int
    payload: bytes
    last: bool


@dataclass(frozen=True, slots=True)
class Reset:
    """The other side gave a stream up."""

    stream: int


@dataclass(frozen=True, slots=True)
class Reply:
    """Bytes to send back at once."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class GoAway:
    """The other side ends the connection."""


class Connection:
    """The client's side of one connection."""

    def __init__(self) -> None:
        self._compressor = zlib.compressobj(zdict=dictionary())
        self._received = b""
        self._next_stream = 1

    def open_stream(self, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """(stream, bytes to send)."""
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        block = struct.pack(">I", len(headers))
        for name, value in headers.items():
            for text in (name.lower().encode(), value.encode()):
                block += struct.pack(">I", len(text)) + text
        packed = self._compressor.compress(block) + self._compressor.flush(zlib.Z_SYNC_FLUSH)
        return stream, _control(_SYN_STREAM, struct.pack(">IIBB", stream, 0, 0, 0) + packed)

    def data(self, stream: int, payload: bytes, *, last: bool = False) -> bytes:
        """A data frame; payloads are at most 2**24 - 1 bytes."""
        flags = _FIN if last else 0
        return struct.pack(">II", stream, flags << 24 | len(payload)) + payload

    def receive(self, chunk: bytes) -> Iterator[Data | Reset | Reply | GoAway]:
        """What complete frames say; the rest is kept for the next call. Frames without news are stepped over."""
        self._received += chunk
        while len(self._received) >= _HEAD:
            first, second = struct.unpack(">II", self._received[:_HEAD])
            size = second & 0xFFFFFF
            if len(self._received) < _HEAD + size:
                return
            payload = self._received[_HEAD : _HEAD + size]
            self._received = self._received[_HEAD + size :]
            if not first & 0x80000000:
                yield Data(first, payload, bool(second >> 24 & _FIN))
                continue
            kind = first & 0xFFFF
            if kind == _RST_STREAM and size >= 4:
                yield Reset(struct.unpack(">I", payload[:4])[0])
            elif kind == _PING:
                yield Reply(_control(_PING, payload))
            elif kind == _GOAWAY:
                yield GoAway()


def _control(kind: int, payload: bytes) -> bytes:
    return struct.pack(">HHI", 0x8003, kind, len(payload)) + payload
