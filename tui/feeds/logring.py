"""The lines of a log that are kept: a bounded list whose oldest lines fall off the front."""

from dataclasses import dataclass, field
from typing import NamedTuple

LINES = 200_000
CHARACTERS = 64_000_000
SHED = 10
"""When full, one part in this many falls off at once: cutting a list at the front costs its length."""

NOTE = -1
"""The source of lines that are about the log, not of it: a pod joined, a stream ended."""


class LogLine(NamedTuple):
    """`source` numbers the followed container; `stamp` is its RFC 3339 time, nine decimals; "" on notes."""

    source: int
    stamp: str
    text: str


@dataclass(slots=True)
class LogRing:
    """Lines are numbered from 0 for ever; those before `first` are gone."""

    limit: int = LINES
    character_limit: int = CHARACTERS
    first: int = 0
    _lines: list[LogLine] = field(default_factory=list[LogLine])
    _characters: int = 0

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def end(self) -> int:
        """The number that the next line will have."""
        return self.first + len(self._lines)

    def extend(self, lines: list[LogLine]) -> int:
        """Add lines; returns how many old ones fell off."""
        self._lines.extend(lines)
        self._characters += sum(len(line.text) for line in lines)
        shed = 0
        while len(self._lines) > self.limit or self._characters > self.character_limit:
            part = max(1, len(self._lines) // SHED)
            self._characters -= sum(len(line.text) for line in self._lines[:part])
            del self._lines[:part]
            self.first += part
            shed += part
        return shed

    def line(self, number: int) -> LogLine:
        return self._lines[number - self.first]

    def lines(self) -> list[LogLine]:
        return list(self._lines)

    def clear(self) -> None:
        self.first = self.end
        self._lines.clear()
        self._characters = 0
