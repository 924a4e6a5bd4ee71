"""A rollout as lines and rows: bars of old and new pods, conditions, the table of revisions. Pure."""

from collections.abc import Sequence
from typing import Any

from apimachinery.objects.meta import parse_time
from tui.document import EMPTY, Document, Line, Span
from tui.kinds.lens import Facts
from tui.kinds.rollout import Revision, rollout_status
from tui.kinds.sections import conditions
from tui.rows import Column, Moment, Row
from tui.tones import Tone

JSON = dict[str, Any]

ROOM_FOR_MESSAGES = 70

COLUMNS = (
    Column("Revision", "integer"),
    Column("Replica Set"),
    Column("Pods"),
    Column("Image"),
    Column("Age"),
    Column("Cause"),
)


def revision_row(revision: Revision) -> Row:
    created = Moment(parse_time(revision.created).timestamp()) if revision.created else ""
    pods = f"{revision.ready}/{revision.wanted}" if revision.wanted or revision.there else "-"
    return Row(
        revision.name,
        "",
        revision.name,
        (revision.number, revision.name, pods, ", ".join(revision.images), created, revision.cause),
    )


def status_lines(deployment: JSON, revisions: Sequence[Revision], now: float, *, width: int) -> list[Line]:
    """The state in kubectl's words, a bar for each ReplicaSet that has or wants pods, the conditions."""
    state = rollout_status(deployment)
    paused = bool((deployment.get("spec") or {}).get("paused"))
    sign, tone = ("✓", Tone.OK) if state.done else ("✕", Tone.BAD) if state.failed else ("◌", Tone.WARN)
    head: list[Span] = [(f" {sign} ", tone), (state.text, tone)]
    if paused:
        head.append(("  paused", Tone.ACCENT))
    lines: list[Line] = [tuple(head), EMPTY]
    lines += bars(deployment, revisions, width=width)
    doc = Document()
    listed = (deployment.get("status") or {}).get("conditions") or []
    if width < ROOM_FOR_MESSAGES:
        listed = [c if c.get("status") == "False" else {**c, "message": ""} for c in listed]
    conditions(doc, listed, Facts(now=now))
    # The heading's room is better spent: the table's own titles say what it is.
    return [*lines, EMPTY, *doc.lines[2:], EMPTY]


def bars(deployment: JSON, revisions: Sequence[Revision], *, width: int) -> list[Line]:
    """`■` ready, `□` there but not ready, `·` still missing: new above old."""
    wanted = (deployment.get("spec") or {}).get("replicas", 1)
    active = [revision for revision in revisions if revision.current or revision.wanted or revision.there]
    most = max([wanted, 1, *(max(r.there, r.wanted) for r in active)])
    scale = min(1.0, width / most) if most else 1.0
    cell = 2 if most * 2 <= width else 1
    lines: list[Line] = []
    for revision in active:
        target = wanted if revision.current else revision.wanted
        ready, starting = revision.ready, max(0, revision.there - revision.ready)
        missing = max(0, target - revision.there)
        parts = [round(number * scale) for number in (ready, starting, missing)]
        word = "new" if revision.current else "old"
        lines.append(
            (
                (f" {word} ", Tone.ACCENT if revision.current else Tone.MUTED),
                (f"revision {revision.number}".ljust(14), Tone.TEXT if revision.current else Tone.MUTED),
                (("■" * parts[0] if cell == 1 else "■ " * parts[0]), Tone.OK if revision.current else Tone.MUTED),
                (("□" * parts[1] if cell == 1 else "□ " * parts[1]), Tone.WARN),
                (("·" * parts[2] if cell == 1 else "· " * parts[2]), Tone.FAINT),
                (f" {ready}/{target}", Tone.MUTED),
                (f"  {', '.join(revision.images)}", Tone.TEXT if revision.current else Tone.MUTED),
            )
        )
    return lines


def revision_tone(row: Row, column: Column, text: str) -> Tone:
    if column.name == "Pods":
        return Tone.FAINT if text == "-" else Tone.TEXT
    if column.name in ("Age", "Replica Set"):
        return Tone.MUTED
    return Tone.ACCENT if column.name == "Revision" and row.cells[2] != "-" else Tone.TEXT
