"""Replacing daemon pods by those of a new version, a few machines at a time (upstream's update.go)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from engine.controllers.daemonset.views import DaemonSet
from engine.controllers.history import HASH_LABEL
from engine.controllers.podstate import is_available, is_terminating
from engine.controllers.views import Pod


@dataclass(slots=True)
class Step:
    """Pods to delete, machines (by name) to make a pod for."""

    delete: list[Pod] = field(default_factory=list[Pod])
    create: list[str] = field(default_factory=list[str])


def rolling_step(
    daemon_set: DaemonSet,
    by_node: Mapping[str, Sequence[Pod]],
    digest: str,
    allowances: tuple[int, int],
    now: datetime,
) -> Step:
    """What may be replaced now. `allowances`: (surge, unavailable)."""
    surge, unavailable = allowances

    def available(pod: Pod) -> bool:
        return is_available(pod, daemon_set.spec.min_ready_seconds, now)

    pairs = {name: _versions(pods, digest) for name, pods in sorted(by_node.items())}
    if surge:
        return _by_surge(pairs, surge, available)
    return _in_place(pairs, unavailable, available)


Pair = tuple[Pod | None, Pod | None]
"""The pods of the new and of an old version on one machine."""


def _versions(pods: Sequence[Pod], digest: str) -> Pair | None:
    """None while the machine is in a state that must settle first: a pod is leaving, or there are too many."""
    new: Pod | None = None
    old: Pod | None = None
    for pod in pods:
        current = pod.metadata.labels.get(HASH_LABEL) == digest
        if is_terminating(pod) or (new if current else old) is not None:
            return None
        if current:
            new = pod
        else:
            old = pod
    return new, old


def _in_place(pairs: Mapping[str, Pair | None], allowed: int, available: Callable[[Pod], bool]) -> Step:
    """Old pods go first; their machines are empty until the new ones run. One that does not work costs nothing."""
    down = 0
    broken: list[Pod] = []
    candidates: list[Pod] = []
    for pair in pairs.values():
        match pair:
            case None | (None, None):
                down += 1
            case (Pod() as new, None):
                down += not available(new)
            case (None, Pod() as old):
                (candidates if available(old) else broken).append(old)
            case _:
                down += 1
    return Step(delete=broken + candidates[: max(0, allowed - down)])


def _by_surge(pairs: Mapping[str, Pair | None], allowed: int, available: Callable[[Pod], bool]) -> Step:
    """New pods come first; an old one goes when its successor is available."""
    step = Step()
    surging = 0
    candidates: list[str] = []
    for name, pair in pairs.items():
        match pair:
            case None:
                surging += 1
            case (None, Pod() as old):
                (candidates if available(old) else step.create).append(name)
            case (Pod() as new, Pod() as old):
                if available(new):
                    step.delete.append(old)
                else:
                    surging += 1
            case _:
                pass
    step.create += candidates[: max(0, allowed - surging)]
    return step
