"""pods/eviction: take a pod away if its PodDisruptionBudget lets go of it.

Source: pkg/registry/core/pod/storage/eviction.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from apimachinery.objects.errors import BadRequest, Forbidden, NotFound, StatusError, TooManyRequests
from apimachinery.objects.meta import format_time
from engine.apiserver import deletion, stored
from engine.apiserver.answers import success
from engine.apiserver.call import Call
from engine.apiserver.custom.converter import Converter
from engine.apiserver.dynamic.admission import DynamicAdmission
from engine.apiserver.guard import Guard
from engine.apiserver.registry.kind import Context
from engine.apiserver.registry.labelselector import matches
from engine.apiserver.registry.policy.poddisruptionbudget import POD_DISRUPTION_BUDGET
from engine.apiserver.removing import Removing
from engine.store.errors import KeyMissing, RevisionMismatch
from engine.store.protocol import Store

Json = dict[str, Any]

_REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."
_SEVERAL = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
_MOST_DISRUPTED = 2000
_RETRY_AFTER = 10
_CONDITION = "DisruptionAllowed"


class Evicting:
    """Evicts pods from one store."""

    def __init__(self, store: Store, guards: Sequence[Guard], dynamic: DynamicAdmission, converter: Converter) -> None:
        self._store = store
        self._removing = Removing(store, guards, dynamic, converter)

    async def evict(self, call: Call, eviction: Json) -> Json:
        """Answer a POST to pods/NAME/eviction. Raises TooManyRequests when the budget does not allow it now."""
        name = eviction.setdefault("metadata", {}).setdefault("name", call.route.name)
        if name != call.route.name:
            raise BadRequest("name in URL does not match name in Eviction object")
        body = msgspec.json.encode(eviction.get("deleteOptions") or {})
        options = deletion.delete_request(body, "application/json", call.request.query)
        dry_run = options.dry_run or call.context.dry_run
        pod = await self._taken_from_budget(call, dry_run=dry_run)
        if not dry_run:
            await self._mark(call, pod)
            await self._removing.remove(call, call.key, call.route.name, options)
        return success(None, 201)

    async def _taken_from_budget(self, call: Call, *, dry_run: bool) -> Json:
        """The pod, its eviction written into its budget."""
        while True:
            record = self._store.latest(call.key)
            if record is None:
                raise NotFound.of(call.kind.plural, call.route.name)
            pod = stored.read(call.kind, record)
            if not needs_budget(pod):
                return pod
            budget = budget_of(pod, call.context.find("policy", "poddisruptionbudgets", call.route.namespace))
            if budget is None:
                return pod
            key = POD_DISRUPTION_BUDGET.key(call.route.namespace, budget["metadata"]["name"])
            held = self._store.latest(key)
            if held is None:
                return pod
            # Listed as it is on disk; what counts are also the evictions that are on their way there.
            budget = stored.read(POD_DISRUPTION_BUDGET, held)
            budget["metadata"].pop("resourceVersion", None)
            if not take(budget, pod, call.context) or dry_run:
                return pod
            try:
                await self._store.update(key, stored.value(POD_DISRUPTION_BUDGET, budget), held.revision)
            except (RevisionMismatch, KeyMissing):
                continue
            return pod

    async def _mark(self, call: Call, pod: Json) -> None:
        """Tell the pod's owner why it went. A pod that changed meanwhile goes without."""
        record = self._store.latest(call.key)
        if record is None or pod["metadata"].get("deletionTimestamp"):
            return
        marked = stored.read(call.kind, record)
        marked["metadata"].pop("resourceVersion", None)
        conditions: list[Json] = marked.setdefault("status", {}).setdefault("conditions", [])
        conditions[:] = [condition for condition in conditions if condition.get("type") != "DisruptionTarget"]
        conditions.append(
            {
                "type": "DisruptionTarget",
                "status": "True",
                "reason": "EvictionByEvictionAPI",
                "message": "Eviction API: evicting",
                "lastTransitionTime": format_time(call.context.now),
            }
        )
        try:
            await self._store.update(call.key, stored.value(call.kind, marked), record.revision)
        except (RevisionMismatch, KeyMissing):
            return


