"""What the plan for a quota is made from: its namespace's pods, Services, claims, and counts of what else it names."""

from collections.abc import Iterable
from decimal import Decimal

from apimachinery.objects import quantity
from apimachinery.objects.meta import Object, key
from apimachinery.objects.resources import (
    CONFIGMAPS,
    REPLICATIONCONTROLLERS,
    RESOURCEQUOTAS,
    SECRETS,
    Resource,
)
from engine.controllers.actions import Action, SetStatus
from engine.controllers.controller import Moment, Reader, Watch
from engine.controllers.endpointslice import SERVICE_SOURCE
from engine.controllers.resourcequota.planning import WINDOW, Observed, plan
from engine.controllers.resourcequota.views import QUOTA_SOURCE, Amounts
from engine.controllers.storage.views import CLAIM_SOURCE
from engine.controllers.views import POD_SOURCE

_WATCHED = {
    "pods", "services", "services.nodeports", "services.loadbalancers", "persistentvolumeclaims",
    "count/pods", "count/services", "count/persistentvolumeclaims",
}  # fmt: skip
_PLAIN = {resource.plural: resource for resource in (CONFIGMAPS, REPLICATIONCONTROLLERS, RESOURCEQUOTAS, SECRETS)}


class Charges:
    """What admission added to one quota's status lately: whatever we did not write ourselves."""

    def __init__(self) -> None:
        self._ours: dict[str, Decimal] = {}
        self._recent: list[tuple[float, dict[str, Decimal]]] = []

    def seen(self, used: Amounts, steady: float) -> dict[str, Decimal]:
        """The status as it is now; answers what was added within the window."""
        amounts = {name: quantity.parse(amount) for name, amount in used.items()}
        # What is there when we first look may have been added just now.
        added = {name: amount - self._ours.get(name, Decimal(0)) for name, amount in amounts.items()}
        self._ours = amounts
        if any(amount > 0 for amount in added.values()):
            self._recent.append((steady, added))
        self._recent = [(moment, some) for moment, some in self._recent if steady - moment < WINDOW]
        total: dict[str, Decimal] = {}
        for _, some in self._recent:
            for name, amount in some.items():
                total[name] = total.get(name, Decimal(0)) + max(Decimal(0), amount)
        return total

    def wrote(self, used: Amounts) -> None:
        """Only more than this is somebody else's."""
        self._ours |= {name: quantity.parse(amount) for name, amount in used.items()}


class ResourceQuotaController:
    name = "resourcequota"
    component = "resourcequota-controller"

    def __init__(self) -> None:
        self._charges: dict[str, Charges] = {}
        self.watches = (
            Watch(QUOTA_SOURCE, lambda quota, _: [key(quota)]),
            Watch(POD_SOURCE, _quotas_of_namespace),
            Watch(SERVICE_SOURCE, _quotas_of_namespace),
            Watch(CLAIM_SOURCE, _quotas_of_namespace),
        )

    async def observe(self, key: str, reader: Reader, moment: Moment) -> Observed | None:
        quota = reader.get(QUOTA_SOURCE, key)
        if quota is None:
            self._charges.pop(key, None)
            return None
        namespace = quota.metadata.namespace
        counts: dict[str, int] = {}
        for name in quota.spec.hard:
            resource = _counted(name, reader)
            if resource is not None:
                counts[name] = len(await reader.live_list(resource, namespace))
        # Counted above: whatever was added to the status until here may not be among them.
        quota = reader.get(QUOTA_SOURCE, key) or quota
        charged = self._charges.setdefault(key, Charges()).seen(quota.status.used, moment.steady)
        return Observed(
            quota=quota,
            charged=charged,
            pods=tuple(reader.list(POD_SOURCE, namespace)),
            services=tuple(reader.list(SERVICE_SOURCE, namespace)),
            claims=tuple(reader.list(CLAIM_SOURCE, namespace)),
            counts=counts,
        )

    def plan(self, observed: Observed) -> list[Action]:
        actions = plan(observed)
        for action in actions:
            if isinstance(action, SetStatus):
                written = {name: amount for name, amount in action.status["used"].items() if amount is not None}
                self._charges.setdefault(key(observed.quota), Charges()).wrote(written)
        return actions


def _counted(name: str, reader: Reader) -> Resource | None:
    """The kind that a limit counts, where it is none that is watched."""
    if name in _WATCHED:
        return None
    wanted = name.removeprefix("count/")
    if wanted in _PLAIN:
        return _PLAIN[wanted]
    if wanted == name:
        return None
    return next((resource for resource in reader.resources() if resource.qualified == wanted), None)


def _quotas_of_namespace(counted: Object, reader: Reader) -> Iterable[str]:
    return [key(quota) for quota in reader.list(QUOTA_SOURCE, counted.metadata.namespace)]
