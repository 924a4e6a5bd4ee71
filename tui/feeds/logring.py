"""The lines of a log that are kept: a million of them in bounded memory, whose oldest fall off the front.

Lines are held in blocks. A full block is kept compressed; the few that were read last are kept as text besides. What
falls off falls off a block at a time and is counted, so that it can be said how much is missing.
"""

from __future__ import annotations

import zlib
from array import array
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

LINES = 1_000_000
STORED = 128_000_000
"""Bytes that the blocks may take, compressed."""
BLOCK = 2048
CHARACTERS = 4_000_000
"""A block of long lines is closed before it has all its lines."""
OPENED = 4
"""Blocks kept as text besides the one that is being filled."""

NOTE = -1
"""The source of lines that are about the log, not of it: a pod joined, a stream ended."""


class LogLine(NamedTuple):
    """`source` numbers the followed container; `stamp` is its RFC 3339 time, nine decimals; "" on notes."""

    source: int
    stamp: str
    text: str


@dataclass(slots=True, eq=False)
class _Block:
    """`first` is the number of its first line. `packed` is set once it is full."""

    first: int
    sources: array[int] = field(default_factory=lambda: array("i"))
    stamps: list[str] = field(default_factory=list[str])
    texts: list[str] = field(default_factory=list[str])
    characters: int = 0
    packed: tuple[bytes, bytes] | None = None

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def stored(self) -> int:
        return sum(map(len, self.packed)) if self.packed else self.characters

    def pack(self) -> None:
        self.packed = (_pack(self.stamps), _pack(self.texts))
        self.stamps, self.texts = [], []


@dataclass(slots=True)
class LogRing:
    """Lines are numbered from 0 for ever; those before `first` are gone."""

    limit: int = LINES
    stored_limit: int = STORED
    first: int = 0
    end: int = 0
    """The number that the next line will have."""
    _blocks: list[_Block] = field(default_factory=list[_Block])
    _stored: int = 0
    _opened: OrderedDict[int, tuple[list[str], list[str]]] = field(
        default_factory=OrderedDict[int, tuple[list[str], list[str]]]
    )

    def __len__(self) -> int:
        return self.end - self.first

    def extend(self, lines: list[LogLine]) -> int:
        """Add lines; returns how many old ones fell off."""
        size = max(1, min(BLOCK, self.limit // 10))
        at = 0
        while at < len(lines):
            block = self._blocks[-1] if self._blocks else None
            if block is None or block.packed is not None:
                block = _Block(self.end)
                self._blocks.append(block)
            part = lines[at : at + size - len(block)]
            # A line holds no newline: blocks are cut at them.
            texts = [line[2] if "\n" not in line[2] else line[2].replace("\n", "⏎") for line in part]
            block.sources.extend([line[0] for line in part])
            block.stamps += [line[1] for line in part]
            block.texts += texts
            block.characters += sum(map(len, texts))
            at += len(part)
            self.end += len(part)
            if len(block) >= size or block.characters >= CHARACTERS:
                block.pack()
                self._stored += block.stored
        shed = 0
        while len(self._blocks) > 1 and (len(self) > self.limit or self._stored > self.stored_limit):
            gone = self._blocks.pop(0)
            self._stored -= gone.stored
            self._opened.pop(gone.first, None)
            self.first += len(gone)
            shed += len(gone)
        return shed

    def line(self, number: int) -> LogLine:
        block = self._block_of(number)
        stamps, texts = self._open(block)
        at = number - block.first
        return LogLine(block.sources[at], stamps[at], texts[at])

    def blocks(self, start: int) -> Iterator[tuple[int, list[int], list[str], list[str]]]:
        """(first number, sources, stamps, texts) of each block from the one that has line `start`; cut to it."""
        if start >= self.end:
            return
        at = self._blocks.index(self._block_of(max(start, self.first)))
        while at < len(self._blocks):
            block = self._blocks[at]
            skip = max(0, start - block.first)
            # Read once and let go: a search must not push out what is on the screen.
            stamps, texts = self._opened.get(block.first) or _unpacked(block)
            yield block.first + skip, block.sources[skip:].tolist(), stamps[skip:], texts[skip:]
            at += 1

    def lines(self) -> list[LogLine]:
        return [
            LogLine(*line)
            for _, sources, stamps, texts in self.blocks(self.first)
            for line in zip(sources, stamps, texts, strict=True)
        ]

    def clear(self) -> None:
        self.first = self.end
        self._blocks.clear()
        self._opened.clear()
        self._stored = 0

    def _block_of(self, number: int) -> _Block:
        low, high = 0, len(self._blocks) - 1
        while low < high:
            middle = (low + high + 1) // 2
            if self._blocks[middle].first <= number:
                low = middle
            else:
                high = middle - 1
        return self._blocks[low]

    def _open(self, block: _Block) -> tuple[list[str], list[str]]:
        if block.packed is None:
            return block.stamps, block.texts
        held = self._opened.get(block.first)
        if held is None:
            held = self._opened[block.first] = _unpacked(block)
            while len(self._opened) > OPENED:
                self._opened.popitem(last=False)
        else:
            self._opened.move_to_end(block.first)
        return held


def _pack(texts: list[str]) -> bytes:
    return zlib.compress("\n".join(texts).encode("utf-8", "surrogatepass"), 1)


def _unpacked(block: _Block) -> tuple[list[str], list[str]]:
    if block.packed is None:
        return block.stamps, block.texts
    stamps, texts = (zlib.decompress(part).decode("utf-8", "surrogatepass").split("\n") for part in block.packed)
    return stamps, texts
