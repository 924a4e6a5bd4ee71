"""Long lines folded to a width, each continued under the start of its last part. Pure."""

import textwrap

from rich.cells import cell_len

from tui.document import Line, Span
from tui.tones import Tone

LEAST_ROOM = 16
"""Cells that a continued text must have beside what stands before it, or it starts nearer the edge."""


def fold(line: Line, width: int) -> list[Line]:
    """One or more lines of at most `width` cells, as far as words allow; words longer than a line are cut."""
    if sum(cell_len(text) for text, _ in line) <= width or not line:
        return [line]
    *before, (last, tone) = line
    lead = sum(cell_len(text) for text, _ in before)
    stripped = last.lstrip(" ")
    lead_of_last = len(last) - len(stripped)
    indent = lead + lead_of_last
    if width - indent < LEAST_ROOM:
        return _cut(line, width)
    parts = textwrap.wrap(stripped, width - indent, break_on_hyphens=False, drop_whitespace=True) or [""]
    first: Line = (*before, (" " * lead_of_last + parts[0], tone))
    return [first, *(((" " * indent, Tone.TEXT), (part, tone)) for part in parts[1:])]


def _cut(line: Line, width: int) -> list[Line]:
    folded: list[Line] = []
    current: list[Span] = []
    room = width
    for text, tone in line:
        rest = text
        while rest:
            if room <= 0:
                folded.append(tuple(current))
                current, room = [], width
            piece, rest = rest[:room], rest[room:]
            current.append((piece, tone))
            room -= len(piece)
    folded.append(tuple(current))
    return folded
