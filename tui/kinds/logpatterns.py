"""Lines of a log that differ only in their numbers and names, as one pattern with a count: a Drain tree, bounded. Pure.

After He et al., "Drain: An Online Log Parsing Approach with Fixed Depth Tree" (ICWS 2017): lines of as many words that
begin alike are compared word by word; where enough of them agree it is the same pattern, and words that differ become
holes.
"""

import re
from dataclasses import dataclass, field

from tui.logformat import level_of, parse

HOLE = "<*>"
ALIKE = 0.55
"""The share of words in which a line must agree with a pattern to be one of it."""
MOST = 500
"""Patterns that are kept; the rarest make room, and what they counted is told."""
WORDS = 40
"""Words of a line that are looked at; what comes after does not tell patterns apart."""
_VARIABLE = re.compile(
    r"^(?:[^\w]*(?:0x[0-9a-f]+|[0-9a-f]{8,}|[\d.,:/-]*\d[\d.,:/%-]*(?:[a-zµ]{1,3})?)[^\w]*"
    r"|.*[0-9a-f]{8}-[0-9a-f]{4}-.*|.*\d{1,3}(?:\.\d{1,3}){3}.*)$",
    re.IGNORECASE,
)


@dataclass(slots=True, eq=False)
class Pattern:
    """`first` and `last` are stamps; `sources` those that it came from."""

    number: int
    words: list[str]
    count: int = 0
    first: str = ""
    last: str = ""
    level: str = ""
    sources: set[int] = field(default_factory=set[int])

    @property
    def text(self) -> str:
        return " ".join(self.words)

    @property
    def filter(self) -> str:
        """What finds its lines, as typed after `/`."""
        parts = [r"\S+" if word == HOLE else re.escape(word) for word in self.words]
        return r"\s+".join(parts)


class Patterns:
    """Takes lines as they come. `left_out` counts the lines of patterns that had to make room."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._leaves: dict[tuple[int, str, str], list[Pattern]] = {}
        self._number = 0
        self.total = 0
        self.left_out = 0

    def __len__(self) -> int:
        return sum(map(len, self._leaves.values()))

    def all(self) -> list[Pattern]:
        """The most frequent first."""
        found = [pattern for leaf in self._leaves.values() for pattern in leaf]
        return sorted(found, key=lambda pattern: (-pattern.count, pattern.number))

    def add(self, source: int, stamp: str, text: str) -> Pattern:
        entry = parse(text)
        words = masked(entry.message if entry is not None and entry.message else text)
        leaf = self._leaves.setdefault((len(words), *_beginning(words)), [])
        pattern = _nearest(leaf, words)
        if pattern is None:
            self._number += 1
            pattern = Pattern(self._number, words, first=stamp, level=level_of(text))
            leaf.append(pattern)
        else:
            pattern.words = [
                mine if mine == theirs else HOLE for mine, theirs in zip(pattern.words, words, strict=True)
            ]
        pattern.count += 1
        pattern.last = max(pattern.last, stamp)
        pattern.sources.add(source)
        self.total += 1
        if self._number > self._most and len(self) > self._most:
            self._make_room()
        return pattern

    def _make_room(self) -> None:
        """A tenth at once: looking for the rarest costs all of them."""
        rarest = sorted(self.all(), key=lambda pattern: (pattern.count, pattern.last))[: max(1, self._most // 10)]
        gone = set(map(id, rarest))
        self.left_out += sum(pattern.count for pattern in rarest)
        for key, leaf in list(self._leaves.items()):
            kept = [pattern for pattern in leaf if id(pattern) not in gone]
            if kept:
                self._leaves[key] = kept
            else:
                del self._leaves[key]


def masked(text: str) -> list[str]:
    """The words of a line, with holes for what is a number, an address or an identifier by its looks."""
    words = text.split(maxsplit=WORDS)[:WORDS]
    return [HOLE if _VARIABLE.match(word) else _value_masked(word) for word in words]


def _value_masked(word: str) -> str:
    name, equals, value = word.partition("=")
    return f"{name}={HOLE}" if equals and _VARIABLE.match(value) else word


def _beginning(words: list[str]) -> tuple[str, str]:
    """Words by which patterns are told apart at once; one with a digit may be any."""
    first, second = (*words, "", "")[:2]
    return (_plain(first), _plain(second) if len(words) > 2 else "")


def _plain(word: str) -> str:
    return HOLE if any(map(str.isdigit, word)) else word


def _nearest(leaf: list[Pattern], words: list[str]) -> Pattern | None:
    best, best_share = None, ALIKE
    for pattern in leaf:
        same = sum(mine == theirs for mine, theirs in zip(pattern.words, words, strict=True))
        share = same / len(words) if words else 1.0
        if share >= best_share:
            best, best_share = pattern, share
            if share == 1.0:
                break
    return best
