"""What the plan for a quota is made from: its namespace's pods, Services, claims, and counts of what else it names."""

from collections.abc import Iterable

from apimachinery.objects.meta import Object, key
from apimachinery.objects.resources import (
    CONFIGMAPS,
    REPLICATIONCONTROLLERS,
    RESOURCEQUOTAS,
    SECRETS,
    Resource,
)
from engine.controllers.actions import Action
from engine.controllers.controller import Moment, Reader, Watch
from engine.controllers.endpointslice import SERVICE_SOURCE
from engine.controllers.resourcequota.planning import Observed, plan
from engine.controllers.resourcequota.views import QUOTA_SOURCE
from engine.controllers.storage.views import CLAIM_SOURCE
from engine.controllers.views import POD_SOURCE

_WATCHED = {
    "pods", "services", "services.nodeports", "services.loadbalancers", "persistentvolumeclaims",
    "count/pods", "count/services", "count/persistentvolumeclaims",
}  # fmt: skip
_PLAIN = {resource.plural: resource for resource in (CONFIGMAPS, REPLICATIONCONTROLLERS, RESOURCEQUOTAS, SECRETS)}


class ResourceQuotaController:
    name = "resourcequota"
    component = "resourcequota-controller"

    def __init__(self) -> None:
        self.watches = (
            Watch(QUOTA_SOURCE, lambda quota, _: [key(quota)]),
            Watch(POD_SOURCE, _quotas_of_namespace),
            Watch(SERVICE_SOURCE, _quotas_of_namespace),
            Watch(CLAIM_SOURCE, _quotas_of_namespace),
        )

    async def observe(self, key: str, reader: Reader, moment: Moment) -> Observed | None:  # noqa: ARG002
        quota = reader.get(QUOTA_SOURCE, key)
        if quota is None:
            return None
        namespace = quota.metadata.namespace
        counts: dict[str, int] = {}
        for name in quota.spec.hard:
            resource = _counted(name, reader)
            if resource is not None:
                counts[name] = len(await reader.live_list(resource, namespace))
        return Observed(
            quota=quota,
            pods=tuple(reader.list(POD_SOURCE, namespace)),
            services=tuple(reader.list(SERVICE_SOURCE, namespace)),
            claims=tuple(reader.list(CLAIM_SOURCE, namespace)),
            counts=counts,
        )

    def plan(self, observed: Observed) -> list[Action]:
        return plan(observed)


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
