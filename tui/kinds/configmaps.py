"""ConfigMaps."""

from apimachinery.objects.resources import CONFIGMAPS
from tui.document import Document
from tui.kinds.lens import JSON, Facts, Lens
from tui.kinds.sections import events, identity
from tui.kinds.words import general_tone
from tui.tones import Tone


def describe(obj: JSON, facts: Facts) -> Document:
    doc = Document()
    identity(doc, obj, facts)
    for key, value in (obj.get("data") or {}).items():
        doc.heading(key, f"{len(value.encode())} bytes", tone=Tone.KEY)
        doc.text(value.rstrip("\n"))
    for key, value in (obj.get("binaryData") or {}).items():
        doc.heading(key, f"about {len(value) * 3 // 4} bytes, binary", tone=Tone.KEY)
    events(doc, facts)
    return doc


LENS = Lens(resource=CONFIGMAPS, tone=general_tone, describe=describe)
