"""Files of the agent's own: private, whole or not there at all, and written only when they change."""

from __future__ import annotations

import os
from pathlib import Path


def write_private(file: Path, content: bytes) -> bool:
    """Replace `file` in one step, mode 0600; False when it holds `content` already (memory cards wear out)."""
    if read_if_there(file) == content:
        return False
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.rename(file)
    return True


def read_if_there(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None
