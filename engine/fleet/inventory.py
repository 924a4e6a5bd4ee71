"""Host keys that a person has confirmed, kept in the data dir: a join that failed half-way does not ask twice.

Once a machine is a node its key stands on the Node object too, which is where the engine's link takes it from.
"""

from __future__ import annotations

import json
import os
from pathlib import Path


class HostKeys:
    """Pins by HOST:PORT in `<data dir>/fleet/host_keys.json`; the user's known_hosts is never written."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "fleet" / "host_keys.json"

    def pins(self) -> dict[str, str]:
        try:
            content = json.loads(self._path.read_bytes())
        except (OSError, ValueError):  # none yet, or damaged: then keys are confirmed anew
            return {}
        return {str(address): str(line) for address, line in content.items()} if isinstance(content, dict) else {}

    def pin(self, address: str, line: str) -> None:
        self._save(self.pins() | {address: line})

    def forget(self, address: str) -> None:
        self._save({known: line for known, line in self.pins().items() if known != address})

    def _save(self, pins: dict[str, str]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = self._path.with_name(f".host_keys.{os.getpid()}")
        temporary.write_text(json.dumps(pins, indent=1, sort_keys=True) + "\n")
        temporary.chmod(0o600)
        temporary.replace(self._path)
