"""Reading a container's log as `kubectl logs` asks for it, over rotations without loss or repetition."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from nodeagent.logs.lines import Line, LogOptions, epoch, parse, rendered

CHUNK = 64 * 1024
FIRST_PAUSE, LAST_PAUSE = 0.05, 0.5
"""Seconds between looks at a file that has not grown: cheap for a quiet log, quick for a talking one."""
FRESH = 1.0
"""Seconds since its last change within which a file that was put aside may still be written to."""


def log_files(current: Path) -> list[Path]:
    """A log's files, oldest first: rotated ones carry a time behind the name, the last is being written."""
    rotated = sorted(p for p in current.parent.glob(f"{current.name}.*") if p.suffix not in (".gz", ".tmp"))
    return [*rotated, current] if current.exists() else rotated


async def read_log(current: Path, options: LogOptions, alive: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Rendered chunks of the log. With `follow` until the container has ended (`alive` turns false) and all is read."""
    left = options.limit_bytes
    renderer = _Renderer(options)
    async for records in _records(current, options, alive):
        chunk = renderer.render(records)
        if left is not None:
            chunk = chunk[:left]
            left -= len(chunk)
        if chunk:
            yield chunk
        if left == 0:
            return


class _Renderer:
    """Keeps what is needed between chunks: whether the start was found, and which streams are amid a cut line."""

    def __init__(self, options: LogOptions) -> None:
        self._options = options
        self._skipping = options.since > 0
        self._cut: set[bytes] = set()

    def render(self, records: list[bytes]) -> bytes:
        out: list[bytes] = []
        wanted = self._options.stream.encode()
        for record in records:
            line = parse(record)
            if line is None or (wanted and line.stream != wanted) or self._too_old(line):
                continue
            out.append(rendered(line, self._options, continued=line.stream in self._cut))
            if line.partial:
                self._cut.add(line.stream)
            else:
                self._cut.discard(line.stream)
        return b"".join(out)

    def _too_old(self, line: Line) -> bool:
        if self._skipping and epoch(line.time) >= self._options.since:
            self._skipping = False  # lines are in order of time: no need to look at the rest
        return self._skipping


async def _records(current: Path, options: LogOptions, alive: Callable[[], bool]) -> AsyncIterator[list[bytes]]:
    files = log_files(current)
    if not files and not options.follow:
        return
    start, offset = _start(files, options.tail)
    descriptor = await _open(files[start] if files else current, alive)
    if descriptor is None:
        return
    try:
        os.lseek(descriptor, offset, os.SEEK_SET)
        rest, pause, sure = b"", FIRST_PAUSE, False
        while True:
            # Asked before reading: what was written before the end is read after it.
            ended = not options.follow or not alive()
            chunk = os.read(descriptor, CHUNK)
            if chunk:
                pause, sure = FIRST_PAUSE, False
                *records, rest = (rest + chunk).split(b"\n")
                if records:
                    yield records
                continue
            if _following(current, descriptor) is not None:
                # The old file may have got its last lines between our read and its rename, and gets some while the new
                # one is there already: the runtime closes the old one last.
                if time.time() - os.fstat(descriptor).st_mtime < FRESH:
                    await asyncio.sleep(FIRST_PAUSE)
                if os.fstat(descriptor).st_size > os.lseek(descriptor, 0, os.SEEK_CUR):
                    continue
                following = _following(current, descriptor)
                if following is None:
                    continue
                try:
                    opened = os.open(following, os.O_RDONLY)
                except FileNotFoundError:  # it has another name by now, or is gone
                    await asyncio.sleep(0)
                    continue
                os.close(descriptor)
                descriptor, rest = opened, b""
                continue
            if ended and (sure or _inode(current) == os.fstat(descriptor).st_ino):
                return
            # A file that is being renamed is overlooked once.
            sure = ended
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, LAST_PAUSE)
    finally:
        os.close(descriptor)


async def _open(file: Path, alive: Callable[[], bool]) -> int | None:
    """The file's descriptor, waiting for a container that has not written yet; None when it never will."""
    while True:
        try:
            return os.open(file, os.O_RDONLY)
        except FileNotFoundError:
            if not alive():
                return None
            await asyncio.sleep(FIRST_PAUSE)


def _following(current: Path, descriptor: int) -> Path | None:
    """The file that comes after the open one; None when that is the newest."""
    inode = os.fstat(descriptor).st_ino
    # While a log is put aside there is no current one: of an ended container, whose log gets its name back, too.
    if _inode(current) == inode:
        return None
    files = log_files(current)
    inodes = [_inode(file) for file in files]
    if inode not in inodes:
        return files[0] if files else None  # ours was deleted as the oldest: go on with what is left
    at = inodes.index(inode) + 1
    return files[at] if at < len(files) else None


def _inode(file: Path) -> int:
    try:
        return file.stat().st_ino
    except FileNotFoundError:
        return -1


def _start(files: list[Path], tail: int | None) -> tuple[int, int]:
    """(index of a file, offset in it) where the last `tail` lines begin; the very start without `tail`."""
    if tail is None or not files:
        return 0, 0
    missing = tail
    for index in range(len(files) - 1, -1, -1):
        offset, found = _tail_offset(files[index], missing)
        if found >= missing or index == 0:
            return index, offset
        missing -= found
    return 0, 0


def _tail_offset(file: Path, lines: int) -> tuple[int, int]:
    """Where the last `lines` lines of a file begin, and how many lines there are from there on."""
    with file.open("rb") as stream:
        position = size = stream.seek(0, os.SEEK_END)
        if lines == 0:
            return size, 0
        found = 0
        while position > 0:
            step = min(CHUNK, position)
            position -= step
            stream.seek(position)
            block = stream.read(step)
            at = len(block)
            while (at := block.rfind(b"\n", 0, at)) >= 0:
                if position + at + 1 == size:
                    continue  # the end of the last line begins no line
                found += 1
                if found == lines:
                    return position + at + 1, found
        return 0, found + (1 if size else 0)
