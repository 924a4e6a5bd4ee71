"""What a person types after `/`: words, regular expressions, `!not`, `column:word`, `-f fuzzy`, `-l labels`. Pure."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from apimachinery.objects.selectors import Selector, parse_label_selector
from tui.fuzzy import scattered
from tui.rows import Column, Row

_LETTER = re.compile(r"\\.|.", re.DOTALL)
_REGEX_SIGNS = frozenset("^$*+?[](){}|\\")

Shown = Callable[[Row], Sequence[str]]
"""The texts of a row's cells as they stand on the screen."""


@dataclass(frozen=True, slots=True)
class Term:
    """One word: must be found (or, `inverse`, must not) in any cell, or in the one at `column`.

    `fuzzy`: its letters must stand in the row's name, in their order.
    """

    text: str
    pattern: re.Pattern[str] | None = None
    inverse: bool = False
    column: int | None = None
    fuzzy: bool = False

    def matches(self, haystack: str, cells: Sequence[str]) -> bool:
        where = haystack if self.column is None else (cells[self.column].lower() if self.column < len(cells) else "")
        found = self.pattern.search(where) is not None if self.pattern else self.text in where
        return found is not self.inverse


@dataclass(frozen=True, slots=True)
class Filter:
    """All terms and the label selector must hold. `error` says what could not be understood."""

    terms: tuple[Term, ...] = ()
    labels: Selector | None = None
    error: str = ""

    @property
    def everything(self) -> bool:
        return not self.terms and self.labels is None

    def matches(self, row: Row, haystack: str, cells: Sequence[str]) -> bool:
        """`haystack` is the lower-cased text of all cells, a line each, so that ^ and $ hold for a cell."""
        if self.labels is not None and not self.labels.matches(row.labels):
            return False
        name = row.name.lower() or haystack
        return all(term.matches(name if term.fuzzy else haystack, cells) for term in self.terms)

    def haystack_tests(self) -> list[Callable[[str], object]] | None:
        """Tests that need only the haystack, when that is all the filter asks for: the quick way for many rows."""
        if self.labels is not None or any(term.column is not None or term.inverse or term.fuzzy for term in self.terms):
            return None
        return [term.pattern.search if term.pattern else _finds(term.text) for term in self.terms]

    def spans(self, text: str, column: int | None = None) -> list[tuple[int, int]]:
        """Where the terms are found in `text`, for highlighting; terms that ask for another `column` are not."""
        lowered = text.lower()
        found: list[tuple[int, int]] = []
        for term in self.terms:
            elsewhere = column is not None and term.column not in (None, column)
            if term.inverse or elsewhere or not term.text or (term.fuzzy and column not in (None, 0, 1)):
                continue
            pattern = term.pattern or re.compile(re.escape(term.text))
            found += [match.span() for match in pattern.finditer(lowered) if match.end() > match.start()]
        return sorted(found)


def _finds(text: str) -> Callable[[str], bool]:
    return lambda haystack: text in haystack


def parse_filter(text: str, columns: Sequence[Column] = ()) -> Filter:
    """Never raises: half-typed text must not disturb; what is wrong stands in `error`."""
    words = text.split()
    labels, error = None, ""
    if "-l" in words:
        at = words.index("-l")
        try:
            selector = parse_label_selector(" ".join(words[at + 1 :]))
            labels = None if selector.everything else selector
        except ValueError as problem:
            error = f"labels: {problem}"
        words = words[:at]
    fuzzy = ""
    if "-f" in words:
        at = words.index("-f")
        fuzzy, words = "".join(words[at + 1 :]).lower(), words[:at]
    names = {column.name.lower().replace(" ", "-"): index for index, column in enumerate(columns)}
    terms: list[Term] = []
    for word in words:
        term, problem = _term(_lowered(word), names)
        error = error or problem
        if term is not None:
            terms.append(term)
    if fuzzy:
        terms.append(Term(fuzzy, scattered(fuzzy), fuzzy=True))
    return Filter(tuple(terms), labels, error)


def _lowered(word: str) -> str:
    """In small letters, as what it is looked for in, but for the classes of regular expressions: `\\S` is not `\\s`."""
    return _LETTER.sub(lambda match: match[0] if len(match[0]) > 1 else match[0].lower(), word)


def _term(word: str, names: dict[str, int]) -> tuple[Term | None, str]:
    inverse = word.startswith("!")
    word = word[1:] if inverse else word
    column = None
    prefix, colon, rest = word.partition(":")
    if colon and prefix in names:
        column, word = names[prefix], rest
    if not word:
        return None, ""
    if not _REGEX_SIGNS.intersection(word):
        return Term(word, None, inverse, column), ""
    try:
        return Term(word, re.compile(word, re.MULTILINE), inverse, column), ""
    except re.error as problem:
        return Term(word, None, inverse, column), f"regular expression: {problem}"
