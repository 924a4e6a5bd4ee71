"""Clients that speak SPDY: their bytes go to the runtime's stream server as they are, and its answers back.

It is what kubectl spoke before WebSockets, and what older client libraries speak still.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from apimachinery.aio import upgraded
from apimachinery.objects.errors import BadRequest, Forbidden
from nodeagent.server import streams

COMMANDS = ("v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io")
PORTS = ("portforward.k8s.io",)
_SPDY = "SPDY/3.1"
_VERSION = "X-Stream-Protocol-Version"

Dial = Callable[[str], Awaitable[streams.Pipe]]
"""A protocol to a connection with the runtime's stream server that speaks it."""


def wanted(request: web.Request) -> bool:
    """Whether the client asks for SPDY."""
    return request.headers.get("upgrade", "").lower() == _SPDY.lower()


def chosen(offered: Sequence[str], known: Sequence[str]) -> str:
    """The client's first choice among those that we know. Raises BadRequest, Forbidden in upstream's words."""
    if not offered:
        raise BadRequest(f"unable to upgrade: {_VERSION} header not found")
    for protocol in offered:
        if protocol in known:
            return protocol
    raise Forbidden(
        f"unable to upgrade: unable to negotiate protocol: client supports [{' '.join(offered)}],"
        f" server accepts [{' '.join(known)}]"
    )


async def serve(
    request: web.Request, known: Sequence[str], dial: Dial, ended: Callable[[], Awaitable[None]] | None = None
) -> web.StreamResponse:
    """Carry bytes until either side leaves, or `ended` returns. Raises StatusError before it answers."""
    texts = request.headers.getall(_VERSION, [])
    protocol = chosen([name.strip() for text in texts for name in text.split(",") if name.strip()], known)
    runtime = await dial(protocol)
    head = upgraded.head_of(
        "HTTP/1.1 101 Switching Protocols", [("Connection", "Upgrade"), ("Upgrade", _SPDY), (_VERSION, protocol)]
    )
    try:
        async with upgraded.taken_over(request, head) as client:
            await upgraded.join(client, runtime, ended)
    finally:
        runtime[1].close()
    return upgraded.gone()
