"""A log of any length: only the lines on the screen are drawn; new ones never move what is being read."""

import re
from array import array
from bisect import bisect_right
from collections.abc import Callable

from rich.cells import cell_len
from rich.segment import Segment
from rich.text import Text
from textual.binding import Binding
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.feeds.logring import NOTE, LogLine, LogRing
from tui.rows import Row
from tui.tones import SOURCES, Tone
from tui.widgets.filterexpr import Filter, parse_filter
from tui.widgets.textview import highlight
from tui.widgets.toned import TONE_CLASSES, ToneStyles

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|[\x00-\x08\x0b-\x1f\x7f]")
_NO_ROW = Row("", "", "", ())
CLOCK = slice(11, 23)
"""Hours to milliseconds of a stamp."""

Label = Callable[[int], str]
"""What stands before a line of this source; "" for nothing."""


class LogView(ScrollView, can_focus=True):
    """Follows its end until the reader moves up; End follows again."""

    COMPONENT_CLASSES = TONE_CLASSES | {"log--match", "log--gap"}
    BINDINGS = [
        Binding("up,k", "line(-1)", "Up", show=False),
        Binding("down,j", "line(1)", "Down", show=False),
        Binding("pageup,ctrl+b", "page(-1)", "Page up", show=False),
        Binding("pagedown,ctrl+f", "page(1)", "Page down", show=False),
        Binding("home,g", "top", "Top", show=False),
        Binding("end,G", "bottom", "End, and follow", show=False),
        Binding("left", "sideways(-8)", "Left", show=False),
        Binding("right", "sideways(8)", "Right", show=False),
        Binding("space", "toggle_follow", "Follow or stand still", show=False),
    ]

    class Moved(Message):
        """Following began or ended."""

    def __init__(self, label: Label, *, limit: int = 0) -> None:
        super().__init__()
        self.ring = LogRing(limit) if limit else LogRing()
        self.following = True
        self.wrap = False
        self.timestamps = False
        self._label = label
        self._styles = ToneStyles(self)
        self._filter = Filter()
        self._chosen: array[int] | None = None
        self._ends: array[int] | None = None
        self._widest = 0

    # what others ask and tell

    @property
    def shown(self) -> int:
        return len(self.ring) if self._chosen is None else len(self._chosen)

    def add(self, lines: list[LogLine]) -> None:
        if not lines:
            return
        start = self.ring.end
        shed = self.ring.extend(lines)
        fresh = range(max(start, self.ring.first), self.ring.end)
        if self._chosen is not None:
            self._chosen.extend(number for number in fresh if self._matches(self.ring.line(number)))
        if shed:
            self._forget_old(shed)
        elif self.wrap:
            self._measure_more()
        self._settle()

    def set_filter(self, text: str) -> str:
        """Shows only what matches; returns what could not be understood."""
        self._filter = parse_filter(text)
        if self._filter.everything:
            self._chosen = None
        else:
            first = self.ring.first
            self._chosen = array("q", (first + i for i, line in enumerate(self.ring.lines()) if self._matches(line)))
        self._measure()
        self._settle()
        return self._filter.error

    def clear(self) -> None:
        self.ring.clear()
        self._chosen = None if self._filter.everything else array("q")
        self._widest = 0
        self._measure()
        self.following = True
        self._settle()

    def toggle_wrap(self) -> None:
        self._keep_place(lambda: setattr(self, "wrap", not self.wrap))

    def toggle_timestamps(self) -> None:
        self._keep_place(lambda: setattr(self, "timestamps", not self.timestamps))

    def text(self) -> str:
        """All lines that are shown, as they are saved."""
        return "\n".join(self._saved(self._at(index)) for index in range(self.shown)) + "\n"

    # keys

    def action_line(self, step: int) -> None:
        self._scroll_rows(self.scroll_offset.y + step)

    def action_page(self, direction: int) -> None:
        self._scroll_rows(self.scroll_offset.y + direction * max(1, self.size.height - 1))

    def action_top(self) -> None:
        self._scroll_rows(0)

    def action_bottom(self) -> None:
        self._follow(True)

    def action_sideways(self, step: int) -> None:
        self.scroll_to(x=max(0, self.scroll_offset.x + step), animate=False)

    def action_toggle_follow(self) -> None:
        self._follow(not self.following)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if new_value < old_value and self.following and new_value < self.max_scroll_y:
            self._follow(False)

    def on_resize(self) -> None:
        self._measure()
        self._settle()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles.forget()

    # drawing

    def render_line(self, y: int) -> Strip:
        width, row = self.size.width, self.scroll_offset.y + y
        if row >= self._rows():
            return Strip.blank(width, self.rich_style)
        index, part = self._locate(row)
        strip = self._strip(self._at(index))
        if self._ends is not None:
            strip = strip.crop(part * width, (part + 1) * width).extend_cell_length(width)
        else:
            strip = strip.crop_extend(self.scroll_offset.x, self.scroll_offset.x + width, None)
        return strip.apply_style(self.rich_style)

    def _strip(self, line: LogLine) -> Strip:
        if line.source == NOTE:
            return Strip([Segment(f"── {line.text} ──", self._styles.component("log--gap"))])
        segments: list[Segment] = []
        if self.timestamps:
            segments.append(Segment(f"{line.stamp[CLOCK]} ", self._styles.tone(Tone.FAINT)))
        label = self._label(line.source)
        if label:
            segments.append(Segment(f"{label} ", self._styles.tone(SOURCES[line.source % len(SOURCES)])))
        lead = Strip(segments)
        body = self._body(line.text)
        if not self._filter.everything:
            spans = self._filter.spans(cleaned(line.text))
            body = highlight(body, spans, self._styles.component("log--match"))
        return Strip([*lead, *body])

    def _body(self, text: str) -> Strip:
        if "\x1b" in text:
            coloured = Text.from_ansi(text)
            return Strip([Segment(s.text, s.style) for s in coloured.render(self.app.console) if s.text != "\n"])
        return Strip([Segment(cleaned(text), self._styles.tone(Tone.TEXT))])

    # below

    def _matches(self, line: LogLine) -> bool:
        return self._filter.matches(_NO_ROW, cleaned(line.text).lower(), ())

    def _at(self, index: int) -> LogLine:
        return self.ring.line(self.ring.first + index if self._chosen is None else self._chosen[index])

    def _locate(self, row: int) -> tuple[int, int]:
        """(index of the line, which of its folded rows)."""
        if self._ends is None:
            return row, 0
        index = bisect_right(self._ends, row)
        return index, row - (self._ends[index - 1] if index else 0)

    def _rows(self) -> int:
        if self._ends is None:
            return self.shown
        return self._ends[-1] if self._ends else 0

    def _height(self, line: LogLine, lead: int) -> int:
        return max(1, -(-(_width(line.text) + lead) // max(1, self.size.width)))

    def _lead(self) -> int:
        return (13 if self.timestamps else 0) + (cell_len(self._label(0)) + 1 if self._label(0) else 0)

    def _measure(self) -> None:
        if not self.wrap:
            self._ends = None
            return
        self._ends = array("q")
        self._measure_more()

    def _measure_more(self) -> None:
        ends = self._ends if self._ends is not None else array("q")
        lead, total = self._lead(), ends[-1] if ends else 0
        for index in range(len(ends), self.shown):
            total += self._height(self._at(index), lead)
            ends.append(total)
        self._ends = ends

    def _forget_old(self, shed: int) -> None:
        gone = shed
        if self._chosen is not None:
            gone = bisect_right(self._chosen, self.ring.first - 1)
            del self._chosen[:gone]
        rows_before = self._rows() if self._ends is not None else 0
        self._measure()
        rows_gone = gone if self._ends is None else max(0, rows_before - self._rows())
        if not self.following:
            self.scroll_to(y=max(0, self.scroll_offset.y - rows_gone), animate=False)

    def _settle(self) -> None:
        widest = self.size.width
        if not self.wrap and len(self.ring):
            recent = min(self.shown, 2000)
            longest = max((len(self._at(i).text) for i in range(self.shown - recent, self.shown)), default=0)
            self._widest = max(self._widest, longest + self._lead())
            widest = max(widest, self._widest)
        self.virtual_size = Size(widest, self._rows())
        if self.following:
            self.call_after_refresh(self._to_end)
        self.refresh()

    def _to_end(self) -> None:
        if self.following:
            self.scroll_to(y=self.max_scroll_y, animate=False, force=True)

    def _follow(self, wanted: bool) -> None:
        self.following = wanted
        if wanted:
            self._to_end()
        self.post_message(self.Moved())

    def _scroll_rows(self, y: int) -> None:
        if y >= self.max_scroll_y:
            self._follow(True)
            return
        if self.following:
            self._follow(False)
        self.scroll_to(y=max(0, y), animate=False)

    def _keep_place(self, change: Callable[[], None]) -> None:
        top = self._locate(min(self.scroll_offset.y, max(0, self._rows() - 1)))[0] if self._rows() else 0
        change()
        self._measure()
        self._settle()
        if not self.following:
            row = top if self._ends is None else (self._ends[top - 1] if top else 0)
            self.scroll_to(y=row, animate=False)

    def _saved(self, line: LogLine) -> str:
        label = self._label(line.source).strip() if line.source != NOTE else "#"
        return " ".join(part for part in (line.stamp, label, cleaned(line.text)) if part)


def cleaned(text: str) -> str:
    """Without escape sequences and control characters; tabs as spaces."""
    if text.isprintable():
        return text
    return _ESCAPES.sub("", text.expandtabs(4))


def _width(text: str) -> int:
    return len(text) if text.isascii() and text.isprintable() else cell_len(cleaned(text))
