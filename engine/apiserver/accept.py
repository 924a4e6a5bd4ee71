"""The Accept header: what a client would like, best first. Pure.

Upstream sorts with munnerz/goautoneg: by quality, then those that name what they want before those that take anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Clause:
    """One media type that the client takes."""

    type: str
    subtype: str
    parameters: Mapping[str, str]
    quality: float = 1.0

    def covers(self, media_type: str) -> bool:
        """Whether a media type such as `application/json` is one of those meant."""
        kind, _, subtype = media_type.partition("/")
        return self.type in {kind, "*"} and self.subtype in {subtype, "*"}


@lru_cache(256)
def clauses(header: str) -> tuple[Clause, ...]:
    """The header's clauses in order of preference; whatever is none is left out."""
    found = [clause for part in header.split(",") if (clause := _clause(part)) is not None]
    return tuple(sorted(found, key=lambda clause: (-clause.quality, clause.type == "*", clause.subtype == "*")))


def _clause(text: str) -> Clause | None:
    media, *rest = text.split(";")
    kind, slash, subtype = (part.strip() for part in media.partition("/"))
    if kind == "*" and not slash:
        subtype = "*"
    if not subtype or "/" in subtype:
        return None
    quality = 1.0
    parameters: dict[str, str] = {}
    for part in rest:
        name, _, value = part.partition("=")
        if not value or "=" in value:
            continue
        if name.strip() == "q":
            quality = _quality(value)
        else:
            parameters[name.strip()] = value.strip()
    return Clause(kind, subtype, parameters, quality)


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
