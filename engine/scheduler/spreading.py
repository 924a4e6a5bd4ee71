"""PodTopologySpread: pods that a selector picks, spread evenly over the values of a machine label.

Semantics and texts: pkg/scheduler/framework/plugins/podtopologyspread.
"""

import math
from collections.abc import Mapping, Sequence

from apimachinery.objects.taints import first_untolerated
from engine.scheduler.filters import Refusal
from engine.scheduler.machine import Machine
from engine.scheduler.scores import MAXIMUM
from engine.scheduler.shape import Kind, Shape
from engine.scheduler.snapshot import KindUse, Snapshot
from engine.scheduler.terms import HOSTNAME, Spread

NO_LABEL = Refusal(
    ("node(s) didn't match pod topology spread constraints (missing required label)",), plugin="PodTopologySpread"
)
TOO_SKEWED = Refusal(
    ("node(s) didn't match pod topology spread constraints",), curable=True, plugin="PodTopologySpread"
)


class HardSpread:
    """The constraints that no machine may break (DoNotSchedule), for pods of one shape; kept up as pods are placed."""

    def __init__(
        self, snapshot: Snapshot, machines: Sequence[Machine], shape: Shape, spreads: Sequence[Spread]
    ) -> None:
        self._shape = shape
        self._spreads = spreads
        self._counts = [_counts(snapshot, machines, shape, one, spreads) for one in spreads]
        self._own = [one.selector.matches(shape.kind.labels) for one in spreads]

    def refusal(self, machine: Machine) -> Refusal | None:
        for spread, counts, own in zip(self._spreads, self._counts, self._own, strict=True):
            value = machine.labels.get(spread.key)
            if value is None:
                return NO_LABEL
            if counts.get(value, 0) + own - _least(spread, counts) > spread.max_skew:
                return TOO_SKEWED
        return None

    def open_values(self) -> list[tuple[str, frozenset[str], bool]]:
        """For each constraint its label, the counted values that may take one more, and whether uncounted ones may."""
        found: list[tuple[str, frozenset[str], bool]] = []
        for spread, counts, own in zip(self._spreads, self._counts, self._own, strict=True):
            room = spread.max_skew - own + _least(spread, counts)
            still_open = frozenset(value for value, count in counts.items() if count <= room)
            found.append((spread.key, still_open, room >= 0))
        return found

    def counts_value(self, key: str, value: str) -> bool:
        """Whether machines with this value of the label are among those counted."""
        return any(value in counts for one, counts in zip(self._spreads, self._counts, strict=True) if one.key == key)

    def shift(self, kind: Kind, machine: Machine, sign: int) -> None:
        """A pod of this kind came to the machine, or left it."""
        if kind.namespace != self._shape.kind.namespace or kind.terminating:
            return
        if not all(one.key in machine.labels for one in self._spreads):
            return
        for spread, counts in zip(self._spreads, self._counts, strict=True):
            if spread.selector.matches(kind.labels) and _included(self._shape, spread, machine):
                value = machine.labels[spread.key]
                counts[value] = counts.get(value, 0) + sign


def _least(spread: Spread, counts: Mapping[str, int]) -> int:
    """The emptiest domain's count: 0 where there are fewer domains than there should be."""
    if len(counts) < spread.min_domains:
        return 0
    # With no domain at all there is nothing to be uneven with; upstream starts from the highest number.
    return min(counts.values(), default=2**31 - 1)


def _counts(
    snapshot: Snapshot, machines: Sequence[Machine], shape: Shape, spread: Spread, spreads: Sequence[Spread]
) -> dict[str, int]:
    """By value of the label the pods that count, over the machines that do."""
    eligible: dict[str, str] = {}
    counts: dict[str, int] = {}
    for machine in machines:
        if all(one.key in machine.labels for one in spreads) and _included(shape, spread, machine):
            value = machine.labels[spread.key]
            eligible[machine.name] = value
            counts[value] = 0
    for use in _selected(snapshot, shape, spread):
        for name, count in use.where.items():
            value = eligible.get(name)
            if value is not None:
                counts[value] += count
    return counts


def _selected(snapshot: Snapshot, shape: Shape, spread: Spread) -> list[KindUse]:
    return [
        use
        for use in snapshot.kinds_in(shape.kind.namespace)
        if not use.kind.terminating and spread.selector.matches(use.kind.labels)
    ]


def _included(shape: Shape, spread: Spread, machine: Machine) -> bool:
    """Whether pods on this machine count (nodeAffinityPolicy, nodeTaintsPolicy)."""
    if spread.honors_affinity and not shape.required_nodes_match(machine.labels, machine.name):
        return False
    if not spread.honors_taints or machine.node is None:
        return True
    taints = machine.node.spec.taints
    return first_untolerated(taints, shape.tolerations, ("NoSchedule", "NoExecute")) is None


