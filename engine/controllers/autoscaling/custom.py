"""How many replicas a metric asks for that is not a resource: one that pods, an object or the outside world have.

Upstream's replica_calculator.go and horizontal.go, whose words these are. Amounts are in thousandths.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime

from apimachinery.objects import quantity
from engine.controllers.actions import Json
from engine.controllers.autoscaling.calculating import (
    NoCount,
    Proposal,
    Tolerates,
    ceiling,
    count_by_average,
    shown,
)
from engine.controllers.autoscaling.views import Measured, Reading
from engine.controllers.podstate import is_ready
from engine.controllers.views import Pod

REASONS = {"Pods": "FailedGetPodsMetric", "Object": "FailedGetObjectMetric", "External": "FailedGetExternalMetric"}


def propose(
    metric: Json,
    reading: Reading,
    pods: Sequence[Pod],
    *,
    wanted: int,
    present: int,
    tolerates: Tolerates,
    now: datetime,
    namespace: str,
) -> Proposal:
    """`wanted` and `present`: of the target, asked for and there. Raises NoCount."""
    kind: str = metric["type"]
    source: Json = metric[kind.lower()]
    if reading.trouble:
        raise NoCount(REASONS[kind], _untold(kind, source, namespace, reading.trouble))
    if kind == "Pods":
        return _by_pods(source, reading.by_pod, pods, wanted=wanted, tolerates=tolerates, now=now)
    described = {"describedObject": source["describedObject"]} if kind == "Object" else {}
    target: Json = source["target"]
    if target.get("value") is not None:
        count = _by_value(reading.total, quantity.milli(target["value"]), pods, wanted, tolerates)
        name = f"{source['describedObject']['kind']} metric {source['metric']['name']}" if described else ""
        current = {"value": shown(reading.total)}
    else:
        count = _by_share(reading.total, quantity.milli(target["averageValue"]), present, tolerates)
        name = ""
        current = {"averageValue": shown(math.ceil(reading.total / max(1, present)))}
    name = name or f"external metric {source['metric']['name']}({_as_go_prints(source['metric'].get('selector'))})"
    status = {"type": kind, kind.lower(): {"metric": source["metric"], **described, "current": current}}
    return Proposal(replicas=count, metric=name, status=status)


def _by_pods(
    source: Json, by_pod: Mapping[str, int], pods: Sequence[Pod], *, wanted: int, tolerates: Tolerates, now: datetime
) -> Proposal:
    measured = {name: Measured(moment=now, window=0, containers={"": {"": value}}) for name, value in by_pod.items()}
    name: str = source["metric"]["name"]
    target = quantity.milli(source["target"]["averageValue"])
    found = count_by_average(pods, measured, target, wanted, tolerates=tolerates, now=now)
    if found is None:
        raise NoCount(REASONS["Pods"], f"unable to get metric {name}: did not receive metrics for any ready pods")
    count, average = found
    status = {"type": "Pods", "pods": {"metric": source["metric"], "current": {"averageValue": shown(average)}}}
    return Proposal(replicas=count, metric=f"pods metric {name}", status=status)


def _by_value(total: int, target: int, pods: Sequence[Pod], wanted: int, tolerates: Tolerates) -> int:
    ratio = total / target
    if wanted == 0:
        return ceiling(ratio)
    if tolerates(ratio):
        return wanted
    return ceiling(ratio * sum(1 for pod in pods if pod.status.phase == "Running" and is_ready(pod)))


def _by_share(total: int, target: int, present: int, tolerates: Tolerates) -> int:
    if present and tolerates(total / (target * present)):
        return present
    return ceiling(total / target)


def _untold(kind: str, source: Json, namespace: str, trouble: str) -> str:
    name = source["metric"]["name"]
    match kind:
        case "Object":
            # The words are upstream's, in upstream's order.
            described = source["describedObject"]
            return f"unable to get metric {name}: {described['kind']} on {namespace} {described['name']}/{trouble}"
        case "External":
            selector = _as_go_prints(source["metric"].get("selector"))
            return f"unable to get external metric {namespace}/{name}/{selector}: {trouble}"
        case _:
            return f"unable to get metric {name}: {trouble}"


def _as_go_prints(selector: Json | None) -> str:
    """A label selector in the form in which upstream's events show it."""
    if selector is None:
        return "nil"
    labels = "".join(f"{key}: {value}," for key, value in sorted((selector.get("matchLabels") or {}).items()))
    rules = "".join(
        f"{{{one['key']} {one['operator']} [{' '.join(one.get('values') or ())}]}},"
        for one in selector.get("matchExpressions") or ()
    )
    return (
        f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},"
        f"MatchExpressions:[]LabelSelectorRequirement{{{rules}}},}}"
    )
