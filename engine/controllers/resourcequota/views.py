"""What the resource quota controller reads of a ResourceQuota."""

import msgspec

from apimachinery.objects.meta import Object
from apimachinery.objects.resources import RESOURCEQUOTAS
from engine.controllers.controller import Source

Amounts = dict[str, str | int | float]


class ScopeRequirement(msgspec.Struct, frozen=True, rename="camel"):
    scope_name: str = ""
    operator: str = "Exists"
    values: tuple[str, ...] = ()


class ScopeSelector(msgspec.Struct, frozen=True, rename="camel"):
    match_expressions: tuple[ScopeRequirement, ...] = ()


class QuotaSpec(msgspec.Struct, frozen=True, rename="camel"):
    hard: Amounts = {}
    scopes: tuple[str, ...] = ()
    scope_selector: ScopeSelector | None = None


class QuotaStatus(msgspec.Struct, frozen=True, rename="camel"):
    hard: Amounts = {}
    used: Amounts = {}


class Quota(Object, frozen=True):
    spec: QuotaSpec = QuotaSpec()
    status: QuotaStatus = QuotaStatus()


QUOTA_SOURCE = Source(RESOURCEQUOTAS, Quota)
