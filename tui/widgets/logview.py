"""A log of any length: only the lines on the screen are drawn; new ones never move what is being read.

A filter goes through what is kept in slices, so that keys are never waited for; what comes meanwhile is looked at too.
"""

import re
import time
from array import array
from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate

from rich.cells import cell_len
from rich.segment import Segment
from rich.text import Text
from textual import events
from textual.binding import Binding
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.feeds.logring import NOTE, LogLine, LogRing
from tui.logformat import Entry, at_least, parse
from tui.rows import Row
from tui.tones import SOURCES, Tone
from tui.widgets.filterexpr import Filter, parse_filter
from tui.widgets.textview import highlight
from tui.widgets.toned import TONE_CLASSES, ToneStyles

_ESCAPES = re.compile(
    r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069]"
)
_INVISIBLE = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2066-\u2069]")
_NO_ROW = Row("", "", "", ())
CLOCK = slice(11, 23)
"""Hours to milliseconds of a stamp."""
SLICE = 0.012
"""Seconds of one turn that a search may take."""
TOLD = 0.15
"""Seconds between two pictures of a search that goes on."""
RECENT = 2000
"""Newest lines whose width decides how far one can scroll sideways."""
LEVEL_WIDTH = 5
PROBED = 20
"""Lines by which it is told whether a log is made of fields."""
_LEVEL = re.compile(r"\blevel:(?:>=)?(\w*)\s*", re.IGNORECASE)

Label = Callable[[int], str]
"""What stands before a line of this source; "" for nothing."""


