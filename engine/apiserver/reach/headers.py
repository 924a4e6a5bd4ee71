"""What of a request's and an answer's headers goes on to the other side. Pure.

Sources: net/http/httputil (ReverseProxy), k8s.io/apimachinery/pkg/util/proxy (Transport).
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from urllib.parse import urlsplit, urlunsplit

Pairs = list[tuple[str, str]]

_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# The server has answered it by itself.
_OURS = frozenset({"expect"})
_CREDENTIALS = frozenset({"authorization"})
_CREDENTIAL_PREFIX = "impersonate-"
_BEARER_PROTOCOL = "base64url.bearer.authorization.k8s.io."
REMOTE_PREFIX = "x-remote-"


def onward(headers: Iterable[tuple[str, str]], peer: str, *, upgrade: bool = False) -> Pairs:
    """A request's headers without what is between the client and us alone: its credentials, and this hop's own."""
    listed = list(headers)
    hop = _HOP | _OURS | _named_by_connection(listed)
    if upgrade:
        hop = _OURS | {"proxy-authenticate", "proxy-authorization", "te", "trailer"}
    kept: Pairs = []
    through: list[str] = []
    for name, value in listed:
        lowered = name.lower()
        if lowered in hop or lowered in _CREDENTIALS or lowered.startswith(_CREDENTIAL_PREFIX):
            continue
        if lowered == "x-forwarded-for":
            through.append(value)
            continue
        if lowered == "sec-websocket-protocol":
            value = _without_bearer(value)  # noqa: PLW2901
        kept.append((name, value))
    if peer:
        kept.append(("X-Forwarded-For", ", ".join([*through, peer])))
    return kept


def back(headers: Iterable[tuple[str, str]]) -> Pairs:
    """An answer's headers for the client."""
    listed = list(headers)
    hop = _HOP | _named_by_connection(listed)
    return [(name, value) for name, value in listed if name.lower() not in hop]


def is_upgrade(headers: Iterable[tuple[str, str]]) -> bool:
    return "upgrade" in _named_by_connection(headers)


def _named_by_connection(headers: Iterable[tuple[str, str]]) -> frozenset[str]:
    return frozenset(
        word.strip().lower() for name, value in headers if name.lower() == "connection" for word in value.split(",")
    )


def _without_bearer(protocols: str) -> str:
    names = (name.strip() for name in protocols.split(","))
    return ", ".join(name for name in names if not name.startswith(_BEARER_PROTOCOL))


def link(target: str, *, host: str, asked_host: str, prepend: str) -> str:
    """A redirect as the client has to follow it: one to the same host goes through the proxy again.

    `host` is the backend's, `asked_host` what the client called us, `prepend` the proxied path up to the backend's own.
    """
    try:
        parts = urlsplit(target)
    except ValueError:
        return target
    if (parts.netloc and parts.netloc not in (host, asked_host)) or not parts.path.startswith("/"):
        return target
    same = parts.netloc == asked_host and bool(parts.netloc)
    scheme, netloc = (parts.scheme, parts.netloc) if same else ("", "")
    path = parts.path
    if not path.startswith(prepend):
        path = posixpath.normpath(f"{prepend}/{path.lstrip('/')}") + ("/" if path.endswith("/") else "")
        path = path.replace("//", "/")
    return urlunsplit((scheme, netloc, path, parts.query, parts.fragment))
