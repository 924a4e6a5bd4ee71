"""The status of a ResourceQuota: the limits as they stand, and what is used of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from apimachinery.objects import quantity, usage
from apimachinery.objects.meta import Object
from apimachinery.objects.resources import RESOURCEQUOTAS
from engine.controllers.actions import Action, RequeueAfter, SetStatus
from engine.controllers.endpointslice import Service
from engine.controllers.resourcequota.views import Amounts, Quota
from engine.controllers.storage.views import Claim
from engine.controllers.views import Pod

WINDOW = 2.0
"""Seconds within which an object that was charged to a quota shows in our caches, or will never come."""
RECOUNT = 300.0
"""Seconds after which objects that are not watched are counted again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    quota: Quota
    pods: tuple[Pod, ...]
    services: tuple[Service, ...]
    claims: tuple[Claim, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    """How many there are of other kinds that the quota names: by `secrets` or `count/deployments.apps`."""
    charged: Mapping[str, Decimal] = field(default_factory=dict[str, Decimal])
    """What admission added to the status within the window: it may be for objects that no cache shows yet."""


def plan(observed: Observed) -> list[Action]:
    quota = observed.quota
    if quota.metadata.deletion_timestamp is not None:
        return []
    total = _counted(observed)
    used: Amounts = {
        name: usage.printed(_careful(observed, name, total.get(name, Decimal(0))), name) for name in quota.spec.hard
    }
    again: list[Action] = [RequeueAfter(seconds=RECOUNT)] if observed.counts else []
    if any(observed.charged.values()):
        again = [RequeueAfter(seconds=WINDOW)]
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


def _careful(observed: Observed, name: str, counted: Decimal) -> Decimal:
    """No less than what may be there: who is told of room that is taken lets one too many in."""
    present = observed.quota.status.used.get(name)
    if present is None:
        return counted
    return max(counted, min(quantity.parse(present), counted + observed.charged.get(name, Decimal(0))))


def _counted(observed: Observed) -> dict[str, Decimal]:
    """What the objects use together, by the rules that the API server admits them by."""
    spec: dict[str, Any] = msgspec.to_builtins(observed.quota.spec)
    total: dict[str, Decimal] = {}
    kinds: tuple[tuple[usage.GroupResource, tuple[Object, ...]], ...] = (
        (usage.PODS, observed.pods),
        (usage.SERVICES, observed.services),
        (usage.CLAIMS, observed.claims),
    )
    for resource, objects in kinds:
        for counted in objects:
            obj: dict[str, Any] = msgspec.to_builtins(counted)
            if usage.in_scope(spec, resource, obj):
                for name, amount in usage.usage_of(resource, obj).items():
                    total[name] = total.get(name, Decimal(0)) + amount
    if not observed.quota.spec.scopes and observed.quota.spec.scope_selector is None:
        total |= {name: Decimal(count) for name, count in observed.counts.items()}
    return total


def _same(left: Amounts, right: Amounts) -> bool:
    """However the quantities are written."""
    return left.keys() == right.keys() and all(
        quantity.parse(amount) == quantity.parse(right[name]) for name, amount in left.items()
    )
