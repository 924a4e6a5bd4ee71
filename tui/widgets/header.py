"""The two lines on top: which cluster and how it fares, and where in it the person is."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tui.document import Span
from tui.tones import Tone
from tui.widgets.toned import TONE_CLASSES, ToneStyles


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderFacts:
    """`status` is one short phrase with its role; `notes` stand at the right of the second line."""

    context: str = ""
    server: str = ""
    version: str = ""
    readonly: bool = False
    status: Span = ("", Tone.MUTED)
    crumbs: tuple[str, ...] = ()
    notes: tuple[Span, ...] = field(default_factory=tuple[Span, ...])


class Header(Widget):
    """Crumbs can be clicked: `CrumbChosen(depth)`."""

    COMPONENT_CLASSES = TONE_CLASSES | {"header--band", "header--chip", "header--warning-chip", "header--here"}

    class CrumbChosen(Message):
        def __init__(self, index: int) -> None:
            self.index = index
            super().__init__()

    def __init__(self) -> None:
        super().__init__()
        self._facts = HeaderFacts()
        self._styles = ToneStyles(self)
        self._crumb_ends: list[int] = []

    @property
    def facts(self) -> HeaderFacts:
        return self._facts

    def show(self, facts: HeaderFacts) -> None:
        if facts != self._facts:
            self._facts = facts
            self.refresh()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles.forget()

    def on_click(self, event: events.Click) -> None:
        if event.y == 1:
            for index, end in enumerate(self._crumb_ends):
                if event.x < end:
                    self.post_message(self.CrumbChosen(index))
                    return

    def render_line(self, y: int) -> Strip:
        return self._line(y).apply_style(self.rich_style)

    def _line(self, y: int) -> Strip:
        return self._cluster_line() if y == 0 else self._place_line()

    def _cluster_line(self) -> Strip:
        facts, tone = self._facts, self._styles.tone
        left = [Segment(f" {facts.context} ", self._styles.component("header--chip"))]
        if facts.readonly:
            left.append(Segment(" read-only ", self._styles.component("header--warning-chip")))
        left.append(Segment(f"  {facts.server}", tone(Tone.MUTED)))
        if facts.version:
            left.append(Segment(f"  {facts.version}", tone(Tone.FAINT)))
        text, status_tone = facts.status
        return justified(left, [Segment(f"{text} ", tone(status_tone))], self.size.width, Style.null())

    def _place_line(self) -> Strip:
        facts, tone = self._facts, self._styles.tone
        left = [Segment(" ", Style.null())]
        self._crumb_ends = []
        for number, crumb in enumerate(facts.crumbs):
            last = number == len(facts.crumbs) - 1
            if number:
                left.append(Segment(" ▸ ", tone(Tone.FAINT)))
            left.append(Segment(crumb, self._styles.component("header--here") if last else tone(Tone.MUTED)))
            self._crumb_ends.append(sum(cell_len(segment.text) for segment in left))
        right = [Segment(text, tone(role)) for text, role in facts.notes]
        return justified(left, [*right, Segment(" ", Style.null())], self.size.width, Style.null())


def justified(left: Sequence[Segment], right: Sequence[Segment], width: int, fill: Style) -> Strip:
    """Left part, space, right part; the left one is cut when they meet."""
    right_strip = Strip(right)
    room = max(0, width - right_strip.cell_length)
    left_strip = Strip(left)
    if left_strip.cell_length > room:
        left_strip = Strip([*left_strip.crop(0, max(0, room - 2)), Segment("… ", fill)])
    return Strip([*left_strip.extend_cell_length(room, fill), *right_strip]).crop(0, width)
