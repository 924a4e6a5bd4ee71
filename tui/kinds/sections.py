"""The parts that every description has: identity, conditions, events. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from apimachinery.objects.meta import parse_time
from tui.ages import human_duration
from tui.document import Document, Span
from tui.kinds.lens import JSON, Facts
from tui.tones import Tone

_QUIET_ANNOTATIONS = ("kubectl.kubernetes.io/last-applied-configuration",)


def meta_of(obj: JSON) -> JSON:
    return obj.get("metadata") or {}


def age(stamp: str | None, now: float) -> str:
    """How long ago; empty for no stamp."""
    return human_duration(now - parse_time(stamp).timestamp()) if stamp else ""


def identity(doc: Document, obj: JSON, facts: Facts) -> None:
    meta = meta_of(obj)
    title = f"{obj.get('kind', '')} {meta.get('name', '')}".strip()
    doc.heading(title, meta.get("namespace", ""))
    doc.field("Age", f"{age(meta.get('creationTimestamp'), facts.now)}  ({meta.get('creationTimestamp', '')})")
    if meta.get("deletionTimestamp"):
        doc.field("Deleting", f"since {age(meta['deletionTimestamp'], facts.now)} ago", Tone.WARN)
        doc.field("Finalizers", ", ".join(meta.get("finalizers") or ()))
    for owner in meta.get("ownerReferences") or ():
        doc.field("Controlled by" if owner.get("controller") else "Owned by", f"{owner['kind']}/{owner['name']}")
    doc.pairs("Labels", meta.get("labels"))
    annotations = {k: v for k, v in (meta.get("annotations") or {}).items() if k not in _QUIET_ANNOTATIONS}
    doc.pairs("Annotations", annotations)


def latest_warning(doc: Document, facts: Facts) -> None:
    """What last went wrong, where it is seen first; the whole story stands under Events."""
    warning = next((event for event in reversed(facts.events) if event.get("type") == "Warning"), None)
    if warning is not None:
        ago = age(event_time(warning), facts.now)
        doc.field(
            "Warning", f"{warning.get('reason', '')}, {ago} ago: {_one_line(warning.get('message', ''))}", Tone.WARN
        )


def conditions(
    doc: Document, listed: Iterable[Mapping[str, Any]] | None, facts: Facts, *, bad_when_true: bool = False
) -> None:
    """`bad_when_true`: conditions other than Ready say what is wrong (nodes), instead of what is right."""
    rows = [_condition(c, facts, bad_when_true=bad_when_true) for c in listed or ()]
    if rows:
        doc.heading("Conditions")
        doc.table(("TYPE", "STATUS", "SINCE", "REASON", "MESSAGE"), rows)


def _condition(condition: Mapping[str, Any], facts: Facts, *, bad_when_true: bool) -> list[Span]:
    kind, status = condition.get("type", ""), condition.get("status", "")
    good = "False" if bad_when_true and kind != "Ready" else "True"
    if kind == "ReplicaFailure":
        good = "False"
    tone = Tone.OK if status == good else Tone.BAD if status != "Unknown" else Tone.WARN
    since = condition.get("lastTransitionTime")
    return [
        (kind, Tone.TEXT),
        (status, tone),
        (age(since, facts.now), Tone.MUTED),
        (condition.get("reason", ""), Tone.TEXT),
        (_one_line(condition.get("message", "")), Tone.MUTED),
    ]


def events(doc: Document, facts: Facts) -> None:
    doc.heading("Events")
    if not facts.events:
        doc.text("none in the last hour", Tone.FAINT)
        return
    rows: list[list[Span]] = []
    for event in facts.events:
        warning = event.get("type") == "Warning"
        count = event.get("count") or (event.get("series") or {}).get("count") or 1
        times = f" x{count}" if count > 1 else ""
        rows.append(
            [
                (age(event_time(event), facts.now), Tone.MUTED),
                (f"{event.get('reason', '')}{times}", Tone.WARN if warning else Tone.TEXT),
                (_one_line(event.get("message", "")), Tone.TEXT if warning else Tone.MUTED),
            ]
        )
    doc.table(("LAST", "REASON", "MESSAGE"), rows)


def event_time(event: Mapping[str, Any]) -> str:
    """When it last happened, wherever this event keeps it."""
    series = event.get("series") or {}
    stamp = event.get("lastTimestamp") or series.get("lastObservedTime") or event.get("eventTime")
    return stamp or meta_of(dict(event)).get("creationTimestamp") or ""


def _one_line(text: str) -> str:
    return " ".join(text.split())
