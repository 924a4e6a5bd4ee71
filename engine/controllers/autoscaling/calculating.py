"""How many replicas one metric asks for (upstream's replica_calculator.go). Amounts are in thousandths."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from apimachinery.objects import quantity
from apimachinery.objects.meta import parse_time
from engine.controllers.actions import Json
from engine.controllers.autoscaling.views import Measured
from engine.controllers.podstate import is_terminating
from engine.controllers.views import Pod, condition_of

WARM_UP = timedelta(minutes=5)
"""Cpu of a pod younger than this counts only once it is ready: starting takes more than running."""
INITIAL_READINESS = timedelta(seconds=30)

Amounts = dict[str, int]
Tolerates = Callable[[float], bool]
"""Whether a ratio of use to target is near enough to one."""


class NoCount(Exception):
    """The metric cannot say how many. `reason` is the condition's."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """`status`: what currentMetrics shows of this metric."""

    replicas: int
    metric: str
    status: Json


@dataclass(slots=True, kw_only=True)
class _Groups:
    ready: int
    unready: list[str]
    missing: list[str]
    used: Amounts


def propose(
    metric: Json,
    pods: Sequence[Pod],
    measured: Mapping[str, Measured],
    current: int,
    *,
    tolerates: Tolerates,
    now: datetime,
) -> Proposal:
    """Raises NoCount."""
    match metric.get("type"):
        case "Resource":
            source, container = metric["resource"], ""
        case "ContainerResource":
            source, container = metric["containerResource"], metric["containerResource"].get("container", "")
        case other:
            raise NoCount("FailedGetMetrics", f"no metrics returned from the API for metrics of type {other}")
    name: str = source["name"]
    target: Json = source["target"]
    groups = _grouped(name, container, pods, measured, now)
    if not groups.used:
        raise NoCount(
            "FailedGetResourceMetric",
            f"failed to get {name} utilization: did not receive metrics for targeted pods (pods might be unready)",
        )
    if target.get("averageUtilization") is not None:
        requests = {pod.metadata.name: _requested(pod, name, container) for pod in pods if not _is_ignored(pod)}
        percent = int(target["averageUtilization"])
        count = _count(groups, requests, percent / 100, current, tolerates)
        shown = {pod: requests[pod] for pod in groups.used}
        utilization = sum(groups.used.values()) * 100 // max(1, sum(shown.values()))
        text = f"{name} resource utilization (percentage of request)"
        if container:
            text = f"{name} container resource utilization (percentage of request)"
        return Proposal(replicas=count, metric=text, status=_status(metric, groups, utilization))
    wanted = quantity.milli(target["averageValue"])
    count = _count(groups, dict.fromkeys((pod.metadata.name for pod in pods), wanted), 1.0, current, tolerates)
    text = f"{name} container resource" if container else f"{name} resource"
    return Proposal(replicas=count, metric=text, status=_status(metric, groups, None))


def count_by_average(
    pods: Sequence[Pod],
    measured: Mapping[str, Measured],
    target: int,
    current: int,
    *,
    tolerates: Tolerates,
    now: datetime,
) -> tuple[int, int] | None:
    """For a metric that each pod has and that has no name: replicas, and what pods have on average. None: no word."""
    groups = _grouped("", "", pods, measured, now)
    if not groups.used:
        return None
    full = dict.fromkeys((pod.metadata.name for pod in pods), target)
    return _count(groups, full, 1.0, current, tolerates), sum(groups.used.values()) // len(groups.used)


def shown(thousandths: int) -> str:
    """As a quantity."""
    written = f"{thousandths}m" if thousandths % 1000 else str(thousandths // 1000)
    return quantity.canonical(written)


def _grouped(
    name: str, container: str, pods: Sequence[Pod], measured: Mapping[str, Measured], now: datetime
) -> _Groups:
    groups = _Groups(ready=0, unready=[], missing=[], used={})
    for pod in pods:
        if _is_ignored(pod):
            continue
        sample = measured.get(pod.metadata.name)
        if pod.status.phase == "Pending" or (sample is not None and name == "cpu" and _warms_up(pod, sample, now)):
            groups.unready.append(pod.metadata.name)
            continue
        used = _used(sample, name, container) if sample is not None else None
        if used is None:
            groups.missing.append(pod.metadata.name)
            continue
        groups.ready += 1
        groups.used[pod.metadata.name] = used
    return groups


def _is_ignored(pod: Pod) -> bool:
    return is_terminating(pod) or pod.status.phase == "Failed"


def _warms_up(pod: Pod, sample: Measured, now: datetime) -> bool:
    ready = condition_of(pod.status.conditions, "Ready")
    if ready is None or pod.status.start_time is None or ready.last_transition_time is None:
        return True
    started, changed = parse_time(pod.status.start_time), parse_time(ready.last_transition_time)
    if started + WARM_UP > now:
        return ready.status == "False" or sample.moment < changed + timedelta(seconds=sample.window)
    return ready.status == "False" and started + INITIAL_READINESS > changed


def _used(sample: Measured, name: str, container: str) -> int | None:
    """None where a container's use is not known."""
    chosen = [sample.containers.get(container, {})] if container else list(sample.containers.values())
    if not chosen or any(name not in amounts for amounts in chosen):
        return None
    return sum(amounts[name] for amounts in chosen)


def _requested(pod: Pod, name: str, container: str) -> int:
    total = 0
    sidecars = (c for c in pod.spec.init_containers if c.restart_policy == "Always")
    for one in (*pod.spec.containers, *sidecars):
        if container and one.name != container:
            continue
        if name not in one.resources.requests:
            text = f"missing request for {name} in container {one.name} of Pod {pod.metadata.name}"
            raise NoCount("FailedGetResourceMetric", f"failed to get {name} utilization: {text}")
        total += quantity.milli(one.resources.requests[name])
    return total


def _count(groups: _Groups, full: Amounts, share: float, current: int, tolerates: Tolerates) -> int:
    """`full`: what each pod may use at most; `share`: which part of that is aimed at."""

    def ratio(used: Amounts) -> float:
        aim = sum(full[pod] for pod in used) * share
        return sum(used.values()) / aim if aim else 0.0

    first = ratio(groups.used)
    grows_while_starting = bool(groups.unready) and first > 1.0
    if not grows_while_starting and not groups.missing:
        return current if tolerates(first) else ceiling(first * groups.ready)
    used = dict(groups.used)
    # The unknown is taken for whatever makes the change smaller.
    if first < 1.0:
        used |= {pod: math.ceil(full[pod] * max(1.0, share)) for pod in groups.missing}
    elif first > 1.0:
        used |= dict.fromkeys(groups.missing, 0)
    if grows_while_starting:
        used |= dict.fromkeys(groups.unready, 0)
    second = ratio(used)
    if tolerates(second) or (first < 1.0 < second) or (second < 1.0 < first):
        return current
    count = ceiling(second * len(used))
    reverses = (second < 1.0 and count > current) or (second > 1.0 and count < current)
    return current if reverses else count


def ceiling(value: float) -> int:
    """Up, but for the dust of binary fractions."""
    return math.ceil(round(value, 9))


def _status(metric: Json, groups: _Groups, utilization: int | None) -> Json:
    field = "containerResource" if metric["type"] == "ContainerResource" else "resource"
    source = metric[field]
    average = sum(groups.used.values()) // max(1, len(groups.used))
    current: Json = {"averageValue": shown(average)}
    if utilization is not None:
        current["averageUtilization"] = utilization
    named = {"container": source["container"]} if "container" in source else {}
    return {"type": metric["type"], field: {"name": source["name"], **named, "current": current}}
