"""The status of a PodDisruptionBudget, by which evictions are allowed or refused (upstream's disruption.go)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from apimachinery.objects.meta import Object, format_time, parse_time
from apimachinery.objects.resources import PODDISRUPTIONBUDGETS
from engine.controllers.actions import About, Action, Emit, Note, RequeueAfter, SetStatus
from engine.controllers.controller import Source
from engine.controllers.podstate import is_ready, is_terminating
from engine.controllers.shares import scaled
from engine.controllers.views import Condition, Pod, condition_of

DELETION_PATIENCE = timedelta(minutes=2)
"""How long an evicted pod may take until its deletion begins; then it counts as staying."""


class BudgetSpec(msgspec.Struct, frozen=True, rename="camel"):
    min_available: int | str | None = None
    max_unavailable: int | str | None = None
    selector: dict[str, Any] | None = None


class BudgetCondition(Condition, frozen=True, rename="camel", omit_defaults=True):
    observed_generation: int | None = None


class BudgetStatus(msgspec.Struct, frozen=True, rename="camel"):
    observed_generation: int = 0
    disrupted_pods: dict[str, str] = {}
    disruptions_allowed: int = 0
    current_healthy: int = 0
    desired_healthy: int = 0
    expected_pods: int = 0
    conditions: tuple[BudgetCondition, ...] = ()


class Budget(Object, frozen=True):
    spec: BudgetSpec = BudgetSpec()
    status: BudgetStatus = BudgetStatus()


BUDGET_SOURCE = Source(PODDISRUPTIONBUDGETS, Budget)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    budget: Budget
    pods: tuple[Pod, ...]
    """Those that the budget selects."""
    scales: dict[str, int]
    """By uid of a controller of these pods, how many replicas it is asked for."""
    unscaled: str = ""
    """A pod whose controller has no known scale."""
    now: datetime


def plan(observed: Observed) -> list[Action]:
    budget = observed.budget
    if budget.metadata.deletion_timestamp is not None:
        return []
    counts = _expected_and_desired(observed)
    if counts is None:
        return _failed(observed)
    expected, desired = counts
    disrupted, told, wait = _disrupted(observed)
    healthy = sum(
        1 for pod in observed.pods if is_ready(pod) and not is_terminating(pod) and pod.metadata.name not in disrupted
    )
    allowed = max(0, healthy - desired) if expected > 0 else 0
    verdict = ("True", "SufficientPods") if allowed else ("False", "InsufficientPods")
    status = BudgetStatus(
        observed_generation=budget.metadata.generation,
        disrupted_pods=disrupted,
        disruptions_allowed=allowed,
        current_healthy=healthy,
        desired_healthy=desired,
        expected_pods=expected,
        conditions=_conditions(observed, *verdict, ""),
    )
    return told + _write(budget, status) + ([RequeueAfter(seconds=wait)] if wait is not None else [])


def _expected_and_desired(observed: Observed) -> tuple[int, int] | None:
    """None where a share needs the scale of a controller that has none."""
    spec, pods = observed.budget.spec, observed.pods
    if spec.max_unavailable is not None:
        if observed.unscaled:
            return None
        expected = sum(observed.scales.values())
        return expected, max(0, expected - scaled(spec.max_unavailable, expected, round_up=True))
    if isinstance(spec.min_available, int):
        return len(pods), spec.min_available
    if spec.min_available is None:
        return len(pods), 0
    if observed.unscaled:
        return None
    expected = sum(observed.scales.values())
    return expected, scaled(spec.min_available, expected, round_up=True)


def _disrupted(observed: Observed) -> tuple[dict[str, str], list[Action], float | None]:
    """Pods whose eviction was granted and has not begun yet; events for those that stayed; when to look again."""
    budget = observed.budget
    present = {pod.metadata.name: pod for pod in observed.pods}
    kept: dict[str, str] = {}
    told: list[Action] = []
    waits: list[float] = []
    for name, granted in budget.status.disrupted_pods.items():
        pod = present.get(name)
        if pod is None or is_terminating(pod):
            continue
        left = (parse_time(granted) + DELETION_PATIENCE - observed.now).total_seconds()
        if left > 0:
            kept[name] = granted
            waits.append(left)
            continue
        text = f"Pod was expected by PDB {budget.metadata.namespace}/{budget.metadata.name} to be deleted but it wasn't"
        about = About(api_version="v1", kind="Pod", namespace=pod.metadata.namespace, name=name, uid=pod.metadata.uid)
        told.append(Emit(note=Note(about=about, reason="NotDeleted", message=text, type="Warning")))
    return kept, told, min(waits, default=None)


def _failed(observed: Observed) -> list[Action]:
    """Nothing may be evicted while it is not known how many there should be."""
    budget = observed.budget
    message = f"found no controller ref for pod {observed.unscaled!r}".replace("'", '"')
    note = Note(
        about=About.of(PODDISRUPTIONBUDGETS, budget),
        reason="CalculateExpectedPodCountFailed",
        message=f"Failed to calculate the number of expected pods: {message}",
        type="Warning",
    )
    status = msgspec.structs.replace(
        budget.status,
        disruptions_allowed=0,
        observed_generation=budget.metadata.generation,
        conditions=_conditions(observed, "False", "SyncFailed", message),
    )
    write = _write(budget, status)
    return [Emit(note=note), *write] if write else []


def _conditions(observed: Observed, status: str, reason: str, message: str) -> tuple[BudgetCondition, ...]:
    budget = observed.budget
    current = condition_of(budget.status.conditions, "DisruptionAllowed")
    kept = current is not None and current.status == status
    fresh = BudgetCondition(
        type="DisruptionAllowed",
        status=status,
        reason=reason,
        message=message,
        observed_generation=budget.metadata.generation,
        last_transition_time=current.last_transition_time if kept and current else format_time(observed.now),
    )
    others = tuple(c for c in budget.status.conditions if c.type != "DisruptionAllowed")
    return (*others, fresh)


def _write(budget: Budget, status: BudgetStatus) -> list[Action]:
    if status == budget.status:
        return []
    gone: dict[str, Any] = dict.fromkeys(budget.status.disrupted_pods.keys() - status.disrupted_pods.keys())
    meta = budget.metadata
    return [
        SetStatus(
            resource=PODDISRUPTIONBUDGETS,
            namespace=meta.namespace,
            name=meta.name,
            resource_version=meta.resource_version,
            status={
                "observedGeneration": status.observed_generation,
                "disruptedPods": {**gone, **status.disrupted_pods} or None,
                "disruptionsAllowed": status.disruptions_allowed,
                "currentHealthy": status.current_healthy,
                "desiredHealthy": status.desired_healthy,
                "expectedPods": status.expected_pods,
                "conditions": _written(status.conditions),
            },
        )
    ]


def _written(conditions: Sequence[BudgetCondition]) -> list[dict[str, Any]]:
    """With the message, which the kind requires even where it is empty."""
    return [{**msgspec.to_builtins(condition), "message": condition.message or ""} for condition in conditions]
