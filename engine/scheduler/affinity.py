"""InterPodAffinity: pods that want to be near others, or far from them.

Semantics and texts: pkg/scheduler/framework/plugins/interpodaffinity.
"""

from collections.abc import Iterable, Mapping, Sequence

from engine.scheduler.filters import Refusal
from engine.scheduler.machine import Machine
from engine.scheduler.profile import Profile
from engine.scheduler.scores import MAXIMUM
from engine.scheduler.shape import Kind, Shape
from engine.scheduler.snapshot import Snapshot
from engine.scheduler.terms import PodTerm

AFFINITY = Refusal(("node(s) didn't match pod affinity rules",), plugin="InterPodAffinity")
ANTI_AFFINITY = Refusal(("node(s) didn't match pod anti-affinity rules",), curable=True, plugin="InterPodAffinity")
OTHERS_ANTI_AFFINITY = Refusal(
    ("node(s) didn't satisfy existing pods anti-affinity rules",), curable=True, plugin="InterPodAffinity"
)

Counts = dict[str, dict[str, int]]
"""By label of the machines, by its value."""


class Required:
    """The terms that must hold, for pods of one shape; kept up as pods are placed.

    A pod must match all affinity terms of the shape to count for any of them, as upstream has it.
    """

    def __init__(self, snapshot: Snapshot, shape: Shape) -> None:
        self._snapshot = snapshot
        self._kind = shape.kind
        self._near: Counts = {}
        self._far: Counts = {}
        self._others: Counts = {}
        if shape.kind.affinity:
            for use in snapshot.kinds_of(shape.kind.affinity[0]):
                if self._is_near(use.kind):
                    self._count_all(self._near, shape.kind.affinity, use.where)
        for term in shape.kind.anti_affinity:
            for use in snapshot.kinds_of(term):
                self._count_all(self._far, (term,), use.where)
        for use in snapshot.kinds_with_terms():
            self._count_all(self._others, self._against_us(use.kind), use.where)
        self._matches_itself = self._is_near(shape.kind)

    @property
    def idle(self) -> bool:
        """Nothing can be refused, whatever pods of this shape are placed."""
        return not self._others and not self._kind.affinity and not self._kind.anti_affinity

    def refusal(self, machine: Machine) -> Refusal | None:
        labels = machine.labels
        if not self._near_enough(labels):
            return AFFINITY
        if _any_counted(self._far, labels):
            return ANTI_AFFINITY
        return OTHERS_ANTI_AFFINITY if _any_counted(self._others, labels) else None

    def blocked(self) -> list[tuple[str, frozenset[str]]]:
        """Labels and their values at which pods keep this one out."""
        found: list[tuple[str, frozenset[str]]] = []
        for counts in (self._far, self._others):
            found += ((key, frozenset(v for v, n in by.items() if n > 0)) for key, by in counts.items())
        return found

    def needs_neighbours(self) -> bool:
        return bool(self._kind.affinity)

    def shift(self, kind: Kind, machine: Machine, sign: int) -> None:
        """A pod of this kind came to the machine, or left it."""
        where = {machine.name: sign}
        if self._kind.affinity and self._is_near(kind):
            self._count_all(self._near, self._kind.affinity, where, machine)
        for term in self._kind.anti_affinity:
            if self._snapshot.selects(term, kind):
                self._count_all(self._far, (term,), where, machine)
        if kind.anti_affinity:
            self._count_all(self._others, self._against_us(kind), where, machine)

    def _near_enough(self, labels: Mapping[str, str]) -> bool:
        terms = self._kind.affinity
        if not terms:
            return True
        if any(term.key not in labels for term in terms):
            return False
        if all(self._near.get(term.key, {}).get(labels[term.key], 0) > 0 for term in terms):
            return True
        # The first of a group whose pods want each other may go anywhere.
        nobody = not any(count for by in self._near.values() for count in by.values())
        return nobody and self._matches_itself

    def _is_near(self, kind: Kind) -> bool:
        terms = self._kind.affinity
        return bool(terms) and all(self._snapshot.selects(term, kind) for term in terms)

    def _against_us(self, kind: Kind) -> list[PodTerm]:
        return [term for term in kind.anti_affinity if self._snapshot.selects(term, self._kind)]

    def _count_all(
        self, counts: Counts, terms: Iterable[PodTerm], where: Mapping[str, int], at: Machine | None = None
    ) -> None:
        for term in terms:
            by = counts.setdefault(term.key, {})
            for name, count in where.items():
                machine = at if at is not None else self._snapshot.machine(name)
                value = machine.labels.get(term.key) if machine is not None else None
                if value is not None:
                    by[value] = by.get(value, 0) + count


