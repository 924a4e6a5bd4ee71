"""What the plan for an autoscaler is made from: its target's scale and pods, and what these are measured to use."""

import msgspec

from apimachinery.objects.errors import StatusError
from apimachinery.objects.meta import key
from apimachinery.objects.resources import Resource
from apimachinery.objects.selectors import from_label_selector, parse_label_selector
from engine.controllers.actions import Action, Json
from engine.controllers.autoscaling.custom import REASONS
from engine.controllers.autoscaling.pacing import Memory
from engine.controllers.autoscaling.planning import Observed, plan
from engine.controllers.autoscaling.views import (
    AUTOSCALER_SOURCE,
    Autoscaler,
    Measured,
    Metrics,
    MetricsUnavailable,
    Reading,
    Scale,
    ScaleTarget,
)
from engine.controllers.controller import Moment, Reader, Watch
from engine.controllers.podstate import is_terminal
from engine.controllers.views import POD_SOURCE, Pod

_OF_RESOURCES = ("Resource", "ContainerResource")


class AutoscalingController:
    name = "horizontalpodautoscaling"
    component = "horizontal-pod-autoscaler"

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._memories: dict[str, Memory] = {}
        self.watches = (
            Watch(AUTOSCALER_SOURCE, lambda autoscaler, _: [key(autoscaler)]),
            Watch(POD_SOURCE, lambda _pod, _reader: ()),
        )

    async def observe(self, key: str, reader: Reader, moment: Moment) -> Observed | None:
        autoscaler = reader.get(AUTOSCALER_SOURCE, key)
        if autoscaler is None:
            self._forget(reader)
            return None
        scale, trouble = await self._scale(autoscaler, reader)
        pods: tuple[Pod, ...] = ()
        measured: dict[str, Measured] = {}
        readings: dict[int, Reading] = {}
        if scale is not None:
            selector = parse_label_selector(scale.selector)
            pods = tuple(
                pod
                for pod in reader.list(POD_SOURCE, autoscaler.metadata.namespace)
                if selector.matches(pod.metadata.labels) and not is_terminal(pod)
            )
            if any(metric.get("type") in _OF_RESOURCES for metric in autoscaler.spec.metrics):
                try:
                    measured = await self._metrics.pods(autoscaler.metadata.namespace, scale.selector)
                except MetricsUnavailable as error:
                    trouble = str(error)
            for number, metric in enumerate(autoscaler.spec.metrics):
                if metric.get("type") in REASONS:
                    readings[number] = await self._reading(autoscaler, scale, metric, reader)
        return Observed(
            autoscaler=autoscaler,
            scale=scale,
            trouble=trouble,
            pods=pods,
            measured=measured,
            readings=readings,
            memory=self._memories.get(autoscaler.metadata.uid, Memory()),
            now=moment.now,
            steady=moment.steady,
        )

    def plan(self, observed: Observed) -> list[Action]:
        actions, memory = plan(observed)
        self._memories[observed.autoscaler.metadata.uid] = memory
        return actions

    async def _reading(self, autoscaler: Autoscaler, scale: Scale, metric: Json, reader: Reader) -> Reading:
        namespace = autoscaler.metadata.namespace
        source: Json = metric[metric["type"].lower()]
        name: str = source["metric"]["name"]
        try:
            labels = str(from_label_selector(source["metric"].get("selector") or {}))
            match metric["type"]:
                case "Pods":
                    return Reading(by_pod=await self._metrics.of_pods(namespace, scale.selector, name, labels))
                case "Object":
                    described: Json = source["describedObject"]
                    target = msgspec.convert(described, ScaleTarget)
                    resource = _resource_of(target, reader)
                    if resource is None:
                        return Reading(trouble=_unknown(target))
                    total = await self._metrics.of_object(resource, namespace, target.name, name, labels)
                    return Reading(total=total)
                case _:
                    return Reading(total=await self._metrics.external(namespace, name, labels))
        except MetricsUnavailable as error:
            return Reading(trouble=str(error))

    def _forget(self, reader: Reader) -> None:
        alive = {autoscaler.metadata.uid for autoscaler in reader.list(AUTOSCALER_SOURCE)}
        self._memories = {uid: memory for uid, memory in self._memories.items() if uid in alive}

    async def _scale(self, autoscaler: Autoscaler, reader: Reader) -> tuple[Scale | None, str]:
        target = autoscaler.spec.scale_target_ref
        resource = _resource_of(target, reader)
        if resource is None:
            return None, _unknown(target)
        try:
            return await self._metrics.scale(resource, autoscaler.metadata.namespace, target.name), ""
        except StatusError as error:
            return None, error.message


def _unknown(target: ScaleTarget) -> str:
    return f'no matches for kind "{target.kind}" in group "{target.api_version.rpartition("/")[0]}"'


def _resource_of(target: ScaleTarget, reader: Reader) -> Resource | None:
    group = target.api_version.rpartition("/")[0]
    return next((r for r in reader.resources() if r.kind == target.kind and r.group == group), None)
