"""A document to read: scrolls, folds long lines, searches with marks and n/N."""

from collections.abc import Sequence
from itertools import pairwise

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.document import Line, clean, plain
from tui.rows import Row
from tui.widgets.filterexpr import Filter, parse_filter
from tui.widgets.toned import TONE_CLASSES, ToneStyles
from tui.widgets.wrapping import fold

_NO_ROW = Row("", "", "", ())


class TextView(ScrollView, can_focus=True):
    """Takes lines; keeps its place when they are replaced by newer ones of the same document."""

    COMPONENT_CLASSES = TONE_CLASSES | {"text--match", "text--match-current"}
    BINDINGS = [
        Binding("up,k", "line(-1)", "Up", show=False, id="text.up"),
        Binding("down,j", "line(1)", "Down", show=False, id="text.down"),
        Binding("pageup,ctrl+b", "page(-1)", "Page up", show=False, id="text.page_up"),
        Binding("pagedown,ctrl+f,space", "page(1)", "Page down", show=False, id="text.page_down"),
        Binding("home,g", "edge(-1)", "Top", show=False, id="text.top"),
        Binding("end,G", "edge(1)", "Bottom", show=False, id="text.bottom"),
        Binding("left", "sideways(-8)", "Left", show=False, id="text.left"),
        Binding("right", "sideways(8)", "Right", show=False, id="text.right"),
    ]

    class Searched(Message):
        """How many places match, and which of them (from 1; 0 for none) is the current one."""

        def __init__(self, matches: int, current: int) -> None:
            self.matches = matches
            self.current = current
            super().__init__()

    def __init__(self, lines: Sequence[Line] = (), *, wrap: bool = True) -> None:
        super().__init__()
        self._styles = ToneStyles(self)
        self._lines = [_cleaned(line) for line in lines]
        self._folded: list[Line] = []
        self._wrap = wrap
        self._filter = Filter()
        self._matches: list[int] = []
        self._match = -1

    @property
    def text(self) -> str:
        return "\n".join(plain(line) for line in self._lines)

    @property
    def height_of_all(self) -> int:
        """Lines of the whole document, folded as they are now."""
        return len(self._folded) or len(self._lines)

    def show(self, lines: Sequence[Line]) -> None:
        self._lines = [_cleaned(line) for line in lines]
        self._refold()

    def toggle_wrap(self) -> None:
        self._wrap = not self._wrap
        self._refold()

    def search(self, text: str) -> None:
        """Marks what matches and goes to the first place at or below the top of the screen."""
        self._filter = parse_filter(text)
        self._find()
        top = self.scroll_offset.y
        self._match = next((i for i, row in enumerate(self._matches) if row >= top), 0 if self._matches else -1)
        self._reveal()

    def step(self, direction: int) -> None:
        if self._matches:
            self._match = (self._match + direction) % len(self._matches)
            self._reveal()

    def action_line(self, step: int) -> None:
        self.scroll_to(y=self.scroll_offset.y + step, animate=False)

    def action_page(self, direction: int) -> None:
        self.scroll_to(y=self.scroll_offset.y + direction * max(1, self.size.height - 1), animate=False)

    def action_edge(self, direction: int) -> None:
        self.scroll_to(y=0 if direction < 0 else self.virtual_size.height, animate=False)

    def action_sideways(self, step: int) -> None:
        self.scroll_to(x=max(0, self.scroll_offset.x + step), animate=False)

    def on_resize(self) -> None:
        self._refold()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles.forget()

    def render_line(self, y: int) -> Strip:
        return self._line(y).apply_style(self.rich_style)

    def _line(self, y: int) -> Strip:
        width, scroll_x, row = self.size.width, self.scroll_offset.x, self.scroll_offset.y + y
        if row >= len(self._folded):
            return Strip.blank(width)
        line = self._folded[row]
        segments = [Segment(text, self._styles.tone(tone)) for text, tone in line if text]
        strip = Strip(segments)
        if not self._filter.everything:
            strip = self._marked(strip, plain(line), row)
        return strip.crop_extend(scroll_x, scroll_x + width, None)

    def _marked(self, strip: Strip, text: str, row: int) -> Strip:
        current = self._match >= 0 and self._matches[self._match] == row
        style = self._styles.component("text--match-current" if current else "text--match")
        return highlight(strip, self._filter.spans(text), style)

    def _find(self) -> None:
        if self._filter.everything:
            self._matches = []
        else:
            texts = map(plain, self._folded)
            self._matches = [row for row, text in enumerate(texts) if self._found_in(text)]

    def _found_in(self, text: str) -> bool:
        """Every word of the search, and something to mark."""
        return self._filter.matches(_NO_ROW, text.lower(), ()) and bool(self._filter.spans(text))

    def _reveal(self) -> None:
        if 0 <= self._match < len(self._matches):
            row, top, height = self._matches[self._match], self.scroll_offset.y, self.size.height
            if not top <= row < top + height:
                self.scroll_to(y=max(0, row - height // 3), animate=False)
        self.refresh()
        self.post_message(self.Searched(len(self._matches), self._match + 1))

    def _refold(self) -> None:
        width = self.size.width - 1
        if width <= 0:
            return
        if self._wrap:
            self._folded = [part for line in self._lines for part in fold(line, width)]
        else:
            self._folded = self._lines
        widest = width if self._wrap else max((len(plain(line)) for line in self._folded), default=0)
        self.virtual_size = Size(widest, len(self._folded))
        self._find()
        self._match = min(self._match, len(self._matches) - 1)
        self.refresh()


def _cleaned(line: Line) -> Line:
    return line if all(text.isprintable() for text, _ in line) else tuple((clean(text), tone) for text, tone in line)


def highlight(strip: Strip, spans: Sequence[tuple[int, int]], style: Style) -> Strip:
    """The strip with `style` laid over the given ranges of characters (cells, for text that is not wide)."""
    if not spans:
        return strip
    cuts = sorted({0, strip.cell_length, *(min(at, strip.cell_length) for span in spans for at in span)})
    pieces: list[Strip] = []
    for start, end in pairwise(cuts):
        piece = strip.crop(start, end)
        inside = any(low <= start and end <= high for low, high in spans)
        pieces.append(Strip([Segment(s.text, (s.style or Style.null()) + style) for s in piece]) if inside else piece)
    return Strip.join(pieces)
