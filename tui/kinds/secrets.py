"""Secrets: values stay hidden until they are asked for."""

import base64
import binascii

from apimachinery.objects.resources import SECRETS
from tui.document import Document
from tui.kinds.lens import JSON, Facts, Lens
from tui.kinds.sections import events, identity
from tui.kinds.words import general_tone
from tui.rows import Column, Row
from tui.tones import Tone


def tone(row: Row, column: Column, text: str) -> Tone:
    return Tone.MUTED if column.name == "Type" else general_tone(row, column, text)


def describe(obj: JSON, facts: Facts) -> Document:
    doc = Document()
    identity(doc, obj, facts)
    doc.field("Type", obj.get("type"))
    for key, value in (obj.get("data") or {}).items():
        raw = _decoded(value)
        doc.heading(key, f"{len(raw)} bytes", tone=Tone.KEY)
        if facts.reveal:
            doc.text(_readable(raw))
        else:
            doc.text("••••••••", Tone.FAINT)
    events(doc, facts)
    return doc


def _decoded(value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error:
        return value.encode()


def _readable(raw: bytes) -> str:
    try:
        return raw.decode().rstrip("\n")
    except UnicodeDecodeError:
        return raw[:256].hex(" ", 2)


LENS = Lens(resource=SECRETS, tone=tone, describe=describe)
