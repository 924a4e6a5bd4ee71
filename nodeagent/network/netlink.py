"""The few netlink messages that no program on every machine speaks for us: nft's generation, UDP flows.

A codec for attributes and a socket that asks and listens; blocking, but the kernel answers at once. Formats from
linux/netlink.h, linux/netfilter/nfnetlink.h, nf_tables.h and nfnetlink_conntrack.h.
"""

import os
import socket
import struct
from collections.abc import Iterator

NETLINK_NETFILTER = 12
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 0x1, 0x4, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
NESTED = 0x8000

CTNETLINK = 1 << 8
CT_GET, CT_DELETE = CTNETLINK | 1, CTNETLINK | 2
NFTABLES = 10 << 8
NFT_GETGEN = NFTABLES | 16
NFTA_GEN_ID = 1

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
RECEIVE_BYTES = 1 << 17


def attribute(kind: int, value: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + b"\0" * (-length % 4)


def attributes(data: bytes) -> dict[int, bytes]:
    """Values by kind; the flags for nesting and byte order are taken off."""
    found: dict[int, bytes] = {}
    offset = 0
    while offset + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size:
            break
        found[kind & 0x3FFF] = data[offset + _ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3
    return found


def netfilter_message(kind: int, flags: int, sequence: int, payload: bytes = b"") -> bytes:
    body = struct.pack("=BBH", socket.AF_INET, 0, 0) + payload
    return _HEADER.pack(_HEADER.size + len(body), kind, NLM_F_REQUEST | flags, sequence, 0) + body


class Netlink:
    """A netfilter socket of the network namespace in which it was opened. Raises OSError."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER)
        self._socket.settimeout(10)
        self._socket.bind((0, 0))
        self._sequence = 0

    def __enter__(self) -> "Netlink":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def generation(self) -> int:
        """A number that every change of any nft table in this namespace moves on by one."""
        for body in self._ask(NFT_GETGEN, 0):
            return int.from_bytes(attributes(body).get(NFTA_GEN_ID, b""), "big")
        raise OSError("no answer to the question for nft's generation")

    def flows(self) -> Iterator[bytes]:
        """The attributes of each IPv4 flow that the kernel tracks."""
        yield from self._ask(CT_GET, NLM_F_DUMP)

    def forget_flow(self, original: bytes) -> bool:
        """Delete the flow with this original tuple (attribute with header); False when it was gone already."""
        try:
            for _ in self._ask(CT_DELETE, NLM_F_ACK, original):
                pass
        except FileNotFoundError:
            return False
        return True

    def _ask(self, kind: int, flags: int, payload: bytes = b"") -> Iterator[bytes]:
        self._sequence += 1
        self._socket.send(netfilter_message(kind, flags, self._sequence, payload))
        while True:
            data = self._socket.recv(RECEIVE_BYTES)
            offset = 0
            while offset + _HEADER.size <= len(data):
                length, answer, _, sequence, _ = _HEADER.unpack_from(data, offset)
                body = data[offset + _HEADER.size : offset + length]
                offset += (length + 3) & ~3
                if sequence != self._sequence:
                    continue  # left over from a question that was given up
                if answer == NLMSG_DONE:
                    return
                if answer == NLMSG_ERROR:
                    code = struct.unpack_from("=i", body)[0]
                    if code:
                        raise OSError(-code, os.strerror(-code))
                    return
                yield body[4:]
                if not flags & NLM_F_DUMP and not flags & NLM_F_ACK:
                    return
