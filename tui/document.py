"""Text with roles: what describe, YAML, diffs and rollouts are made of. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tui.tones import Tone

Span = tuple[str, Tone]
Line = tuple[Span, ...]
EMPTY: Line = ()


def plain(line: Line) -> str:
    return "".join(text for text, _ in line)


@dataclass(slots=True)
class Document:
    """Builds lines top to bottom; `indent` is in steps of two spaces."""

    lines: list[Line] = field(default_factory=list[Line])
    key_width: int = 17

    def heading(self, text: str, note: str = "", *, tone: Tone = Tone.HEADING) -> None:
        """A section's title, with an empty line above unless it is the first."""
        if self.lines:
            self.lines.append(EMPTY)
        self.lines.append(((text, tone), (f"  {note}" if note else "", Tone.MUTED)))

    def field(self, key: str, value: object, tone: Tone = Tone.TEXT, *, indent: int = 1) -> None:
        """`key  value`; nothing at all for a value that is empty."""
        text = "" if value is None else str(value)
        if not text:
            return
        self.spans(
            ((key.ljust(self.key_width - 2 * indent), Tone.MUTED), ("  ", Tone.TEXT), (text, tone)), indent=indent
        )

    def spans(self, spans: Sequence[Span], *, indent: int = 1) -> None:
        self.lines.append((("  " * indent, Tone.TEXT), *spans) if indent else tuple(spans))

    def text(self, text: str, tone: Tone = Tone.TEXT, *, indent: int = 1) -> None:
        for part in text.split("\n"):
            self.spans(((part, tone),), indent=indent)

    def pairs(self, key: str, mapping: dict[str, str] | None, *, indent: int = 1) -> None:
        """A map, one entry a line, the key's name before the first."""
        for number, (name, value) in enumerate((mapping or {}).items()):
            label = key if number == 0 else ""
            spans: tuple[Span, ...] = (
                (label.ljust(self.key_width - 2 * indent), Tone.MUTED),
                ("  ", Tone.TEXT),
                (name, Tone.KEY),
                ("=", Tone.FAINT),
                (value.replace("\n", "⏎"), Tone.TEXT),
            )
            self.spans(spans, indent=indent)

    def table(self, header: Sequence[str], rows: Iterable[Sequence[str | Span]], *, indent: int = 1) -> None:
        """Aligned columns under muted headings."""
        cells: list[list[Span]] = [
            [(cell, Tone.TEXT) if isinstance(cell, str) else cell for cell in row] for row in rows
        ]
        widths = [max([len(title), *(len(row[i][0]) for row in cells)]) for i, title in enumerate(header)]
        self.spans(_aligned([(title, Tone.FAINT) for title in header], widths), indent=indent)
        for row in cells:
            self.spans(_aligned(row, widths), indent=indent)


def _aligned(row: Sequence[Span], widths: Sequence[int]) -> list[Span]:
    last = len(row) - 1
    return [(text if i == last else text.ljust(widths[i] + 2), tone) for i, (text, tone) in enumerate(row)]


def clean(text: str) -> str:
    """What a terminal may be given: control characters become signs for them, invisible ones go.

    What objects hold is written by others; a terminal would obey an escape sequence in it.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else chr(0x2400 + ord(char)) if char < " " else "" for char in text.expandtabs(4)
    )
