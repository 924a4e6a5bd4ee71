"""What the daemon set controller reads of a DaemonSet."""

from typing import Any

import msgspec

from apimachinery.objects.meta import Object
from apimachinery.objects.resources import DAEMONSETS
from engine.controllers.controller import Source
from engine.controllers.shares import scaled
from engine.controllers.views import Condition


class RollingUpdate(msgspec.Struct, frozen=True, rename="camel"):
    max_unavailable: int | str = 1
    max_surge: int | str = 0


class UpdateStrategy(msgspec.Struct, frozen=True, rename="camel"):
    type: str = "RollingUpdate"
    rolling_update: RollingUpdate = RollingUpdate()


class DaemonSetSpec(msgspec.Struct, frozen=True, rename="camel"):
    selector: dict[str, Any] = {}
    template: msgspec.Raw = msgspec.Raw(b"{}")
    update_strategy: UpdateStrategy = UpdateStrategy()
    min_ready_seconds: int = 0
    revision_history_limit: int = 10


class DaemonSetStatus(msgspec.Struct, frozen=True, rename="camel"):
    current_number_scheduled: int = 0
    number_misscheduled: int = 0
    desired_number_scheduled: int = 0
    number_ready: int = 0
    observed_generation: int = 0
    updated_number_scheduled: int = 0
    number_available: int = 0
    number_unavailable: int = 0
    collision_count: int | None = None
    conditions: tuple[Condition, ...] = ()


class DaemonSet(Object, frozen=True):
    spec: DaemonSetSpec = DaemonSetSpec()
    status: DaemonSetStatus = DaemonSetStatus()


DAEMONSET_SOURCE = Source(DAEMONSETS, DaemonSet)


def allowances(daemon_set: DaemonSet, desired: int) -> tuple[int, int]:
    """(surge, unavailable) in machines of `desired`; never both zero, or nothing could move."""
    strategy = daemon_set.spec.update_strategy
    if strategy.type != "RollingUpdate":
        return 0, 0
    surge = scaled(strategy.rolling_update.max_surge, desired, round_up=True)
    unavailable = scaled(strategy.rolling_update.max_unavailable, desired, round_up=True)
    return (surge, unavailable) if surge or unavailable else (0, 1)


def allows_surge(daemon_set: DaemonSet) -> bool:
    return allowances(daemon_set, 100)[0] > 0
