"""How much of the disk a folder takes, as `du` counts it."""

from __future__ import annotations

import os
from pathlib import Path


def used_bytes(folder: Path) -> int:
    """Blocks of all files on the folder's own file system, each file once however many names it has."""
    try:
        top = folder.lstat()
    except FileNotFoundError:
        return 0
    counted: set[int] = set()
    total = 0
    waiting = [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    found = entry.stat(follow_symlinks=False)
                    if found.st_dev != top.st_dev or found.st_ino in counted:
                        continue
                    if found.st_nlink > 1:
                        counted.add(found.st_ino)
                    total += found.st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except (FileNotFoundError, NotADirectoryError):
            # Its pod writes and removes meanwhile.
            continue
    return total
