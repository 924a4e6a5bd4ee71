"""The outcome as a page: the worst first, then all of it. Pure."""

from collections import Counter
from collections.abc import Sequence

from tui.document import Document, Line, Span
from tui.kinds.whatif.fitting import Machine
from tui.kinds.whatif.loss import Fate, Going, How, Observed, Outcome
from tui.tones import Tone

_TONES = {
    Fate.LOST: Tone.BAD,
    Fate.STUCK: Tone.BAD,
    Fate.WAITS: Tone.WARN,
    Fate.MOVES: Tone.OK,
    Fate.WITH_IT: Tone.MUTED,
}
RESOURCES = ("cpu", "memory", "pods")


def lines(found: Outcome, seen: Observed, names: Sequence[str], how: How) -> list[Line]:
    doc = Document(key_width=13)
    doc.heading(f"If {', '.join(names)} {'is' if len(names) == 1 else 'are'} {how}")
    _summary(doc, found)
    _services(doc, found)
    _volumes(doc, found)
    _budgets(doc, found, how)
    doc.heading("Pods", _counted(found.going))
    for one in found.going:
        _pod(doc, one)
    _room(doc, found)
    doc.heading("How this was judged")
    doc.text("Requests, taints, node selectors and affinity, host ports, volumes; the roomiest machine is taken.")
    doc.text("Not judged: preferences, affinity between pods, topology spread, preemption.", Tone.MUTED)
    if how is How.LOST:
        doc.text("Pods of a lost machine stay until their tolerations end: 5 minutes, if they say nothing.", Tone.MUTED)
    if seen.unread:
        doc.text(f"Could not be read: {', '.join(seen.unread)}. Nothing is said about them.", Tone.WARN)
    return doc.lines


def _summary(doc: Document, found: Outcome) -> None:
    stuck = sum(one.fate in (Fate.STUCK, Fate.LOST) for one in found.going)
    dark = sum(one.whole for one in found.services)
    bad: list[Span] = []
    if stuck:
        bad.append((f"{stuck} pod{'s' if stuck > 1 else ''} would not run elsewhere", Tone.BAD))
    if dark:
        bad.append((f"{dark} Service{'s' if dark > 1 else ''} without any endpoint for a while", Tone.BAD))
    used = [one for one in found.volumes if one.users]
    if used:
        bad.append((f"{len(used)} volume{'s' if len(used) > 1 else ''} in use out of reach", Tone.BAD))
    if not bad:
        bad.append(("Everything that must run fits elsewhere", Tone.OK))
    for span in bad:
        doc.spans((span,))


def _services(doc: Document, found: Outcome) -> None:
    if not found.services:
        return
    doc.heading("Services", "until the pods that follow are ready")
    doc.table(
        ("SERVICE", "READY ENDPOINTS", ""),
        [
            (
                f"{one.namespace}/{one.name}",
                f"{one.ready} → {one.ready - one.lost}",
                ("answers nobody", Tone.BAD) if one.whole else ("goes on", Tone.OK),
            )
            for one in found.services
        ],
    )


def _volumes(doc: Document, found: Outcome) -> None:
    if not found.volumes:
        return
    doc.heading("Volumes", "usable nowhere else")
    doc.table(
        ("VOLUME", "CLAIM", "USED BY"),
        [
            (one.name, one.claim or "-", (", ".join(one.users) or "nobody", Tone.BAD if one.users else Tone.MUTED))
            for one in found.volumes
        ],
    )


def _budgets(doc: Document, found: Outcome, how: How) -> None:
    if not found.budgets:
        return
    doc.heading("Disruption budgets", "" if how is How.DRAINED else "which a lost machine does not ask")
    rows: list[tuple[str, str, Span]] = []
    for one in found.budgets:
        if how is How.LOST:
            left = one.healthy - one.leaving
            words = (
                f"{max(left, 0)} healthy left of {one.desired} wanted",
                Tone.BAD if left < one.desired else Tone.OK,
            )
        elif one.allowed:
            words = (f"lets {one.allowed} go at a time: the drain goes step by step", Tone.WARN)
        else:
            words = ("lets none go now: the drain waits", Tone.BAD)
        rows.append((f"{one.namespace}/{one.name}", f"{one.leaving} leave", words))
    doc.table(("BUDGET", "PODS", ""), rows)


def _pod(doc: Document, one: Going) -> None:
    fate = f"moves to {one.to}" if one.fate is Fate.MOVES else f"waits, then {one.to}" if one.to else str(one.fate)
    doc.spans(((f"{one.namespace}/{one.name}  ", Tone.TEXT), (fate, _TONES[one.fate])))
    for text, tone in ((one.why, Tone.WARN), (one.note, Tone.MUTED)):
        if text:
            doc.text(text, tone, indent=3)


def _counted(going: Sequence[Going]) -> str:
    counts = Counter(one.fate for one in going)
    return ", ".join(f"{counts[fate]} {fate.value}" for fate in Fate if counts[fate]) or "none"


def _room(doc: Document, found: Outcome) -> None:
    if not found.after:
        return
    doc.heading("Machines that stay", "requested of what they have for pods")
    rows: list[list[str | Span]] = []
    for name, after in sorted(found.after.items()):
        rows.append([name, *(_share(found.before[name], after, resource) for resource in RESOURCES)])
    doc.table(("MACHINE", *(one.upper() for one in RESOURCES)), rows)


def _share(before: Machine, after: Machine, resource: str) -> Span:
    if resource not in after.allocatable:
        return ("-", Tone.FAINT)
    old, new = before.share(resource), after.share(resource)
    tone = Tone.BAD if new > 1 else Tone.WARN if new > 0.9 else Tone.TEXT
    return (f"{old:.0%} → {new:.0%}" if round(old, 2) != round(new, 2) else f"{old:.0%}", tone)
