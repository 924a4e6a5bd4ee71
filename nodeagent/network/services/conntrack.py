"""UDP flows that still lead to an endpoint which is gone.

UDP has no end that the kernel could see: a client that keeps sending keeps its old translation alive, so it has to
be forgotten by us. TCP clients notice by themselves.
"""

import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nodeagent.network.netlink import NESTED, Netlink, attribute, attributes
from nodeagent.network.services.endpoints import Backend
from nodeagent.network.services.rules import Frontend

_TUPLE_ORIG, _TUPLE_REPLY = 1, 2
_TUPLE_IP, _TUPLE_PROTO = 1, 2
_IP_V4_SRC, _IP_V4_DST = 1, 2
_PROTO_NUM, _PROTO_SRC_PORT, _PROTO_DST_PORT = 1, 2, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Where a client sent to, who answers it, and the kernel's name for the flow."""

    to: Backend
    answered_by: Backend
    original: bytes = b""


def stale(flows: Iterable[Flow], frontends: Mapping[Frontend, frozenset[Backend]]) -> list[Flow]:
    """The flows toward one of these frontends that are answered by none of its endpoints."""
    found: list[Flow] = []
    for flow in flows:
        address, port = flow.to
        backends = frontends.get(Frontend(address=address, port=port))
        if backends is None and flow.answered_by != flow.to:
            # Only what was translated came to a node port; the same number is free for anybody else.
            backends = frontends.get(Frontend(address="", port=port))
        if backends is not None and flow.answered_by not in backends:
            found.append(flow)
    return found


def forget_stale(frontends: Mapping[Frontend, frozenset[Backend]]) -> int:
    """Delete stale flows from the kernel; says how many. Raises OSError."""
    with Netlink() as netlink:
        flows = [flow for flow in map(parse, netlink.flows()) if flow is not None]
        return sum(netlink.forget_flow(flow.original) for flow in stale(flows, frontends))


def parse(data: bytes) -> Flow | None:
    """A UDP flow out of the kernel's message; None for any other protocol."""
    parts = attributes(data)
    original, reply = attributes(parts.get(_TUPLE_ORIG, b"")), attributes(parts.get(_TUPLE_REPLY, b""))
    protocol = attributes(original.get(_TUPLE_PROTO, b""))
    if protocol.get(_PROTO_NUM) != bytes([socket.IPPROTO_UDP]):
        return None
    answering = attributes(reply.get(_TUPLE_PROTO, b""))
    return Flow(
        to=(_address(original, _IP_V4_DST), int.from_bytes(protocol[_PROTO_DST_PORT], "big")),
        answered_by=(_address(reply, _IP_V4_SRC), int.from_bytes(answering[_PROTO_SRC_PORT], "big")),
        original=attribute(_TUPLE_ORIG | NESTED, parts[_TUPLE_ORIG]),
    )


def _address(parts: Mapping[int, bytes], which: int) -> str:
    packed = attributes(parts.get(_TUPLE_IP, b"")).get(which, b"")
    return socket.inet_ntoa(packed) if len(packed) == 4 else ""
