"""ReplicationControllers: the ReplicaSets of old, planned as such."""

from collections.abc import Iterable

import msgspec

from apimachinery.objects.meta import Object, controller_of, key, object_key
from apimachinery.objects.resources import REPLICATIONCONTROLLERS
from engine.controllers import replicaset
from engine.controllers.actions import Action
from engine.controllers.controller import Moment, Reader, Source, Watch
from engine.controllers.podstate import is_terminating
from engine.controllers.views import POD_SOURCE, Pod, ReplicaSet, ReplicaSetSpec, ReplicaSetStatus, orphans_of


class ReplicationControllerSpec(msgspec.Struct, frozen=True, rename="camel"):
    replicas: int = 1
    min_ready_seconds: int = 0
    selector: dict[str, str] = {}
    template: msgspec.Raw = msgspec.Raw(b"{}")


class ReplicationController(Object, frozen=True):
    spec: ReplicationControllerSpec = ReplicationControllerSpec()
    status: ReplicaSetStatus = ReplicaSetStatus()


REPLICATIONCONTROLLER_SOURCE = Source(REPLICATIONCONTROLLERS, ReplicationController)


def as_replica_set(controller: ReplicationController) -> ReplicaSet:
    """The set that does the same."""
    spec = controller.spec
    return ReplicaSet(
        metadata=controller.metadata,
        spec=ReplicaSetSpec(
            replicas=spec.replicas,
            min_ready_seconds=spec.min_ready_seconds,
            selector={"matchLabels": spec.selector},
            template=spec.template,
        ),
        status=controller.status,
    )


class ReplicationControllerController:
    name = "replicationcontroller"
    component = "replication-controller"

    def __init__(self) -> None:
        self.watches = (
            Watch(REPLICATIONCONTROLLER_SOURCE, lambda controller, _: [key(controller)]),
            Watch(POD_SOURCE, _controllers_of_pod),
        )

    async def observe(self, key: str, reader: Reader, moment: Moment) -> replicaset.Observed | None:
        controller = reader.get(REPLICATIONCONTROLLER_SOURCE, key)
        if controller is None or not controller.spec.selector:
            return None
        meta = controller.metadata
        managed = tuple(reader.by_index(POD_SOURCE, "controller", meta.uid))
        orphans = tuple(reader.by_index(POD_SOURCE, "controller", orphans_of(meta.namespace)))
        return replicaset.Observed(
            replica_set=as_replica_set(controller),
            pods=managed + orphans,
            now=moment.now,
            failure=moment.failure,
            resource=REPLICATIONCONTROLLERS,
        )

    def plan(self, observed: replicaset.Observed) -> list[Action]:
        return replicaset.plan(observed)


def _controllers_of_pod(pod: Pod, reader: Reader) -> Iterable[str]:
    owner = controller_of(pod.metadata)
    if owner is not None:
        return [object_key(pod.metadata.namespace, owner.name)] if owner.kind == "ReplicationController" else []
    if is_terminating(pod) or not pod.metadata.labels:
        return []
    labels = pod.metadata.labels.items()
    return [
        key(controller)
        for controller in reader.list(REPLICATIONCONTROLLER_SOURCE, pod.metadata.namespace)
        if controller.spec.selector and controller.spec.selector.items() <= labels
    ]
