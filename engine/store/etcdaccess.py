"""How to reach etcd. Apart from the client, so that naming an etcd does not load it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class EtcdAccess:
    """Where etcd is and how to get in. Endpoints are URLs; `https://` ones need `ca_file`."""

    endpoints: tuple[str, ...]
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    user: str = ""
    password: str = field(default="", repr=False)
    """Never shown: not in `repr`, not in messages."""
    patience: float = 10.0
    """Seconds of tries at all members before a caller is told that etcd does not answer."""
