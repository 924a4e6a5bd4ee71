"""What we remember of machines in the data dir: host keys that a person has confirmed, and which key opens which node.

A join that failed half-way does not ask twice, and `node remove` needs no --key again. Once a machine is a node its
host key stands on the Node object too, which is where the engine's link takes it from.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec


class _Content(msgspec.Struct, rename="camel"):
    host_keys: dict[str, str] = {}
    """HOST:PORT -> host key line"""
    key_files: dict[str, tuple[str, ...]] = {}
    """node -> private key files that let us in"""


class Inventory:
    """`<data dir>/fleet/machines.json`. The user's known_hosts is never written."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "fleet" / "machines.json"

    def pins(self) -> dict[str, str]:
        """Host key lines by HOST:PORT."""
        return self._load().host_keys

    def pin(self, address: str, line: str) -> None:
        content = self._load()
        if content.host_keys.get(address) != line:
            content.host_keys[address] = line
            self._save(content)

    def unpin(self, address: str) -> None:
        content = self._load()
        if content.host_keys.pop(address, None):
            self._save(content)

    def key_files(self, node: str) -> tuple[str, ...]:
        return self._load().key_files.get(node, ())

    def remember(self, node: str, key_files: tuple[str, ...]) -> None:
        content = self._load()
        content.key_files[node] = tuple(str(Path(name).expanduser().resolve()) for name in key_files)
        self._save(content)

    def forget(self, node: str) -> None:
        content = self._load()
        if content.key_files.pop(node, None) is not None:
            self._save(content)

    def _load(self) -> _Content:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Content)
        except (OSError, msgspec.MsgspecError):  # none yet, or damaged: then keys are confirmed anew
            return _Content()

    def _save(self, content: _Content) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = self._path.with_name(f".machines.{os.getpid()}")
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")
        temporary.chmod(0o600)
        temporary.replace(self._path)
