"""ARP over Ethernet for IPv4: questions, answers and announcements as values, and a socket. RFC 826, RFC 5227."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address

ETHERTYPE = 0x0806
REQUEST, REPLY = 1, 2
BROADCAST = b"\xff" * 6
_FRAME = struct.Struct("!6s6sH")
_PACKET = struct.Struct("!HHBBH6s4s6s4s")
_ETHERNET, _IPV4 = 1, 0x0800


@dataclass(frozen=True, slots=True, kw_only=True)
class Arp:
    """One packet. In an announcement both addresses are the sender's own."""

    operation: int
    sender_mac: bytes
    sender: str
    target_mac: bytes
    target: str

    @property
    def claims(self) -> str:
        """The address that the sender says is its own; empty for one who only looks whether it is free."""
        return "" if self.sender == "0.0.0.0" else self.sender  # noqa: S104 - a probe's sender address


def parse(frame: bytes) -> Arp | None:
    """None for anything else."""
    if len(frame) < _FRAME.size + _PACKET.size:
        return None
    _, _, ethertype = _FRAME.unpack_from(frame)
    hardware, protocol, mac_size, ip_size, operation, mac, ip, target_mac, target = _PACKET.unpack_from(
        frame, _FRAME.size
    )
    if (ethertype, hardware, protocol, mac_size, ip_size) != (ETHERTYPE, _ETHERNET, _IPV4, 6, 4):
        return None
    return Arp(
        operation=operation,
        sender_mac=mac,
        sender=str(IPv4Address(ip)),
        target_mac=target_mac,
        target=str(IPv4Address(target)),
    )


def frame(packet: Arp, to: bytes) -> bytes:
    return _FRAME.pack(to, packet.sender_mac, ETHERTYPE) + _PACKET.pack(
        _ETHERNET,
        _IPV4,
        6,
        4,
        packet.operation,
        packet.sender_mac,
        IPv4Address(packet.sender).packed,
        packet.target_mac,
        IPv4Address(packet.target).packed,
    )


def answer(question: Arp, mac: bytes) -> bytes:
    """That the address asked for is at `mac`."""
    packet = Arp(
        operation=REPLY, sender_mac=mac, sender=question.target, target_mac=question.sender_mac, target=question.sender
    )
    return frame(packet, question.sender_mac)


def announcements(address: str, mac: bytes) -> list[bytes]:
    """Told to all, so that who knew the address elsewhere learns: as question and as answer, since hosts differ in
    which of the two they believe."""
    made: list[bytes] = []
    for operation, target_mac in ((REQUEST, bytes(6)), (REPLY, BROADCAST)):
        packet = Arp(operation=operation, sender_mac=mac, sender=address, target_mac=target_mac, target=address)
        made.append(frame(packet, BROADCAST))
    return made


class ArpSocket:
    """All ARP of one interface. Raises OSError."""

    def __init__(self, interface: str) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.htons(ETHERTYPE))
        self._socket.setblocking(False)
        self._socket.bind((interface, ETHERTYPE))
        self.mac: bytes = self._socket.getsockname()[4]

    def fileno(self) -> int:
        return self._socket.fileno()

    def receive(self) -> bytes:
        """One frame; BlockingIOError when there is none."""
        return self._socket.recv(2048)

    def send(self, data: bytes) -> None:
        self._socket.send(data)

    def close(self) -> None:
        self._socket.close()
