"""The plan for one HorizontalPodAutoscaler: upstream's reconcileAutoscaler as a function of what is observed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from apimachinery.objects import quantity
from apimachinery.objects.meta import format_time
from apimachinery.objects.resources import HORIZONTALPODAUTOSCALERS
from engine.controllers.actions import About, Action, Emit, Json, Note, Patch, RequeueAfter, SetStatus
from engine.controllers.autoscaling import custom
from engine.controllers.autoscaling.calculating import NoCount, Proposal, propose
from engine.controllers.autoscaling.pacing import TOO_FEW, TOO_MANY, Entry, Memory, paced
from engine.controllers.autoscaling.views import Autoscaler, AutoscalerStatus, Measured, Reading, Scale
from engine.controllers.views import Condition, Pod, condition_of

PERIOD = 15.0
"""Seconds between two looks."""
TOLERANCE = 0.1
READY = ("True", "ReadyForNewScale", "recommended size matches current size")
IN_RANGE = ("False", "DesiredWithinRange", "the desired count is within the acceptable range")


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    autoscaler: Autoscaler
    scale: Scale | None
    trouble: str = ""
    """Why there is no scale, or why nobody knows what pods use of resources."""
    pods: tuple[Pod, ...] = ()
    measured: Mapping[str, Measured] = field(default_factory=dict[str, Measured])
    readings: Mapping[int, Reading] = field(default_factory=dict[int, Reading])
    """What the metrics said that are no resources, by their place among the metrics."""
    memory: Memory = field(default_factory=Memory)
    now: datetime
    steady: float


@dataclass(slots=True)
class _Verdict:
    """What is decided, as it grows: the size, why, and the conditions."""

    replicas: int
    reason: str = ""
    conditions: dict[str, tuple[str, str, str]] = field(default_factory=dict[str, tuple[str, str, str]])
    metrics: list[Json] = field(default_factory=list[Json])
    memory: Memory = field(default_factory=Memory)
    told: list[Action] = field(default_factory=list[Action])


def plan(observed: Observed) -> tuple[list[Action], Memory]:
    """What to do, and what to remember for the next time."""
    autoscaler, scale = observed.autoscaler, observed.scale
    again: list[Action] = [RequeueAfter(seconds=PERIOD)]
    if autoscaler.metadata.deletion_timestamp is not None:
        return [], observed.memory
    if scale is None:
        message = f"the HPA controller was unable to get the target's current scale: {observed.trouble}"
        conditions = {"AbleToScale": ("False", "FailedGetScale", message)}
        told = _emit(autoscaler, "FailedGetScale", observed.trouble)
        status = _status(observed, autoscaler.status.current_replicas, autoscaler.status.desired_replicas, conditions)
        return [told, *_write(observed, status), *again], observed.memory
    verdict = _decide(observed, scale)
    actions = list(verdict.told)
    memory = verdict.memory
    scaled_at = autoscaler.status.last_scale_time
    if verdict.replicas != scale.wanted:
        actions.append(_rescale(autoscaler, scale, verdict))
        message = f"the HPA controller was able to update the target scale to {verdict.replicas}"
        verdict.conditions["AbleToScale"] = ("True", "SucceededRescale", message)
        memory = _remembering(memory, verdict.replicas - scale.wanted, observed.steady)
        scaled_at = format_time(observed.now)
    status = _status(observed, scale.present, verdict.replicas, verdict.conditions)
    status = msgspec.structs.replace(
        status, last_scale_time=scaled_at, current_metrics=verdict.metrics or status.current_metrics
    )
    return [*actions, *_write(observed, status), *again], memory


def _decide(observed: Observed, scale: Scale) -> _Verdict:
    spec = observed.autoscaler.spec
    verdict = _Verdict(scale.wanted, memory=observed.memory)
    verdict.conditions["AbleToScale"] = (
        "True", "SucceededGetScale", "the HPA controller was able to get the target's current scale"
    )  # fmt: skip
    if scale.wanted == 0 and spec.min_replicas != 0:
        message = "scaling is disabled since the replica count of the target is zero"
        verdict.conditions["ScalingActive"] = ("False", "ScalingDisabled", message)
    elif scale.wanted > spec.max_replicas:
        verdict.replicas, verdict.reason = spec.max_replicas, "Current number of replicas above Spec.MaxReplicas"
        verdict.conditions["ScalingLimited"] = ("True", *TOO_MANY)
    elif scale.wanted < spec.min_replicas:
        verdict.replicas, verdict.reason = spec.min_replicas, "Current number of replicas below Spec.MinReplicas"
        verdict.conditions["ScalingLimited"] = ("True", *TOO_FEW)
    else:
        _follow_metrics(observed, scale, verdict)
    return verdict


def _follow_metrics(observed: Observed, scale: Scale, verdict: _Verdict) -> None:
    spec = observed.autoscaler.spec
    proposals, failure = _proposals(observed, scale)
    verdict.metrics = [proposal.status for proposal in proposals]
    best = max(proposals, key=lambda proposal: proposal.replicas, default=None)
    if failure is not None and (best is None or best.replicas < scale.wanted):
        # What one metric cannot see must not take pods away that it may need.
        message = f"the HPA was unable to compute the replica count: {failure}"
        verdict.conditions["ScalingActive"] = ("False", failure.reason, message)
        verdict.told += (
            _emit(observed.autoscaler, failure.reason, str(failure)),
            _emit(observed.autoscaler, "FailedComputeMetricsReplicas", f"invalid metrics: {failure}"),
        )
        return
    if best is None:
        return
    message = f"the HPA was able to successfully calculate a replica count from {best.metric}"
    verdict.conditions["ScalingActive"] = ("True", "ValidMetricFound", message)
    pace = paced(
        spec.behavior, verdict.memory, scale.wanted, best.replicas,
        least=spec.min_replicas, most=spec.max_replicas, moment=observed.steady,
    )  # fmt: skip
    verdict.replicas = pace.replicas
    verdict.reason = f"{best.metric} above target" if best.replicas > scale.wanted else "All metrics below target"
    verdict.conditions["AbleToScale"] = ("True", *pace.stabilized) if pace.stabilized is not None else READY
    verdict.conditions["ScalingLimited"] = ("True", *pace.limited) if pace.limited is not None else IN_RANGE
    kept = verdict.memory.without_old(observed.steady)
    verdict.memory = Memory(
        recommended=(*kept.recommended, Entry(observed.steady, best.replicas)), grown=kept.grown, shrunk=kept.shrunk
    )


def _proposals(observed: Observed, scale: Scale) -> tuple[list[Proposal], NoCount | None]:
    """What each metric asks for, and the first that cannot say."""
    behavior = observed.autoscaler.spec.behavior
    up, down = behavior.scale_up.tolerance, behavior.scale_down.tolerance

    def tolerates(ratio: float) -> bool:
        over = TOLERANCE if up is None else float(quantity.parse(up))
        under = TOLERANCE if down is None else float(quantity.parse(down))
        return 1.0 - under <= ratio <= 1.0 + over

    proposals: list[Proposal] = []
    failure: NoCount | None = None
    for number, metric in enumerate(observed.autoscaler.spec.metrics):
        reading = observed.readings.get(number)
        try:
            if reading is not None:
                proposals.append(
                    custom.propose(
                        metric, reading, observed.pods,
                        wanted=scale.wanted, present=scale.present, tolerates=tolerates, now=observed.now,
                        namespace=observed.autoscaler.metadata.namespace,
                    )
                )  # fmt: skip
                continue
            if observed.trouble:
                text = f"unable to fetch metrics from resource metrics API: {observed.trouble}"
                raise NoCount("FailedGetResourceMetric", f"failed to get resource metrics: {text}")
            proposals.append(
                propose(metric, observed.pods, observed.measured, scale.wanted, tolerates=tolerates, now=observed.now)
            )
        except NoCount as trouble:
            failure = failure or trouble
    return proposals, failure


def _remembering(memory: Memory, change: int, moment: float) -> Memory:
    entry = (Entry(moment, abs(change)),)
    return Memory(
        recommended=memory.recommended,
        grown=memory.grown + (entry if change > 0 else ()),
        shrunk=memory.shrunk + (entry if change < 0 else ()),
    )


def _rescale(autoscaler: Autoscaler, scale: Scale, verdict: _Verdict) -> Patch:
    about = About.of(HORIZONTALPODAUTOSCALERS, autoscaler)
    text = f"New size: {verdict.replicas}; reason: {verdict.reason}"
    refused = f"{text}; error: {{error}}"
    return Patch(
        resource=scale.resource,
        namespace=autoscaler.metadata.namespace,
        name=autoscaler.spec.scale_target_ref.name,
        subresource="scale",
        body={"spec": {"replicas": verdict.replicas}},
        succeeded=Note(about=about, reason="SuccessfulRescale", message=text),
        failed=Note(about=about, reason="FailedRescale", message=refused, type="Warning"),
    )


def _status(
    observed: Observed, current: int, desired: int, verdicts: Mapping[str, tuple[str, str, str]]
) -> AutoscalerStatus:
    before = observed.autoscaler.status
    return msgspec.structs.replace(
        before,
        observed_generation=observed.autoscaler.metadata.generation or None,
        current_replicas=current,
        desired_replicas=desired,
        conditions=_conditions(before.conditions, verdicts, observed.now),
    )


def _conditions(
    before: tuple[Condition, ...], verdicts: Mapping[str, tuple[str, str, str]], now: datetime
) -> tuple[Condition, ...]:
    result = {condition.type: condition for condition in before}
    for kind, (status, reason, message) in verdicts.items():
        current = condition_of(before, kind)
        kept = current is not None and current.status == status
        transition = current.last_transition_time if kept and current else format_time(now)
        result[kind] = Condition(
            type=kind, status=status, reason=reason, message=message, last_transition_time=transition
        )
    return tuple(result.values())


def _write(observed: Observed, status: AutoscalerStatus) -> list[Action]:
    if status == observed.autoscaler.status:
        return []
    meta = observed.autoscaler.metadata
    written: Json = {
        "observedGeneration": status.observed_generation,
        "lastScaleTime": status.last_scale_time,
        "currentReplicas": status.current_replicas,
        "desiredReplicas": status.desired_replicas,
        "currentMetrics": status.current_metrics,
        "conditions": msgspec.to_builtins(status.conditions),
    }
    return [
        SetStatus(
            resource=HORIZONTALPODAUTOSCALERS, namespace=meta.namespace, name=meta.name,
            resource_version=meta.resource_version, status=written,
        )
    ]  # fmt: skip


def _emit(autoscaler: Autoscaler, reason: str, message: str) -> Emit:
    about = About.of(HORIZONTALPODAUTOSCALERS, autoscaler)
    return Emit(note=Note(about=about, reason=reason, message=message, type="Warning"))
