"""Names of machines as people type them: [USER@]HOST[:PORT]."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TARGET = re.compile(
    r"^(?:(?P<user>[^@\s]+)@)?(?:\[(?P<v6>[0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|(?P<host>[^\s@:\[\]/]+))(?::(?P<port>\d{1,5}))?$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A machine to reach by SSH; what is None is left to ~/.ssh/config and then to SSH's defaults."""

    host: str
    user: str | None = None
    port: int | None = None

    @property
    def address(self) -> str:
        """HOST:PORT with brackets around an IPv6 address."""
        return address(self.host, self.port or 22)

    def __str__(self) -> str:
        user = f"{self.user}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return user + host + (f":{self.port}" if self.port else "")


def parse(text: str) -> Target:
    """Read [USER@]HOST[:PORT]; IPv6 addresses stand in brackets when a port follows. Raises ValueError."""
    if text.count(":") > 1 and "[" not in text:
        user, _, host = text.rpartition("@")
        text = f"{user}@[{host}]" if user else f"[{host}]"
    found = _TARGET.match(text)
    if found is None or (found["host"] or "").startswith("-") or (found["user"] or "").startswith("-"):
        raise ValueError(f"{text!r} is not [USER@]HOST[:PORT]")
    port = int(found["port"]) if found["port"] else None
    if port is not None and not 0 < port < 65536:
        raise ValueError(f"{text!r}: port must be between 1 and 65535")
    return Target(host=found["v6"] or found["host"], user=found["user"], port=port)


def address(host: str, port: int) -> str:
    """HOST:PORT, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def split_address(text: str) -> tuple[str, int]:
    """Undo `address`. Raises ValueError."""
    target = parse(text)
    return target.host, target.port or 22
