"""What a load on hollow machines gave, in words."""

from pilothouse.hollow import objectives
from pilothouse.hollow.load import Phase, percentile

CLASSES = (
    ("calls that change", objectives.MUTATING, ""),
    ("reads of one object", frozenset({"GET"}), "resource"),
    ("lists", frozenset({"LIST"}), ""),
)
"""Of the objectives: each has a limit of its own."""


def rows(phases: list[Phase]) -> list[tuple[str, str]]:
    """(what, measured), phase by phase."""
    found: list[tuple[str, str]] = []
    for phase in phases:
        found.append((f"{phase.name}: all done", f"{phase.seconds:.1f} s"))
        if phase.bound:
            rate = len(phase.bound) / phase.seconds
            found += [
                (f"{phase.name}: pods given a machine", f"{rate:.0f}/s, {phase.busiest:.0f}/s in the busiest 10 s"),
                (f"{phase.name}: pod {phase.since} to given a machine", _spread(phase.bound)),
                (f"{phase.name}: pod {phase.since} to ready", _spread(phase.ready)),
            ]
        found += [
            (f"{phase.name}: requests of the machines", f"{len(phase.requests)}, {_spread(phase.requests)}"),
            (f"{phase.name}: GET by somebody else", _spread(phase.probes)),
        ]
        for what, verbs, scope in CLASSES:
            slowest, whose = objectives.worst(phase.answered, verbs, scope)
            if whose:
                found.append((f"{phase.name}: {what}, the server's own p99", f"{_shown(slowest)} ({whose})"))
        if phase.memory_mb:
            share = 100 * phase.cpu / phase.seconds
            found.append(
                (f"{phase.name}: engine", f"{phase.memory_mb:.0f} MB, {phase.cpu:.0f} s CPU ({share:.0f} % of a core)")
            )
    return found


def _spread(values: list[float]) -> str:
    return f"p50 {_shown(percentile(values, 0.5))}, p99 {_shown(percentile(values, 0.99))}"


def _shown(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
