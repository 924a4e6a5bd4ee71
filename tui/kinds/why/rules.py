"""The table of all rules, and what they make of a case. Pure."""

from collections.abc import Iterator, Sequence

from tui.kinds.why import crashes, images, lifecycle, references, scheduling, surroundings, workloads
from tui.kinds.why.case import Case, Finding, Rule
from tui.kinds.why.workloads import WORKLOADS

RULES: tuple[Rule, ...] = (
    *lifecycle.RULES,
    *references.RULES,
    *images.RULES,
    *crashes.RULES,
    *scheduling.RULES,
    *workloads.RULES,
    *surroundings.RULES,
)
"""What explains most comes first."""


def explain(case: Case) -> list[Finding]:
    """Findings about the object, then about the pods that it stands for; the most telling first."""
    found = list(_own(case, general=False))
    if case.kind in WORKLOADS or case.kind == "Service":
        found += _of_pods(case)
    return found or list(_own(case, general=True))


def _own(case: Case, *, general: bool) -> Iterator[Finding]:
    seen: set[tuple[str, str]] = set()
    for rule in RULES:
        if rule.general is not general or not ({case.kind, "*"} & rule.kinds):
            continue
        for one in rule.check(case):
            if (one.rule, one.verdict) not in seen:
                seen.add((one.rule, one.verdict))
                yield one


def _of_pods(case: Case) -> list[Finding]:
    """What the pods suffer from, each ill told once with how many have it."""
    ills: dict[str, tuple[Finding, list[str]]] = {}
    for pod in case.pods or ():
        name = pod["metadata"]["name"]
        told = tuple(event for event in case.events if (event.get("involvedObject") or {}).get("name") == name)
        for one in _own(case.about({"kind": "Pod", **pod}, told), general=False):
            ills.setdefault(one.rule, (one, []))[1].append(name)
    return [_counted(one, names) for one, names in ills.values()]


def _counted(one: Finding, names: Sequence[str]) -> Finding:
    who = f"Pod {names[0]}" if len(names) == 1 else f"{len(names)} pods ({names[0]}, …)"
    return Finding(
        rule=one.rule,
        verdict=f"{who}: {one.verdict}",
        evidence=one.evidence,
        step=one.step,
        key=one.key,
        command=one.command,
    )
