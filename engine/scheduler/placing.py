"""Placing pods of one shape: each on the best machine that may take it, or the reasons why none does."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from engine.scheduler.filters import Refusal, refusal
from engine.scheduler.machine import Machine
from engine.scheduler.preemption import preemption_message
from engine.scheduler.scores import score
from engine.scheduler.shape import Shape
from engine.scheduler.snapshot import Snapshot

NO_NODES = "no nodes available to schedule pods"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    uid: str
    machine: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unplaceable:
    """`message` is what the pod's condition and event say."""

    uid: str
    message: str


def place(snapshot: Snapshot, shape: Shape, uids: Sequence[str]) -> list[Placement | Unplaceable]:
    """Place as many of these pods as fit, in order, and count them in the snapshot."""
    machines = list(snapshot.machines())
    refusals: dict[str, Refusal] = {}
    best: list[tuple[float, int, str, Machine]] = []
    for machine in machines:
        _rank(best, refusals, shape, machine)
    heapify(best)
    outcome: list[Placement | Unplaceable] = []
    for uid in uids:
        if not best:
            message = explain(len(machines), list(refusals.values()), shape)
            outcome.append(Unplaceable(uid=uid, message=message))
            continue
        machine = heappop(best)[-1]
        snapshot.assume(uid, shape, machine.name)
        outcome.append(Placement(uid=uid, machine=machine.name))
        # Only the machine that took the pod has changed.
        _rank(best, refusals, shape, machine, pushing=True)
    return outcome


def _rank(
    best: list[tuple[float, int, str, Machine]],
    refusals: dict[str, Refusal],
    shape: Shape,
    machine: Machine,
    *,
    pushing: bool = False,
) -> None:
    verdict = refusal(shape, machine)
    if verdict is not None:
        refusals[machine.name] = verdict
        return
    entry = (-score(shape, machine), machine.pods, machine.name, machine)
    if pushing:
        heappush(best, entry)
    else:
        best.append(entry)


def explain(count: int, refusals: Sequence[Refusal], shape: Shape) -> str:
    """Upstream's sentence: how many machines say no for which reason."""
    if not count:
        return NO_NODES
    reasons = Counter(reason for one in refusals for reason in one.reasons)
    counted = ", ".join(sorted(f"{number} {reason}" for reason, number in reasons.items()))
    return f"0/{count} nodes are available: {counted}. {preemption_message(count, refusals, shape)}"
