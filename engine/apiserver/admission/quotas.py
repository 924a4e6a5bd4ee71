"""ResourceQuota: nothing comes into a namespace that would use more than its quotas allow.

Source: apiserver/pkg/admission/plugin/resourcequota/controller.go. What is admitted is added to the quota's status at
once, so that two requests cannot both take the last place; the controller lowers the count when objects go.
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

from apimachinery.objects import quantity, usage
from apimachinery.objects.errors import Forbidden
from apimachinery.objects.podresources import Amounts
from engine.apiserver import stored
from engine.apiserver.registry.core.resourcequota import RESOURCE_QUOTA
from engine.apiserver.registry.kind import Context, Kind
from engine.store.errors import KeyMissing, RevisionMismatch
from engine.store.protocol import Record, Store

Json = dict[str, Any]

# What may be changed into something that counts more; all else is counted when it comes.
_COUNTED_AGAIN = (usage.SERVICES, usage.CLAIMS)
_NOT_COUNTED = frozenset({("", "events"), ("events.k8s.io", "events")})


class Quotas:
    """The quotas in one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._on_their_way: Counter[str] = Counter()
        """Per namespace, objects that are counted in a quota's status and may not be in the store yet."""

    async def charge(self, kind: Kind, new: Json, old: Json | None, context: Context, *, subresource: str = "") -> None:
        """Add a new or changed object to what its namespace's quotas say is used. Raises Forbidden."""
        resource = (kind.group, kind.plural)
        if not kind.namespaced or resource in _NOT_COUNTED:
            return
        if old is not None and (resource not in _COUNTED_AGAIN if not subresource else subresource != "resize"):
            return
        namespace: str = new["metadata"].get("namespace", "")
        prefix = f"{RESOURCE_QUOTA.storage_prefix}{namespace}/"
        if not self._store.count(prefix):
            return
        wanted = _growth(resource, new, old)
        charged: set[str] = set()
        while True:
            waiting = [record.key for record in self._store.list(prefix).records if record.key not in charged]
            changes = [(record, await self._charged(record, kind, new, wanted)) for record in self._latest(waiting)]
            if context.dry_run:
                return
            self._expect(namespace, context)
            try:
                for record, quota in changes:
                    if quota is not None:
                        await self._store.update(record.key, stored.value(RESOURCE_QUOTA, quota), record.revision)
                    charged.add(record.key)
            except (RevisionMismatch, KeyMissing):
                # Somebody else was counted, or the quota changed: look again.
                continue
            return

    def _latest(self, keys: list[str]) -> list[Record]:
        """The quotas with what is written but not yet durable."""
        found = (self._store.latest(key) for key in keys)
        return [record for record in found if record is not None]

    def _expect(self, namespace: str, context: Context) -> None:
        """Remember that an object is on its way until it is stored or given up."""
        self._on_their_way[namespace] += 1
        waiting = [namespace]

        def settle() -> None:
            if waiting:
                self._on_their_way[waiting.pop()] -= 1

        context.on_commit.append(settle)
        context.on_rollback.append(settle)

    async def _charged(self, record: Record, kind: Kind, obj: Json, wanted: Amounts) -> Json | None:
        """The quota with the object added to its status; None when it does not count it. Raises Forbidden."""
        quota = stored.read(RESOURCE_QUOTA, record)
        quota["metadata"].pop("resourceVersion", None)
        spec: Json = quota.get("spec") or {}
        resource = (kind.group, kind.plural)
        status: Json = quota.setdefault("status", {})
        hard: dict[str, str] = status.get("hard") or spec.get("hard") or {}
        asked = {name: amount for name, amount in wanted.items() if name in hard}
        if not usage.in_scope(spec, resource, obj):
            return None
        if resource == usage.PODS:
            unsaid = usage.unspecified(hard, obj)
            if unsaid:
                raise _forbidden(kind, obj, f"failed quota: {quota['metadata']['name']}: {unsaid}")
        if not asked:
            return None
        namespace: str = obj["metadata"]["namespace"]
        used = _used(status, hard)
        if used is None or (_exceeded(asked, used, hard) and not self._on_their_way[namespace]):
            # Nothing was counted yet, or the count may be old: what counts is what is there.
            await self._store.barrier()
            used = live_usage(self._store, namespace, spec, hard)
        over = _exceeded(asked, used, hard)
        if over:
            raise _forbidden(
                kind,
                obj,
                f"exceeded quota: {quota['metadata']['name']}, requested: {_printed(asked, over)},"
                f" used: {_printed(used, over)}, limited: {','.join(f'{name}={hard[name]}' for name in over)}",
            )
        for name, amount in asked.items():
            used[name] += amount
        status["hard"] = hard
        status["used"] = {name: usage.printed(used[name], name) for name in hard}
        return quota


def _growth(resource: usage.GroupResource, new: Json, old: Json | None) -> Amounts:
    wanted = usage.usage_of(resource, new)
    if old is not None:
        before = usage.usage_of(resource, old)
        wanted = {name: amount - before.get(name, Decimal(0)) for name, amount in wanted.items()}
    return {name: amount for name, amount in wanted.items() if amount > 0}


def _used(status: Json, hard: dict[str, str]) -> Amounts | None:
    used: dict[str, str] = status.get("used") or {}
    return {name: quantity.parse(used[name]) for name in hard} if hard.keys() <= used.keys() else None


def live_usage(store: Store, namespace: str, spec: Json, hard: dict[str, str]) -> Amounts:
    """What the objects of a namespace use, counted one by one."""
    total: Amounts = dict.fromkeys(hard, Decimal(0))
    for resource in usage.counted_resources(hard):
        for obj in stored.find(store, *resource, namespace):
            if usage.in_scope(spec, resource, obj):
                for name, amount in usage.usage_of(resource, obj).items():
                    if name in total:
                        total[name] += amount
    return total


def _exceeded(asked: Amounts, used: Amounts, hard: dict[str, str]) -> list[str]:
    return sorted(name for name, amount in asked.items() if used[name] + amount > quantity.parse(hard[name]))


def _printed(amounts: Amounts, names: list[str]) -> str:
    return ",".join(f"{name}={usage.printed(amounts[name], name)}" for name in names)


def _forbidden(kind: Kind, obj: Json, detail: str) -> Forbidden:
    name = obj["metadata"].get("name", "")
    details = {"name": name, "group": kind.group, "kind": kind.plural}
    message = f'{kind.group_resource} "{name}" is forbidden: {detail}'
    return Forbidden(message, details={key: value for key, value in details.items() if value})