class LogView(ScrollView, can_focus=True):
    """Follows its end until the reader moves up; End follows again."""

    COMPONENT_CLASSES = TONE_CLASSES | {"log--match", "log--gap"}
    BINDINGS = [
        Binding("up,k", "line(-1)", "Up", show=False, id="log.up"),
        Binding("down,j", "line(1)", "Down", show=False, id="log.down"),
        Binding("pageup,ctrl+b", "page(-1)", "Page up", show=False, id="log.page_up"),
        Binding("pagedown,ctrl+f", "page(1)", "Page down", show=False, id="log.page_down"),
        Binding("home,g", "top", "Top", show=False, id="log.top"),
        Binding("end,G", "bottom", "End, and follow", show=False, id="log.bottom"),
        Binding("left", "sideways(-8)", "Left", show=False, id="log.left"),
        Binding("right", "sideways(8)", "Right", show=False, id="log.right"),
        Binding("space", "toggle_follow", "Follow or stand still", show=False, id="log.follow"),
    ]

    class Moved(Message):
        """Following began or ended."""

    class Searched(Message):
        """A search came further, or to its end."""

    class Chosen(Message):
        """A line was clicked."""

        def __init__(self, line: LogLine) -> None:
            self.line = line
            super().__init__()

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
        self._rows_gone = 0
        """Folded rows of lines that fell off: what `_ends` counts from."""
        self._widths: array[int] = array("I")
        self._widest = 0
        self._level = ""
        self._searched = 0
        """The number of the next line that the search looks at."""
        self._search = 0
        self._told = 0.0
        self._probed = 0
        self.columns = False

    # what others ask and tell

    @property
    def shown(self) -> int:
        return len(self.ring) if self._chosen is None else len(self._chosen)

    @property
    def searching(self) -> float | None:
        """Which share of the lines a search has been through; None when it is done."""
        if self._chosen is None or self._searched >= self.ring.end:
            return None
        return (self._searched - self.ring.first) / max(1, len(self.ring))

    def add(self, lines: list[LogLine]) -> None:
        if not lines:
            return
        if self._probed < PROBED:
            self._probe(lines)
        start = self.ring.end
        shed = self.ring.extend(lines)
        self._widths.extend(map(_line_width, lines))
        if shed:
            del self._widths[:shed]
        if self._chosen is not None and self._searched == start:
            # The search has been through all before these.
            self._chosen.extend(start + i for i, line in enumerate(lines) if self._matches(line.text))
            self._searched = self.ring.end
        if shed:
            self._forget_old(shed)
        if self.wrap:
            self._measure_more()
        self._settle()

    def set_filter(self, text: str) -> str:
        """Shows only what matches; returns what could not be understood. `level:warn` is that level and above."""
        level = _LEVEL.search(text)
        self._level = level[1].lower() if level else ""
        self._filter = parse_filter(_LEVEL.sub("", text))
        self._search += 1
        if self._filter.everything and not self._level:
            self._chosen = None
        else:
            self._chosen = array("q")
            self._searched = self.ring.first
            self._search_on(self._search)
        self._measure()
        self._settle()
        return self._filter.error

    def _search_on(self, search: int) -> None:
        """One slice of the search, and the next after whatever else waits for its turn."""
        chosen = self._chosen
        if search != self._search or chosen is None:
            return
        until = time.perf_counter() + SLICE
        plain = [term.text for term in self._filter.terms if not term.inverse and not term.fuzzy and not term.pattern]
        for first, _, _, texts in self.ring.blocks(max(self._searched, self.ring.first)):
            if not plain or _may_hold("\n".join(texts), plain):
                chosen.extend(first + i for i, text in enumerate(texts) if self._matches(text))
            self._searched = first + len(texts)
            if time.perf_counter() > until:
                break
        going_on = self._searched < self.ring.end
        if going_on:
            self.set_timer(0.001, lambda: self._search_on(search))
        if not going_on or until - self._told > TOLD:
            # What was found is drawn now and then: drawing costs as much as a slice.
            self._told = until
            if self.wrap:
                self._measure_more()
            self._settle()
            self.post_message(self.Searched())

    def clear(self) -> None:
        self.ring.clear()
        self._chosen = None if self._filter.everything and not self._level else array("q")
        self._searched = self.ring.end
        self._widths = array("I")
        self._widest = 0
        self._probed = 0
        self._measure()
        self.following = True
        self._settle()

    def toggle_columns(self) -> None:
        """Fields of JSON, logfmt and klog side by side, or the lines as they came."""
        self._probed = PROBED
        self.columns = not self.columns
        if self.columns and self.wrap:
            self.toggle_wrap()
        self._settle()

    def toggle_wrap(self) -> None:
        self.columns = self.columns and self.wrap
        self._keep_place(lambda: setattr(self, "wrap", not self.wrap))

    def toggle_timestamps(self) -> None:
        self._keep_place(lambda: setattr(self, "timestamps", not self.timestamps))

    def text(self) -> str:
        """All lines that are shown, as they are saved."""
        return "\n".join(self._saved(self._at(index)) for index in range(self.shown)) + "\n"

    def top_line(self) -> LogLine | None:
        """The first line on the screen that is of the log."""
        row = self.scroll_offset.y
        if row >= self._rows():
            return None
        top = self._locate(row)[0]
        seen = (self._at(at) for at in range(top, min(top + self.size.height, self.shown)))
        return next((line for line in seen if line.source != NOTE), None)

    # mouse

    def on_click(self, event: events.Click) -> None:
        row = self.scroll_offset.y + event.y
        if event.chain == 2 and row < self._rows():
            self.post_message(self.Chosen(self._at(self._locate(row)[0])))

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
        entry = parse(cleaned(line.text)) if self.columns else None
        if entry is not None:
            return Strip([*lead, *self._columned(entry)])
        body = self._body(line.text)
        if not self._filter.everything:
            spans = self._filter.spans(cleaned(line.text))
            body = highlight(body, spans, self._styles.component("log--match"))
        return Strip([*lead, *body])

    def _body(self, text: str) -> Strip:
        if "\x1b" in text:
            coloured = Text.from_ansi(_INVISIBLE.sub("", text))
            return Strip([Segment(s.text, s.style) for s in coloured.render(self.app.console) if s.text != "\n"])
        return Strip([Segment(cleaned(text), self._styles.tone(Tone.TEXT))])

    def _columned(self, entry: Entry) -> Strip:
        """Time of its own where none stands before it, level, message, and the other fields after it."""
        tone = self._styles.tone
        parts: list[tuple[str, Tone]] = []
        if entry.time and not self.timestamps:
            clock = entry.time[CLOCK] if entry.time[10:11] in ("T", " ") else entry.time[:12]
            parts.append((f"{clock:<12} ", Tone.FAINT))
        parts.append((f"{entry.level[:LEVEL_WIDTH]:<{LEVEL_WIDTH}} ", entry.tone if entry.level else Tone.FAINT))
        loud = entry.tone if entry.tone in (Tone.WARN, Tone.BAD) else Tone.TEXT
        parts.append((entry.message, loud))
        for name, value in entry.fields:
            parts += [(f"  {name}=", Tone.MUTED), (value, Tone.STRING)]
        strip = Strip([Segment(cleaned(text), tone(role)) for text, role in parts if text])
        if self._filter.everything:
            return strip
        return highlight(strip, self._filter.spans(strip.text), self._styles.component("log--match"))

    # below

    def _probe(self, lines: list[LogLine]) -> None:
        """A log whose first lines are made of fields is shown by them."""
        looked = [line.text for line in lines if line.source != NOTE and line.text.strip()][: PROBED - self._probed]
        self._probed += len(looked)
        told = sum(text.lstrip().startswith("{") and parse(text) is not None for text in looked)
        if looked and told * 5 >= len(looked) * 4:
            self.columns = not self.wrap

    def _matches(self, text: str) -> bool:
        text = cleaned(text)
        if self._level and not at_least(text, self._level):
            return False
        return self._filter.everything or self._filter.matches(_NO_ROW, text.lower(), ())

    def _at(self, index: int) -> LogLine:
        return self.ring.line(self.ring.first + index if self._chosen is None else self._chosen[index])

    def _locate(self, row: int) -> tuple[int, int]:
        """(index of the line, which of its folded rows)."""
        if self._ends is None:
            return row, 0
        row += self._rows_gone
        index = bisect_right(self._ends, row)
        return index, row - (self._ends[index - 1] if index else self._rows_gone)

    def _rows(self) -> int:
        if self._ends is None:
            return self.shown
        return self._ends[-1] - self._rows_gone if self._ends else 0

    def _lead(self) -> int:
        return (13 if self.timestamps else 0) + (cell_len(self._label(0)) + 1 if self._label(0) else 0)

    def _measure(self) -> None:
        self._rows_gone = 0
        self._ends = array("q") if self.wrap else None
        if self.wrap:
            self._measure_more()

    def _measure_more(self) -> None:
        """Where each line that has come since ends, in folded rows."""
        ends = self._ends if self._ends is not None else array("q")
        lead, width = self._lead(), max(1, self.size.width)
        widths, first, start = self._widths, self.ring.first, len(ends)
        fresh = widths[start:] if self._chosen is None else (widths[at - first] for at in self._chosen[start:])
        heights = (max(1, -(-(wide + lead) // width)) for wide in fresh)
        begin = ends[-1] if ends else self._rows_gone
        ends.extend(list(accumulate(heights, initial=begin))[1:])
        self._ends = ends

    def _forget_old(self, shed: int) -> None:
        gone = shed
        if self._chosen is not None:
            gone = bisect_right(self._chosen, self.ring.first - 1)
            del self._chosen[:gone]
            self._searched = max(self._searched, self.ring.first)
        rows_gone = gone
        if self._ends is not None and gone:
            gone = min(gone, len(self._ends))
            now_gone = self._ends[gone - 1] if gone else self._rows_gone
            rows_gone, self._rows_gone = now_gone - self._rows_gone, now_gone
            del self._ends[:gone]
        if not self.following:
            self.scroll_to(y=max(0, self.scroll_offset.y - rows_gone), animate=False)

    def _settle(self) -> None:
        widest = self.size.width
        if not self.wrap and len(self.ring):
            # Fields are drawn with a little more room than they take as JSON.
            longest = max(self._widths[-RECENT:], default=0) + (20 if self.columns else 0)
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
            row = top if self._ends is None else (self._ends[top - 1] - self._rows_gone if top else 0)
            self.scroll_to(y=row, animate=False)

    def _saved(self, line: LogLine) -> str:
        label = self._label(line.source).strip() if line.source != NOTE else "#"
        return " ".join(part for part in (line.stamp, label, cleaned(line.text)) if part)


def cleaned(text: str) -> str:
    """Without escape sequences and control characters; tabs as spaces."""
    if text.isprintable():
        return text
    return _ESCAPES.sub("", text.expandtabs(4))


def _line_width(line: LogLine) -> int:
    text = line.text
    return len(text) if text.isascii() and text.isprintable() else cell_len(cleaned(text))


def _may_hold(block: str, words: list[str]) -> bool:
    """Whether every word is anywhere in it: most blocks have none, and are done with at once."""
    lowered = block.lower()
    return "\x1b" in block or all(word in lowered for word in words)
