"""Taints of machines and tolerations of pods: which taint a pod puts up with, and for how long."""

from collections.abc import Iterable, Sequence

import msgspec


class Taint(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Key and effect are its identity. `time_added` is set on NoExecute taints."""

    key: str
    effect: str
    value: str = ""
    time_added: str | None = None


class Toleration(msgspec.Struct, frozen=True, rename="camel"):
    key: str = ""
    operator: str = ""
    value: str = ""
    effect: str = ""
    toleration_seconds: int | None = None

    def tolerates(self, taint: Taint) -> bool:
        """An empty effect matches all effects; an empty key with Exists matches all taints."""
        if self.effect and self.effect != taint.effect:
            return False
        if self.key and self.key != taint.key:
            return False
        match self.operator:
            case "" | "Equal":
                return bool(self.key) and self.value == taint.value
            case "Exists":
                return True
            case _:
                return False


def tolerated(taint: Taint, tolerations: Iterable[Toleration]) -> bool:
    return any(toleration.tolerates(taint) for toleration in tolerations)


def first_untolerated(
    taints: Iterable[Taint], tolerations: Sequence[Toleration], effects: Sequence[str]
) -> Taint | None:
    """The first taint of one of these effects that no toleration matches."""
    return next((t for t in taints if t.effect in effects and not tolerated(t, tolerations)), None)


def seconds_tolerated(taints: Iterable[Taint], tolerations: Sequence[Toleration]) -> float | None:
    """How long a pod stays on a machine with these NoExecute taints: 0 not at all, None for ever."""
    shortest: float | None = None
    for taint in taints:
        matching = [t for t in tolerations if t.tolerates(taint)]
        if not matching:
            return 0.0
        limits = [max(0, t.toleration_seconds) for t in matching if t.toleration_seconds is not None]
        if limits:
            shortest = min(limits) if shortest is None else min(shortest, *limits)
    return None if shortest is None else float(shortest)