def needs_budget(pod: Json) -> bool:
    """Whether a pod counts at all: one that has ended, not begun, or is going already may always go."""
    return (
        pod.get("status", {}).get("phase") not in {"Succeeded", "Failed", "Pending"}
        and "deletionTimestamp" not in pod["metadata"]
    )


def budget_of(pod: Json, budgets: list[Json]) -> Json | None:
    """The budget that selects the pod. Raises StatusError when there are several."""
    labels: dict[str, str] = pod["metadata"].get("labels") or {}
    found = [
        budget
        for budget in budgets
        if budget.get("spec", {}).get("selector") is not None and matches(budget["spec"]["selector"], labels)
    ]
    if len(found) > 1:
        raise StatusError(_SEVERAL, code=500, reason="", details={})
    return found[0] if found else None


def take(budget: Json, pod: Json, context: Context) -> bool:
    """Count the pod's eviction in the budget's status; False when it need not be counted. Raises the refusal."""
    spec, status = budget.get("spec", {}), budget.setdefault("status", {})
    name: str = budget["metadata"]["name"]
    if not _ready(pod):
        healthy, desired = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
        if spec.get("unhealthyPodEvictionPolicy") == "AlwaysAllow" or (desired > 0 and healthy >= desired):
            return False
    if status.get("observedGeneration", 0) < budget["metadata"].get("generation", 0):
        raise _refusal(f"The disruption budget {name} is still being processed by the server.", _RETRY_AFTER)
    allowed = status.get("disruptionsAllowed", 0)
    if allowed < 0:
        raise _forbidden(name, "pdb disruptions allowed is negative")
    if len(status.get("disruptedPods") or {}) > _MOST_DISRUPTED:
        detail = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        raise _forbidden(name, detail)
    if not allowed:
        raise _refusal(_why_not(name, status), None)
    status["disruptionsAllowed"] = allowed - 1
    status.setdefault("disruptedPods", {})[pod["metadata"]["name"]] = format_time(context.now)
    if allowed == 1:
        _close(budget, context)
    return True


def _ready(pod: Json) -> bool:
    conditions: list[Json] = pod.get("status", {}).get("conditions") or []
    return any(condition.get("type") == "Ready" and condition.get("status") == "True" for condition in conditions)


def _why_not(name: str, status: Json) -> str:
    conditions: list[Json] = status.get("conditions") or []
    told = next((entry for entry in conditions if entry.get("type") == _CONDITION), {})
    message = told.get("message", "") if told.get("status") == "False" else ""
    healthy, desired = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
    if message and told.get("reason") == "SyncFailed":
        return f"The disruption budget {name} does not allow evicting pods currently because it failed sync: {message}"
    if healthy <= desired:
        return f"The disruption budget {name} needs {desired} healthy pods and has {healthy} currently"
    if message:
        return f"The disruption budget {name} does not allow evicting pods currently ({told['reason']}): {message}"
    return f"The disruption budget {name} does not allow evicting pods currently"


def _close(budget: Json, context: Context) -> None:
    """Say in the conditions that nothing more may go."""
    conditions: list[Json] = budget["status"].setdefault("conditions", [])
    conditions[:] = [entry for entry in conditions if entry.get("type") != _CONDITION]
    conditions.append(
        {
            "type": _CONDITION,
            "status": "False",
            "reason": "InsufficientPods",
            "message": "",
            "observedGeneration": budget["status"].get("observedGeneration", 0),
            "lastTransitionTime": format_time(context.now),
        }
    )


def _refusal(cause: str, retry_after: int | None) -> TooManyRequests:
    details: Json = {"causes": [{"reason": "DisruptionBudget", "message": cause}]}
    if retry_after is not None:
        details["retryAfterSeconds"] = retry_after
    return TooManyRequests(_REFUSED, details=details)


def _forbidden(name: str, detail: str) -> Forbidden:
    message = f'poddisruptionbudgets.policy "{name}" is forbidden: {detail}'
    return Forbidden(message, details={"name": name, "group": "policy", "kind": "poddisruptionbudgets"})
