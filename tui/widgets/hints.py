"""The line at the bottom: what the keys do here. Each hint can be clicked."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.strip import Strip
from textual.widget import Widget

from tui.tones import Tone
from tui.widgets.toned import TONE_CLASSES, ToneStyles


@dataclass(frozen=True, slots=True)
class Hint:
    """`key` as it is written on the screen, a word for what it does, the screen's action to run on a click."""

    key: str
    word: str
    action: str = ""
    quiet: bool = False
    """Known to be refused: shown, but not offered."""


class HintBar(Widget):
    """Shows as many hints as fit, in the order given; the last one always stands at the right edge."""

    COMPONENT_CLASSES = TONE_CLASSES | {"hint--key"}

    def __init__(self) -> None:
        super().__init__()
        self._hints: tuple[Hint, ...] = ()
        self._styles = ToneStyles(self)
        self._spots: list[tuple[int, int, Hint]] = []

    def show(self, hints: Sequence[Hint]) -> None:
        if tuple(hints) != self._hints:
            self._hints = tuple(hints)
            self.refresh()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles.forget()

    async def on_click(self, event: events.Click) -> None:
        for start, end, hint in self._spots:
            if start <= event.x < end and hint.action:
                await self.screen.run_action(hint.action)

    def render_line(self, y: int) -> Strip:
        return self._line(y).apply_style(self.rich_style)

    def _line(self, y: int) -> Strip:
        del y
        width = self.size.width
        key, word = self._styles.component("hint--key"), self._styles.tone(Tone.MUTED)
        self._spots = []
        if not self._hints:
            return Strip.blank(width)
        *others, last = self._hints
        last_width = _width(last)
        segments, at = [Segment(" ", Style.null())], 1
        for hint in others:
            if at + _width(hint) + 2 + last_width + 1 > width:
                break
            faint = self._styles.tone(Tone.FAINT)
            segments += [
                Segment(hint.key, faint if hint.quiet else key),
                Segment(f" {hint.word}  ", faint if hint.quiet else word),
            ]
            self._spots.append((at, at + _width(hint), hint))
            at += _width(hint) + 2
        gap = max(0, width - at - last_width - 1)
        segments += [Segment(" " * gap, Style.null()), Segment(last.key, key), Segment(f" {last.word} ", word)]
        self._spots.append((at + gap, at + gap + last_width, last))
        return Strip(segments).crop_extend(0, width, None)


def _width(hint: Hint) -> int:
    return cell_len(hint.key) + 1 + cell_len(hint.word)