def _any_counted(counts: Counts, labels: Mapping[str, str]) -> bool:
    return any((value := labels.get(key)) is not None and by.get(value, 0) > 0 for key, by in counts.items())


class Preferred:
    """Scores by the terms that should hold: the pod's own, and those of pods that are there already."""

    def __init__(self, snapshot: Snapshot, candidates: Sequence[Machine], shape: Shape, profile: Profile) -> None:
        self._snapshot = snapshot
        self._candidates = list(candidates)
        self._shape = shape
        self._profile = profile
        self._points: Counts = {}
        for wish in shape.kind.preferred:
            for use in snapshot.kinds_of(wish.term):
                self._add(wish.term.key, wish.weight, use.where)
        own = bool(shape.kind.affinity or shape.kind.anti_affinity or shape.kind.preferred)
        if own or not profile.ignore_others_wishes:
            for use in snapshot.kinds_with_terms():
                for key, weight in self._wishes_of(use.kind):
                    self._add(key, weight, use.where)
        self._grows = [
            *((w.term.key, w.weight) for w in shape.kind.preferred if snapshot.selects(w.term, shape.kind)),
            *self._wishes_of(shape.kind),
        ]
        """What each pod of the shape that is placed adds for the next."""
        self._values = {key: [m.labels.get(key) for m in candidates] for key in self._keys()}

    @property
    def idle(self) -> bool:
        return not self._points and not self._grows

    def remove(self, index: int) -> None:
        """This candidate is out of the running."""
        del self._candidates[index]
        for values in self._values.values():
            del values[index]

    def placed(self, index: int) -> None:
        machine = self._candidates[index]
        for key, weight in self._grows:
            value = machine.labels.get(key)
            if value is not None:
                by = self._points.setdefault(key, {})
                by[value] = by.get(value, 0) + weight

    def scores(self) -> list[int]:
        """0 to 100 for each candidate."""
        raw = [0] * len(self._candidates)
        for key, by in self._points.items():
            get = by.get
            raw = [
                sofar + (get(value, 0) if value is not None else 0)
                for sofar, value in zip(raw, self._values[key], strict=True)
            ]
        highest, lowest = max(raw, default=0), min(raw, default=0)
        if highest == lowest:
            return [0] * len(raw)
        return [int(MAXIMUM * ((value - lowest) / (highest - lowest))) for value in raw]

    def _wishes_of(self, kind: Kind) -> list[tuple[str, int]]:
        """What pods of that kind, being there, say about ours: (label, points)."""
        found: list[tuple[str, int]] = []
        hard = self._profile.hard_affinity_weight
        if hard:
            found += ((t.key, hard) for t in kind.affinity if self._snapshot.selects(t, self._shape.kind))
        found += ((w.term.key, w.weight) for w in kind.preferred if self._snapshot.selects(w.term, self._shape.kind))
        return found

    def _keys(self) -> set[str]:
        return {*self._points, *(key for key, _ in self._grows)}

    def _add(self, key: str, weight: int, where: Mapping[str, int]) -> None:
        by = self._points.setdefault(key, {})
        for name, count in where.items():
            machine = self._snapshot.machine(name)
            value = machine.labels.get(key) if machine is not None else None
            if value is not None:
                by[value] = by.get(value, 0) + weight * count
