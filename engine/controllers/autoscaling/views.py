"""What the autoscaler reads: its own object, what it scales, and what pods are measured to use."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import msgspec

from apimachinery.objects.meta import Object
from apimachinery.objects.resources import HORIZONTALPODAUTOSCALERS, Resource
from engine.controllers.controller import Source
from engine.controllers.views import Condition


class ScaleTarget(msgspec.Struct, frozen=True, rename="camel"):
    api_version: str = ""
    kind: str = ""
    name: str = ""


class Policy(msgspec.Struct, frozen=True, rename="camel"):
    type: str = "Percent"
    value: int = 100
    period_seconds: int = 15


class Rules(msgspec.Struct, frozen=True, rename="camel"):
    """One direction. Without policies it goes as fast as it likes."""

    stabilization_window_seconds: int | None = None
    select_policy: str = "Max"
    policies: tuple[Policy, ...] = ()
    tolerance: str | int | float | None = None


UP = Rules(stabilization_window_seconds=0, policies=(Policy("Pods", 4, 15), Policy("Percent", 100, 15)))
DOWN = Rules(stabilization_window_seconds=300, policies=(Policy("Percent", 100, 15),))


class Behavior(msgspec.Struct, frozen=True, rename="camel"):
    scale_up: Rules = UP
    scale_down: Rules = DOWN


class AutoscalerSpec(msgspec.Struct, frozen=True, rename="camel"):
    scale_target_ref: ScaleTarget = ScaleTarget()
    min_replicas: int = 1
    max_replicas: int = 1
    metrics: tuple[dict[str, Any], ...] = ()
    behavior: Behavior = Behavior()


class AutoscalerStatus(msgspec.Struct, frozen=True, rename="camel"):
    observed_generation: int | None = None
    last_scale_time: str | None = None
    current_replicas: int = 0
    desired_replicas: int = 0
    current_metrics: list[dict[str, Any]] | None = None
    conditions: tuple[Condition, ...] = ()


class Autoscaler(Object, frozen=True):
    spec: AutoscalerSpec = AutoscalerSpec()
    status: AutoscalerStatus = AutoscalerStatus()


AUTOSCALER_SOURCE = Source(HORIZONTALPODAUTOSCALERS, Autoscaler)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """The target's size: asked for, and there; and which pods are its own (a label selector in words)."""

    resource: Resource
    wanted: int
    present: int
    selector: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One pod's use at a moment, averaged over `window` seconds: by container and resource, in thousandths."""

    moment: datetime
    window: float
    containers: dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one custom or external metric said, in thousandths; or `trouble`, why it said nothing."""

    by_pod: dict[str, int] = field(default_factory=dict[str, int])
    total: int = 0
    trouble: str = ""


class MetricsUnavailable(Exception):
    """Nobody measures, or cannot be reached."""


class Metrics(Protocol):
    async def pods(self, namespace: str, selector: str) -> dict[str, Measured]:
        """By name what the pods use. Raises MetricsUnavailable."""
        ...

    async def of_pods(self, namespace: str, selector: str, metric: str, labels: str) -> dict[str, int]:
        """A metric that pods have, by pod; `labels` selects among its series. Raises MetricsUnavailable."""
        ...

    async def of_object(self, resource: Resource, namespace: str, name: str, metric: str, labels: str) -> int:
        """A metric that one object has. Raises MetricsUnavailable."""
        ...

    async def external(self, namespace: str, metric: str, labels: str) -> int:
        """The sum of a metric from outside the cluster. Raises MetricsUnavailable."""
        ...

    async def scale(self, resource: Resource, namespace: str, name: str) -> Scale:
        """The scale subresource. Raises StatusError."""
        ...
