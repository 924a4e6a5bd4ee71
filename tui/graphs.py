"""Graphs made of block characters. Pure."""

from collections.abc import Sequence

_BLOCKS = " ▁▂▃▄▅▆▇█"


def area(values: Sequence[float], width: int, height: int, top: float) -> list[str]:
    """An area chart, newest at the right edge: `height` lines of `width` cells, full at `top`.

    What is more than nothing is never drawn as nothing.
    """
    shown = list(values)[-width:]
    scale = height * 8 / top if top > 0 else 0.0
    levels = [min(height * 8, max(1 if value > 0 else 0, round(value * scale))) for value in shown]
    lines: list[str] = []
    for line in range(height - 1, -1, -1):
        cells = [_BLOCKS[max(0, min(8, level - 8 * line))] for level in levels]
        lines.append("".join(cells).rjust(width))
    return lines
