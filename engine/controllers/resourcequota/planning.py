"""The status of a ResourceQuota: the limits as they stand, and what is used of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from apimachinery.objects import quantity
from apimachinery.objects.resources import RESOURCEQUOTAS
from engine.controllers.actions import Action, RequeueAfter, SetStatus
from engine.controllers.endpointslice import Service
from engine.controllers.resourcequota.usage import in_scope, pod_usage, service_usage, total, written
from engine.controllers.resourcequota.views import Amounts, Quota
from engine.controllers.views import Pod

RECOUNT = 300.0
"""Seconds after which objects that are not watched are counted again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    quota: Quota
    pods: tuple[Pod, ...]
    services: tuple[Service, ...]
    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    """How many there are of other kinds that the quota names: by `secrets` or `count/deployments.apps`."""


def plan(observed: Observed) -> list[Action]:
    quota = observed.quota
    if quota.metadata.deletion_timestamp is not None:
        return []
    requirements = quota.spec.requirements
    usage = total(pod_usage(pod) for pod in observed.pods if in_scope(pod, requirements))
    if not requirements:
        usage = total((usage, *(service_usage(service) for service in observed.services)))
        usage |= {name: Decimal(count) for name, count in observed.counts.items()}
    used: Amounts = {name: written(name, usage.get(name, Decimal(0))) for name in quota.spec.hard}
    again: list[Action] = [RequeueAfter(seconds=RECOUNT)] if observed.counts else []
    if _same(quota.status.hard, quota.spec.hard) and _same(quota.status.used, used):
        return again
    meta = quota.metadata
    gone = dict.fromkeys({*quota.status.hard, *quota.status.used} - quota.spec.hard.keys())
    return [
        SetStatus(
            resource=RESOURCEQUOTAS,
            namespace=meta.namespace,
            name=meta.name,
            resource_version=meta.resource_version,
            status={"hard": {**gone, **quota.spec.hard}, "used": {**gone, **used}},
        ),
        *again,
    ]


def _same(left: Amounts, right: Amounts) -> bool:
    """However the quantities are written."""
    return left.keys() == right.keys() and all(
        quantity.parse(amount) == quantity.parse(right[name]) for name, amount in left.items()
    )
