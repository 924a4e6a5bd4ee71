"""What the plan for a Deployment is made from: its ReplicaSets and, when it recreates, their pods."""

from collections.abc import Iterable

from apimachinery.objects.meta import controller_of, key, object_key
from apimachinery.objects.selectors import from_label_selector
from engine.controllers.actions import Action
from engine.controllers.controller import Moment, Reader, Watch
from engine.controllers.deployment.planning import Observed, plan, wanted_name
from engine.controllers.deployment.views import DEPLOYMENT_SOURCE, Deployment
from engine.controllers.podstate import is_terminal
from engine.controllers.views import POD_SOURCE, REPLICASET_SOURCE, Pod, ReplicaSet, orphans_of


class DeploymentController:
    name = "deployment"
    component = "deployment-controller"

    def __init__(self) -> None:
        self.watches = (
            Watch(DEPLOYMENT_SOURCE, lambda deployment, _: [key(deployment)]),
            Watch(REPLICASET_SOURCE, _deployments_of_set),
            Watch(POD_SOURCE, _recreating_deployment),
        )

    async def observe(self, key: str, reader: Reader, moment: Moment) -> Observed | None:
        deployment = reader.get(DEPLOYMENT_SOURCE, key)
        if deployment is None:
            return None
        meta = deployment.metadata
        managed = tuple(reader.by_index(REPLICASET_SOURCE, "controller", meta.uid))
        orphans = tuple(reader.by_index(REPLICASET_SOURCE, "controller", orphans_of(meta.namespace)))
        return Observed(
            deployment=deployment,
            replica_sets=managed + orphans,
            old_pods_running=_with_running_pods(managed, reader) if _recreates(deployment) else frozenset(),
            name_holder=reader.get(REPLICASET_SOURCE, object_key(meta.namespace, wanted_name(deployment))),
            now=moment.now,
            failure=moment.failure,
        )

    def plan(self, observed: Observed) -> list[Action]:
        return plan(observed)


def _recreates(deployment: Deployment) -> bool:
    return deployment.spec.strategy.type == "Recreate"


def _with_running_pods(replica_sets: Iterable[ReplicaSet], reader: Reader) -> frozenset[str]:
    def runs(replica_set: ReplicaSet) -> bool:
        pods = reader.by_index(POD_SOURCE, "controller", replica_set.metadata.uid)
        return any(not is_terminal(pod) for pod in pods)

    return frozenset(rs.metadata.uid for rs in replica_sets if runs(rs))


def _deployments_of_set(replica_set: ReplicaSet, reader: Reader) -> Iterable[str]:
    meta = replica_set.metadata
    owner = controller_of(meta)
    if owner is not None:
        return [object_key(meta.namespace, owner.name)] if owner.kind == "Deployment" else []
    if not meta.labels:
        return []
    return [
        key(deployment)
        for deployment in reader.list(DEPLOYMENT_SOURCE, meta.namespace)
        if from_label_selector(deployment.spec.selector).matches(meta.labels)
    ]


def _recreating_deployment(pod: Pod, reader: Reader) -> Iterable[str]:
    """Only a Deployment that waits for its old pods to go looks at pods itself."""
    owner = controller_of(pod.metadata)
    if (
        owner is None
        or owner.kind != "ReplicaSet"
        or (pod.metadata.deletion_timestamp is None and not is_terminal(pod))
    ):
        return []
    replica_set = reader.get(REPLICASET_SOURCE, object_key(pod.metadata.namespace, owner.name))
    grandowner = controller_of(replica_set.metadata) if replica_set is not None else None
    if grandowner is None:
        return []
    deployment = reader.get(DEPLOYMENT_SOURCE, object_key(pod.metadata.namespace, grandowner.name))
    return [key(deployment)] if deployment is not None and _recreates(deployment) else []
