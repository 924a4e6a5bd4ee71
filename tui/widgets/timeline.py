"""A stretch of time in one line: where something changed, where nobody listened, and the moment that is shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tui.tones import Tone
from tui.widgets.toned import TONE_CLASSES, ToneStyles

BARS = "▁▂▃▄▅▆▇█"
STAMP = 8


def clock_text(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%H:%M:%S")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """`at` None is the end, now; `gaps` are pairs of start and end."""

    begins: float
    ends: float
    at: float | None = None
    changes: Sequence[float] = ()
    gaps: Sequence[tuple[float, float]] = ()

    def cells(self, width: int) -> list[tuple[str, Tone]]:
        """The line between the two times, one character for each part of it."""
        span = max(self.ends - self.begins, 1e-9)
        counts = [0] * width
        for moment in self.changes:
            counts[self._place(moment, width, span)] += 1
        most = max(counts, default=0)
        drawn: list[tuple[str, Tone]] = []
        for place, count in enumerate(counts):
            left = self.begins + span * place / width
            if count:
                drawn.append((BARS[min(len(BARS) - 1, count * len(BARS) // (most + 1))], Tone.INFO))
            elif any(start <= left < end for start, end in self.gaps):
                drawn.append(("·", Tone.WARN))
            else:
                drawn.append(("─", Tone.FAINT))
        if width:
            drawn[width - 1 if self.at is None else self._place(self.at, width, span)] = ("●", Tone.ACCENT)
        return drawn

    def moment_at(self, place: int, width: int) -> float | None:
        """The time of a place in the line; None for its end."""
        if place >= width - 1:
            return None
        return self.begins + (self.ends - self.begins) * max(0, place) / max(1, width)

    def _place(self, moment: float, width: int, span: float) -> int:
        return min(width - 1, max(0, int((moment - self.begins) / span * width)))


class TimeLine(Widget):
    """A click goes to a moment: `Moved(at)`, None for now."""

    COMPONENT_CLASSES = TONE_CLASSES

    class Moved(Message):
        def __init__(self, at: float | None) -> None:
            self.at = at
            super().__init__()

    def __init__(self) -> None:
        super().__init__()
        self._stretch: Stretch | None = None
        self._styles = ToneStyles(self)

    def show(self, stretch: Stretch | None) -> None:
        if stretch != self._stretch:
            self._stretch = stretch
            self.refresh()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles.forget()

    def render_line(self, y: int) -> Strip:
        stretch = self._stretch
        if y or stretch is None:
            return Strip.blank(self.size.width, self.rich_style)
        tone = self._styles.tone
        segments = [Segment(f" {clock_text(stretch.begins)} ", tone(Tone.MUTED))]
        segments += [Segment(text, tone(role)) for text, role in stretch.cells(self._room)]
        segments.append(Segment(f" {clock_text(stretch.ends)} ", tone(Tone.MUTED)))
        return Strip(segments).crop_extend(0, self.size.width, None).apply_style(self.rich_style)

    def on_click(self, event: events.Click) -> None:
        if self._stretch is not None:
            self.post_message(self.Moved(self._stretch.moment_at(event.x - STAMP - 2, self._room)))

    @property
    def _room(self) -> int:
        return max(1, self.size.width - 2 * (STAMP + 2))
