"""How the columns of a table share the width of the screen. Pure."""

from collections.abc import Container, Sequence
from dataclasses import dataclass

GAP = 2
NARROWEST = 10
"""A column is never squeezed below this; what then still does not fit is reached by scrolling sideways."""


MODEST = 18
"""Where there are columns to spare, the others are first cut down to this."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A visible column: its index in the Table, where it starts, how wide it is."""

    index: int
    start: int
    width: int


def choose(
    priorities: Sequence[int],
    widths: Sequence[int],
    available: int,
    *,
    wide: bool,
    preferred: Sequence[int] = (),
    quiet: Container[int] = (),
) -> list[tuple[int, int]]:
    """(index, width) of the columns to show: all of priority 0, and of the others those there is room for.

    `preferred` ones get the room first, `quiet` ones none. `wide` shows every column, room or not.
    """
    chosen = {index for index, priority in enumerate(priorities) if priority == 0 or wide}
    room = available - sum(widths[index] + GAP for index in chosen)
    for index in (*preferred, *range(len(widths))):
        if index not in chosen and index not in quiet and widths[index] <= room:
            chosen.add(index)
            room -= widths[index] + GAP
    return [(index, widths[index]) for index in sorted(chosen)]


def place(
    wanted: Sequence[tuple[int, int]], available: int, *, gap: int = GAP, spared: Container[int] = ()
) -> list[Placed]:
    """Places (index, wanted width) from left to right; the widest give way first when they do not fit.

    Columns that are `spared` give way only once the others have gone down to `MODEST`.
    """
    widths = [width for _, width in wanted]
    excess = sum(widths) + gap * max(0, len(widths) - 1) - available
    for at, (index, width) in enumerate(wanted):
        if spared and index not in spared and excess > 0:
            cut = min(excess, max(0, width - MODEST))
            widths[at] -= cut
            excess -= cut
    while excess > 0:
        widest = max(widths, default=0)
        if widest <= NARROWEST:
            break
        second = max((width for width in widths if width < widest), default=NARROWEST)
        at = [i for i, width in enumerate(widths) if width == widest]
        cut = min(excess, (widest - max(second, NARROWEST)) * len(at))
        if cut <= 0:
            break
        each, rest = divmod(cut, len(at))
        for number, i in enumerate(at):
            widths[i] -= each + (1 if number < rest else 0)
        excess -= cut
    placed: list[Placed] = []
    start = 0
    for (index, _), width in zip(wanted, widths, strict=True):
        placed.append(Placed(index, start, width))
        start += width + gap
    return placed


def total_width(placed: Sequence[Placed]) -> int:
    return placed[-1].start + placed[-1].width if placed else 0
