"""Findings as lines of a document. Pure."""

from collections.abc import Sequence

from tui.document import EMPTY, Document, Line
from tui.kinds.why.case import Case, Finding
from tui.tones import Tone

LABEL = 8


def lines(case: Case, found: Sequence[Finding]) -> list[Line]:
    """The whole panel: each verdict with its evidence and the next step."""
    doc = Document()
    doc.heading(f"{case.kind} {case.name}", case.namespace)
    if not found:
        return [*doc.lines, EMPTY, *_nothing(case)]
    for number, one in enumerate(found):
        doc.lines.append(EMPTY)
        doc.spans((("✕ " if number == 0 else "· ", Tone.BAD if number == 0 else Tone.WARN), (one.verdict, Tone.TEXT)))
        for line in one.evidence:
            doc.spans((("because".ljust(LABEL), Tone.FAINT), (line, Tone.MUTED)), indent=2)
        doc.spans((("next".ljust(LABEL), Tone.FAINT), *_step(one)), indent=2)
        if one.command:
            doc.spans((("or".ljust(LABEL), Tone.FAINT), (one.command, Tone.STRING)), indent=2)
    return doc.lines


def _step(one: Finding) -> list[tuple[str, Tone]]:
    key = [(f"{one.key}  ", Tone.KEY)] if one.key else []
    return [*key, (one.step, Tone.TEXT)]


def _nothing(case: Case) -> list[Line]:
    warning = next((event for event in reversed(case.events) if event.get("type") == "Warning"), None)
    said: list[Line] = [(("  Nothing is known to be wrong.", Tone.OK),)]
    if warning is not None:
        said += [
            EMPTY,
            (("  The last warning, whatever it means: ", Tone.MUTED),),
            ((f"  {warning.get('reason', '')}: {warning.get('message', '')}", Tone.WARN),),
        ]
    return said


def summary(found: Sequence[Finding]) -> list[Line]:
    """For the top of a description: the first verdict, and how to read the rest."""
    if not found:
        return []
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return [
        (("Why?", Tone.HEADING), ("  ", Tone.TEXT), (found[0].verdict, Tone.WARN)),
        (("      ", Tone.TEXT), ("w", Tone.KEY), (f" evidence and what to do{more}", Tone.FAINT)),
        EMPTY,
    ]
