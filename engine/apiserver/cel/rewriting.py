"""Kubernetes' dialect of CEL said in the words of the library: optional fields, `cel.bind`, namespaced functions. Pure.

self.?a.b.orValue(1)      self.optField("a").optField("b").orValue(1)
m[?"k"]                   m.optIndex("k")
cel.bind(x, init, body)   [init].map(x, body)[0]
math.greatest(a, b)       math_greatest(a, b)
Object.spec{a: 1, ?b: x}  _built("Object.spec", "a", 1, "?b", x)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

_TOKEN = re.compile(
    r"""(?P<string>[rRbB]{0,2}(?:\"\"\"(?s:.*?)\"\"\"|'''(?s:.*?)'''|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'))
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<number>\d[\w.]*)|(?P<space>\s+|//[^\n]*)|(?P<optional>\.\?|\[\?)|(?P<other>&&|\|\||[=!<>]=|.)""",
    re.VERBOSE,
)
_NAMESPACES = frozenset({"math", "sets", "strings", "base64", "format", "ip", "cidr", "jsonpatch"})
_COMPREHENSIONS = frozenset({"all", "exists", "exists_one", "map", "filter"})
_ENDS_OF_OPTIONALS = frozenset({"orValue", "or", "value", "hasValue", "optMap", "optFlatMap"})
_BUILT = frozenset({"Object", "JSONPatch"})
_OPEN = {"(": ")", "[": "]", "{": "}"}


def tokens(source: str) -> list[str]:
    """The tokens without white space."""
    return [match[0] for match in _TOKEN.finditer(source) if match.lastgroup != "space"]


@lru_cache(1024)
def rewritten(source: str) -> str:
    """The expression for the library."""
    if not any(word in source for word in (".?", "[?", "cel.bind", *_BUILT)) and not _namespaced(source):
        return source
    return " ".join(_rewrite(tokens(source)))


def _namespaced(source: str) -> bool:
    return any(f"{name}." in source for name in _NAMESPACES)


def _rewrite(words: list[str]) -> Iterator[str]:
    at, chained = 0, False
    while at < len(words):
        word = words[at]
        after = words[at + 1] if at + 1 < len(words) else ""
        if word == ".?":
            yield f'.optField("{after}")'
            at, chained = at + 2, True
        elif word == "[?":
            end = _closing(words, at, "]")
            yield ".optIndex("
            yield from _rewrite(words[at + 1 : end])
            yield ")"
            at, chained = end + 1, True
        elif chained and word == "." and (at + 2 >= len(words) or words[at + 2] != "("):
            yield f'.optField("{after}")'
            at += 2
        elif chained and word == "." and after not in _ENDS_OF_OPTIONALS:
            yield from (word, after)
            at, chained = at + 2, False
        elif word == "cel" and words[at + 1 : at + 4] == [".", "bind", "("]:
            end = _closing(words, at + 3, ")")
            yield from _bound(words[at + 4 : end])
            at = end + 1
        elif word in _BUILT and _starts(words, at) and (brace := _brace(words, at)):
            end = _closing(words, brace, "}")
            yield from _built("".join(words[at:brace]), words[brace + 1 : end])
            at, chained = end + 1, False
        elif word in _NAMESPACES and after == "." and words[at + 3 : at + 4] == ["("] and _starts(words, at):
            yield f"{word}_{words[at + 2]}"
            at += 3
        else:
            chained = chained and word == "."
            yield word
            at += 1


def _brace(words: list[str], at: int) -> int:
    """Where the literal of a type opens, 0 when it is none."""
    at += 1
    while words[at : at + 1] == ["."]:
        at += 2
    opens = words[at : at + 1] == ["{"] and _closing(words, at, "}") < len(words)
    return at if opens else 0


def _built(kind: str, inner: list[str]) -> Iterator[str]:
    yield f'_built("{kind}"'
    start = 0
    for end in _commas(inner):
        entry = inner[start:end]
        start = end + 1
        if not entry:
            continue
        optional, entry = (entry[0] == "?", entry[1:] if entry[0] == "?" else entry)
        yield f', "{"?" if optional else ""}{entry[0].strip("`")}",'
        yield from _rewrite(entry[2:])
    yield ")"


def _starts(words: list[str], at: int) -> bool:
    return at == 0 or words[at - 1] not in (".", ".?")


def _bound(arguments: list[str]) -> Iterator[str]:
    first, second = _commas(arguments)[:2]
    yield "(["
    yield from _rewrite(arguments[first + 1 : second])
    yield f"].map({arguments[0]},"
    yield from _rewrite(arguments[second + 1 :])
    yield ")[0])"


def _commas(words: list[str]) -> list[int]:
    depth, found = 0, list[int]()
    for at, word in enumerate(words):
        depth += (word in _OPEN or word == "[?") - (word in _OPEN.values())
        if word == "," and not depth:
            found.append(at)
    return [*found, len(words), len(words)]


def _closing(words: list[str], at: int, closing: str) -> int:
    depth = 0
    for position in range(at, len(words)):
        word = words[position]
        depth += (word in _OPEN or word == "[?") - (word in _OPEN.values())
        if not depth and word == closing:
            return position
    return len(words)


@lru_cache(1024)
def nesting(source: str) -> int:
    """How deep walks over lists and maps stand in each other: what the worst case grows with."""
    words = tokens(source)
    deepest, open_walks, stack = 0, 0, list[bool]()
    for at, word in enumerate(words):
        if word == "(":
            walk = at >= 2 and words[at - 1] in _COMPREHENSIONS and words[at - 2] == "."
            stack.append(walk)
            open_walks += walk
            deepest = max(deepest, open_walks)
        elif word == ")" and stack:
            open_walks -= stack.pop()
    return deepest
