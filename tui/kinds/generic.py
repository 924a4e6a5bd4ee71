"""Any kind: server columns, and a description read off the object's own structure."""

from typing import Any

from apimachinery.objects.resources import Resource
from tui.document import Document
from tui.kinds.lens import ANY_OBJECT, JSON, Action, Facts, Lens
from tui.kinds.sections import conditions, events, identity
from tui.kinds.words import general_tone, status_tone
from tui.tones import Tone


def lens(resource: Resource) -> Lens:
    actions = ANY_OBJECT | ({Action.SCALE} if "scale" in resource.subresources else set())
    return Lens(resource=resource, tone=general_tone, describe=describe, actions=actions)


def describe(obj: JSON, facts: Facts) -> Document:
    doc = Document()
    identity(doc, obj, facts)
    for section in ("spec", "data", "status"):
        value = obj.get(section)
        if isinstance(value, dict) and value:
            doc.heading(section.capitalize())
            rest = {k: v for k, v in value.items() if k != "conditions"} if section == "status" else value
            tree(doc, rest)
    others = {k: v for k, v in obj.items() if k not in _KNOWN and v not in (None, {}, [])}
    if others:
        doc.heading("More")
        tree(doc, others)
    status = obj.get("status")
    conditions(doc, status.get("conditions") if isinstance(status, dict) else None, facts)
    events(doc, facts)
    return doc


_KNOWN = frozenset({"apiVersion", "kind", "metadata", "spec", "data", "status"})


def tree(doc: Document, value: Any, *, indent: int = 1) -> None:
    """Nested fields, two spaces a level; short lists on one line."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(inner, dict | list) and inner and not _short(inner):
                doc.spans(((str(key), Tone.MUTED),), indent=indent)
                tree(doc, inner, indent=indent + 1)
            else:
                doc.field(
                    str(key), _inline(inner), status_tone(str(inner)) if key == "phase" else Tone.TEXT, indent=indent
                )
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            if isinstance(inner, dict | list):
                name = inner.get("name") if isinstance(inner, dict) else None
                doc.spans(((f"- {name}" if name else f"- [{number}]", Tone.KEY),), indent=indent)
                rest = {k: v for k, v in inner.items() if k != "name"} if isinstance(inner, dict) else inner
                tree(doc, rest, indent=indent + 1)
            else:
                doc.spans((("- ", Tone.FAINT), (_inline(inner), Tone.TEXT)), indent=indent)
    else:
        doc.text(_inline(value), indent=indent)


def _short(value: Any) -> bool:
    return isinstance(value, list) and all(not isinstance(v, dict | list) for v in value) and len(_inline(value)) <= 60


def _inline(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_inline(v) for v in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None or value == {} else str(value).replace("\n", "⏎")
