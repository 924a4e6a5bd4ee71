"""Which host keys are trusted, and our own key pair."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncssh


class HostKeyPolicy(asyncssh.SSHClient):
    """Decides which keys are trusted for a host and remembers what was offered when none fits."""

    def __init__(self) -> None:
        self.pin: str | None = None
        self.files: list[Path] = []
        self.known: list[str] = []
        self.offered: asyncssh.SSHKey | None = None

    def known_hosts(self, host: str, addr: str, port: int | None) -> tuple[Sequence[Any], Sequence[Any], Sequence[Any]]:
        """asyncssh's hook: (trusted keys, trusted authorities, revoked keys) for a host."""
        if self.pin:
            self.known = [fingerprint(self.pin)]
            return [asyncssh.import_public_key(self.pin)], [], []
        trusted: list[Any] = []
        authorities: list[Any] = []
        revoked: list[Any] = []
        for path in self.files:
            with suppress(OSError, ValueError):  # a file that cannot be read vouches for nobody
                matched = asyncssh.match_known_hosts(str(path), host, addr, port)
                trusted += matched[0]
                authorities += matched[1]
                revoked += matched[2]
        self.known = [key.get_fingerprint() for key in (*trusted, *authorities)]
        return trusted, authorities, revoked

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:  # noqa: ARG002 (asyncssh's signature)
        self.offered = key
        return False


def known_hosts_files(options: asyncssh.SSHClientConnectionOptions) -> list[Path]:
    """The files where OpenSSH would look a host up, as far as they can be read."""
    named: object = options.config.get("UserKnownHostsFile", None)
    names = [str(name) for name in named] if isinstance(named, list) else ["~/.ssh/known_hosts", "~/.ssh/known_hosts2"]
    paths = [Path(name).expanduser() for name in [*names, "/etc/ssh/ssh_known_hosts"]]
    return [path for path in paths if path.is_file()]


def generate_key(path: Path, comment: str) -> str:
    """Write a new ed25519 key pair (0600) unless there is one; the public line either way."""
    public = path.with_name(path.name + ".pub")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = asyncssh.generate_private_key("ssh-ed25519", comment=comment)
        path.touch(mode=0o600)
        path.write_bytes(key.export_private_key())
        public.write_bytes(key.export_public_key())
    return public.read_text().strip()


def fingerprint(line: str) -> str:
    """SHA256 fingerprint of a public key line. Raises ValueError for anything else."""
    try:
        return asyncssh.import_public_key(line).get_fingerprint()
    except asyncssh.KeyImportError as error:
        raise ValueError(f"not a public key line: {line[:40]!r}") from error
