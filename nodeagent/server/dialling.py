"""The engine's way to an address here: one TCP connection for one upgraded request.

Only to where the engine has business: this machine's pods, the machine itself, endpoints of Services. Never to
loopback or to addresses that mean something else on every machine: what listens there trusts this machine alone.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
from collections.abc import Callable

from aiohttp import web

from apimachinery.aio import upgraded
from apimachinery.objects.errors import BadRequest, Forbidden, ServiceUnavailable

PROTOCOL = "tcp"
_CONNECT_SECONDS = 10.0

MayReach = Callable[[str], bool]
"""Whether an address belongs to a pod or a Service, or to this machine."""


def target_of(host: str, port: str, may_reach: MayReach) -> tuple[str, int]:
    """Raises BadRequest, Forbidden."""
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise BadRequest(f'invalid port "{port}"')
    try:
        address = ipaddress.ip_address(host)
    except ValueError as error:
        raise BadRequest(f'invalid address "{host}"') from error
    if address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified:
        raise Forbidden("address not allowed")
    if not may_reach(str(address)):
        raise Forbidden(f"{address} is neither a pod of this machine nor an endpoint of a Service")
    return str(address), int(port)


async def serve(request: web.Request, may_reach: MayReach) -> web.StreamResponse:
    """Carry bytes until either side leaves. Raises StatusError before it answers."""
    match = request.match_info
    host, port = target_of(match["host"], match["port"], may_reach)
    if request.headers.get("upgrade", "").lower() != PROTOCOL:
        raise BadRequest("Upgrade request required")
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            there = await asyncio.open_connection(host, port, limit=upgraded.CHUNK)
    except TimeoutError as error:
        raise ServiceUnavailable(f"dial tcp {_shown(host)}:{port}: i/o timeout") from error
    except OSError as error:
        cause = os.strerror(error.errno).lower() if error.errno else str(error)
        raise ServiceUnavailable(f"dial tcp {_shown(host)}:{port}: connect: {cause}") from error
    head = upgraded.head_of("HTTP/1.1 101 Switching Protocols", [("Connection", "Upgrade"), ("Upgrade", PROTOCOL)])
    try:
        async with upgraded.taken_over(request, head) as engine:
            await upgraded.join(engine, there)
    finally:
        there[1].close()
    return upgraded.gone()


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
