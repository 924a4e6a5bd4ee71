"""Small files that must never be seen half written."""

import os
from pathlib import Path


def replace_file(path: Path, content: bytes, mode: int) -> None:
    """Put `content` in place of the file in one step, durably. Raises OSError."""
    temporary = path.with_name(f".{path.name}.new")
    # Opened with the final mode: a secret is never readable to others, not even for a moment.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        os.fchmod(descriptor, mode)
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.replace(path)
