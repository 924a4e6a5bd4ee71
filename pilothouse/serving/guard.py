"""Who may come in: a token, once; then a cookie that only this server's pages send. Pure, but for the token's file.

Against pages of other sites in the same browser: the Host must be a name that this server goes by, so that a foreign
name which has come to point here (DNS rebinding) leads nowhere; a WebSocket's Origin must be this server itself; and
the cookie is sent to no other path, port or site.
"""

import os
import secrets
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from socket import gethostname
from urllib.parse import urlsplit

LEAST_TOKEN = 16
COOKIE = "pilothouse"


class TokenFileError(ValueError):
    """The file cannot hold the secret; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """`hosts` are names without port, lower case. `cookie` and `place` are new with each server: a token that stays in
    somebody's history is of no use to a page that was opened before."""

    token: str
    hosts: frozenset[str]
    any_address: bool = False
    """Listens at all addresses of this computer: any of them will do, for only a name can be made to point here."""
    cookie: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    place: str = field(default_factory=lambda: secrets.token_hex(8))

    def admits_token(self, token: str) -> bool:
        return secrets.compare_digest(token.encode(), self.token.encode())

    def admits_cookie(self, cookie: str) -> bool:
        return secrets.compare_digest(cookie.encode(), self.cookie.encode())

    def refusal_of_host(self, host: str) -> str:
        """Why a request with this Host header is refused; empty when it is not."""
        name = name_of(host)
        if name in self.hosts or (self.any_address and _is_address(name)):
            return ""
        return f'This server does not go by the name "{name}". --allow-host adds one.'

    def refusal_of_origin(self, origin: str, host: str) -> str:
        """Why a WebSocket that was opened by a page of `origin` is refused; browsers always name one."""
        if origin and urlsplit(origin).netloc.lower() == host.lower():
            return ""
        return f'Pages of "{origin or "nowhere"}" may not open a connection here.'


def name_of(host: str) -> str:
    """The name in a Host header, without its port: `[::1]:80` is `::1`."""
    return (urlsplit(f"//{host}").hostname or "") if _well_formed(host) else ""


def _well_formed(host: str) -> bool:
    try:
        return bool(urlsplit(f"//{host}").hostname) and not set(host) & set("/@?#\\ ")
    except ValueError:
        return False


def own_names(host: str, others: Iterable[str] = ()) -> frozenset[str]:
    """The names that a server which listens at `host` goes by."""
    names = {host.lower(), *(other.lower() for other in others)}
    names |= {"localhost", "127.0.0.1", "::1"} if is_loopback(host) else {gethostname().lower()}
    return frozenset(names)


def is_everywhere(host: str) -> bool:
    """Whether it means all addresses of this computer."""
    return _is_address(host) and ip_address(host).is_unspecified


def is_loopback(host: str) -> bool:
    """Whether nobody but this computer reaches it."""
    return ip_address(host).is_loopback if _is_address(host) else host.lower() == "localhost"


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def token_of(file: Path | None) -> str:
    """A new token, or the one that the file holds: made there, for its owner alone, when there is no such file.

    Raises TokenFileError when others may read it, or what it holds is too short to be a secret.
    """
    if file is None:
        return secrets.token_urlsafe(32)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _token_in(file)
    token = secrets.token_urlsafe(32)
    with os.fdopen(descriptor, "w", encoding="ascii") as out:
        out.write(f"{token}\n")
    return token


def _token_in(file: Path) -> str:
    if stat.S_IMODE(file.stat().st_mode) & 0o077:
        raise TokenFileError(f"others may read {file}: chmod 600 {file}")
    token = file.read_text(encoding="utf-8").strip()
    if len(token) < LEAST_TOKEN or not token.isprintable() or " " in token:
        raise TokenFileError(f"{file} must hold a token of at least {LEAST_TOKEN} characters")
    return token
