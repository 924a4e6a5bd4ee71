"""Events."""

from apimachinery.objects.resources import EVENTS
from tui.kinds.generic import describe
from tui.kinds.lens import ANY_OBJECT, Lens
from tui.kinds.words import general_tone
from tui.rows import Column, Row
from tui.tones import Tone


def tone(row: Row, column: Column, text: str) -> Tone:
    warning = "Warning" in row.cells
    match column.name:
        case "Type" | "Reason":
            return Tone.WARN if warning else Tone.MUTED
        case "Last Seen" | "Namespace":
            return Tone.MUTED
        case "Object" | "Message":
            return Tone.TEXT
        case _:
            return general_tone(row, column, text)


LENS = Lens(
    resource=EVENTS,
    tone=tone,
    describe=describe,
    actions=ANY_OBJECT,
    sort=("Last Seen", False),
    spared=frozenset({"Message"}),
)
