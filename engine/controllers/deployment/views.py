"""What the deployment controller reads of a Deployment."""

from typing import Any

import msgspec

from apimachinery.objects.meta import Object
from apimachinery.objects.resources import DEPLOYMENTS
from engine.controllers.controller import Source
from engine.controllers.views import Condition

NO_DEADLINE = 2**31 - 1
"""`progressDeadlineSeconds` of Deployments that are never late."""


class RollingUpdate(msgspec.Struct, frozen=True, rename="camel"):
    max_surge: int | str = "25%"
    max_unavailable: int | str = "25%"


class Strategy(msgspec.Struct, frozen=True, rename="camel"):
    type: str = "RollingUpdate"
    rolling_update: RollingUpdate = RollingUpdate()


class DeploymentSpec(msgspec.Struct, frozen=True, rename="camel"):
    replicas: int = 1
    selector: dict[str, Any] = {}
    template: msgspec.Raw = msgspec.Raw(b"{}")
    strategy: Strategy = Strategy()
    min_ready_seconds: int = 0
    paused: bool = False
    progress_deadline_seconds: int | None = None
    revision_history_limit: int | None = None

    @property
    def deadline(self) -> int | None:
        """Seconds within which a rollout must make progress; None when it may take for ever."""
        return None if self.progress_deadline_seconds == NO_DEADLINE else self.progress_deadline_seconds


class DeploymentStatus(msgspec.Struct, frozen=True, rename="camel"):
    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    unavailable_replicas: int = 0
    terminating_replicas: int | None = None
    collision_count: int | None = None
    conditions: tuple[Condition, ...] = ()


class Deployment(Object, frozen=True):
    spec: DeploymentSpec = DeploymentSpec()
    status: DeploymentStatus = DeploymentStatus()


DEPLOYMENT_SOURCE = Source(DEPLOYMENTS, Deployment)
