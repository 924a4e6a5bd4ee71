"""How well typed letters fit a word: at its start, within it, or scattered over it in their order. Pure."""

import re
from collections.abc import Iterable

SCATTERED_FROM = 3
"""With fewer letters than this nearly every word has them somewhere."""


def fit(typed: str, word: str) -> tuple[int, int, str] | None:
    """What to order words by, the best first; None when `word` does not have the letters."""
    letters, lowered = typed.lower(), word.lower()
    at = lowered.find(letters)
    if at >= 0:
        # After a dash or dot a part of the name begins: nearly as good as its start.
        begins = at == 0 or lowered[at - 1] in "-._/"
        return (0 if at == 0 else 1 if begins else 2, len(word), word)
    if len(letters) >= SCATTERED_FROM and scattered(letters).search(lowered):
        return (3, len(word), word)
    return None


def best(typed: str, words: Iterable[str]) -> list[str]:
    """Those of `words` that fit, each once, the best first."""
    fitting = [(found, word) for word in dict.fromkeys(words) if (found := fit(typed, word)) is not None]
    return [word for _, word in sorted(fitting)]


def scattered(letters: str) -> re.Pattern[str]:
    """Finds the letters in their order, with anything between them."""
    return re.compile(".*?".join(map(re.escape, letters)))
