"""What the stateful set controller reads of a StatefulSet and its claims."""

from typing import Any

import msgspec

from apimachinery.objects.meta import Object
from apimachinery.objects.resources import STATEFULSETS
from engine.controllers.controller import Source
from engine.controllers.shares import scaled
from engine.controllers.views import Condition


class RollingUpdate(msgspec.Struct, frozen=True, rename="camel"):
    partition: int = 0
    max_unavailable: int | str = 1


class UpdateStrategy(msgspec.Struct, frozen=True, rename="camel"):
    type: str = "RollingUpdate"
    rolling_update: RollingUpdate = RollingUpdate()


class Ordinals(msgspec.Struct, frozen=True, rename="camel"):
    start: int = 0


class ClaimRetention(msgspec.Struct, frozen=True, rename="camel"):
    when_deleted: str = "Retain"
    when_scaled: str = "Retain"


class StatefulSetSpec(msgspec.Struct, frozen=True, rename="camel"):
    replicas: int = 1
    selector: dict[str, Any] = {}
    template: msgspec.Raw = msgspec.Raw(b"{}")
    volume_claim_templates: tuple[dict[str, Any], ...] = ()
    service_name: str = ""
    pod_management_policy: str = "OrderedReady"
    update_strategy: UpdateStrategy = UpdateStrategy()
    revision_history_limit: int = 10
    min_ready_seconds: int = 0
    ordinals: Ordinals = Ordinals()
    claim_retention: ClaimRetention = msgspec.field(
        default=ClaimRetention(), name="persistentVolumeClaimRetentionPolicy"
    )


class StatefulSetStatus(msgspec.Struct, frozen=True, rename="camel"):
    observed_generation: int = 0
    replicas: int = 0
    ready_replicas: int = 0
    current_replicas: int = 0
    updated_replicas: int = 0
    available_replicas: int = 0
    current_revision: str = ""
    update_revision: str = ""
    collision_count: int | None = None
    conditions: tuple[Condition, ...] = ()


class StatefulSet(Object, frozen=True):
    spec: StatefulSetSpec = StatefulSetSpec()
    status: StatefulSetStatus = StatefulSetStatus()


STATEFULSET_SOURCE = Source(STATEFULSETS, StatefulSet)


def is_ordered(stateful_set: StatefulSet) -> bool:
    """One pod after the other, each only when the one before is available."""
    return stateful_set.spec.pod_management_policy != "Parallel"


def max_unavailable(stateful_set: StatefulSet) -> int:
    """Pods that an update may take away at once: at least one."""
    rolling = stateful_set.spec.update_strategy.rolling_update
    return max(1, scaled(rolling.max_unavailable, stateful_set.spec.replicas, round_up=False))