class SoftSpread:
    """The constraints that a placement should keep (ScheduleAnyway): scores of the machines that passed all filters.

    `candidates` stand in the order in which `scores` answers. `all_labels`: machines that lack one of the labels score
    nothing.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        candidates: Sequence[Machine],
        shape: Shape,
        spreads: Sequence[Spread],
        *,
        all_labels: bool,
    ) -> None:
        self._shape = shape
        self._spreads = spreads
        self._candidates = list(candidates)
        keys = [one.key for one in spreads]
        self._values = [[m.labels.get(key) for m in candidates] for key in keys]
        self._ignored: list[bool] | None = None
        if all_labels and any(None in values for values in self._values):
            self._ignored = [None in values for values in zip(*self._values, strict=True)]
        self._counts: list[dict[str, int]] = []
        self._weights: list[float] = []
        for number, spread in enumerate(spreads):
            domains = self._domains(number)
            self._weights.append(self._weight(spread, len(domains)))
            self._counts.append(self._counted(snapshot, spread, domains, all_labels=all_labels))
        self._members: dict[int, dict[str, list[int]]] = {}
        """By constraint and value the candidates there."""
        self._raw = self._scores_of(range(len(candidates)))

    def remove(self, index: int) -> bool:
        """This candidate is out of the running. False when all must be counted anew."""
        if self._ignored is not None:
            return False
        del self._candidates[index]
        for number, values in enumerate(self._values):
            del values[index]
            spread = self._spreads[number]
            domains = len(values) if spread.key == HOSTNAME else len(self._domains(number))
            self._weights[number] = self._weight(spread, domains)
        self._members = {}
        self._raw = self._scores_of(range(len(self._candidates)))
        return True

    def _weight(self, spread: Spread, domains: int) -> float:
        # Every machine is a domain of its own by its name; upstream counts those that are in the running.
        size = len(self._candidates) - sum(self._ignored or ()) if spread.key == HOSTNAME else domains
        return math.log(size + 2)

    def _domains(self, number: int) -> set[str]:
        """The values of the label among the candidates that are scored."""
        values = self._values[number]
        if self._ignored is None:
            return {value or "" for value in values}
        return {value or "" for value, ignored in zip(values, self._ignored, strict=True) if not ignored}

    def _counted(self, snapshot: Snapshot, spread: Spread, domains: set[str], *, all_labels: bool) -> dict[str, int]:
        # Counts by machine are taken from the machine itself, whoever else may be let in.
        everywhere = spread.key == HOSTNAME
        keys = [one.key for one in self._spreads] if all_labels else []
        counts = dict.fromkeys(domains, 0)
        for use in _selected(snapshot, self._shape, spread):
            for name, count in use.where.items():
                machine = snapshot.machine(name)
                value = machine.labels.get(spread.key, "") if machine is not None else ""
                if (
                    machine is not None
                    and value in counts
                    and (everywhere or _included(self._shape, spread, machine))
                    and all(key in machine.labels for key in keys)
                ):
                    counts[value] += count
        return counts

    def _scores_of(self, indexes: Sequence[int]) -> list[int]:
        raw = [0.5] * len(indexes)
        for spread, counts, weight, values in zip(
            self._spreads, self._counts, self._weights, self._values, strict=True
        ):
            fixed = spread.max_skew - 1
            get = counts.get
            raw = [
                sofar if (value := values[index]) is None else sofar + get(value, 0) * weight + fixed
                for sofar, index in zip(raw, indexes, strict=True)
            ]
        return [int(value) for value in raw]

    def placed(self, index: int) -> list[int]:
        """One more pod of the shape is on this candidate; answers those whose score changed by that."""
        if self._ignored is not None and self._ignored[index]:
            return []
        machine = self._candidates[index]
        labels = self._shape.kind.labels
        stale: set[int] = set()
        for number, spread in enumerate(self._spreads):
            value = machine.labels.get(spread.key)
            if value is None or not spread.selector.matches(labels):
                continue
            if spread.key == HOSTNAME:
                self._counts[number][value] += 1
                stale.add(index)
            elif _included(self._shape, spread, machine):
                self._counts[number][value] += 1
                stale.update(self._where(number, value))
        changed = list(stale)
        for one, points in zip(changed, self._scores_of(changed), strict=True):
            self._raw[one] = points
        return changed

    def _where(self, number: int, value: str) -> list[int]:
        members = self._members.get(number)
        if members is None:
            members = self._members[number] = {}
            for index, one in enumerate(self._values[number]):
                if one is not None:
                    members.setdefault(one, []).append(index)
        return members.get(value, [])

    def scale(self) -> tuple[int, int] | None:
        """(highest and lowest together, highest): by them `scores` turns counts into points. None: ask `scores`."""
        if self._ignored is not None:
            return None
        highest = max(self._raw)
        return highest + min(self._raw), highest

    def raw(self) -> list[int]:
        return self._raw

    def scores(self) -> list[int]:
        """0 to 100 for each candidate."""
        if self._ignored is None:
            return _turned(self._raw)
        scored = iter(_turned([raw for raw, out in zip(self._raw, self._ignored, strict=True) if not out]))
        return [0 if out else next(scored) for out in self._ignored]


def _turned(raw: list[int]) -> list[int]:
    """Few pods are good: the lowest gets the most."""
    highest, lowest = max(raw, default=0), min(raw, default=0)
    if not highest:
        return [MAXIMUM] * len(raw)
    return [MAXIMUM * (highest + lowest - value) // highest for value in raw]
