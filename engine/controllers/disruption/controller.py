"""What the plan for a budget is made from: the pods it selects, and the scales of their controllers."""

from collections.abc import Iterable

from apimachinery.objects.meta import Object, controller_of, key, object_key
from apimachinery.objects.selectors import Selector, from_label_selector
from engine.controllers.actions import Action
from engine.controllers.controller import Moment, Reader, Watch
from engine.controllers.deployment.views import DEPLOYMENT_SOURCE
from engine.controllers.disruption.planning import BUDGET_SOURCE, Budget, Observed, plan
from engine.controllers.podstate import is_terminal
from engine.controllers.replicationcontroller import REPLICATIONCONTROLLER_SOURCE
from engine.controllers.statefulset.views import STATEFULSET_SOURCE
from engine.controllers.views import POD_SOURCE, REPLICASET_SOURCE, Pod


class DisruptionController:
    name = "disruption"
    component = "controllermanager"

    def __init__(self) -> None:
        self.watches = (
            Watch(BUDGET_SOURCE, lambda budget, _: [key(budget)]),
            Watch(POD_SOURCE, _budgets_of_pod),
            Watch(DEPLOYMENT_SOURCE, _budgets_of_namespace),
            Watch(REPLICASET_SOURCE, _nothing),
            Watch(REPLICATIONCONTROLLER_SOURCE, _budgets_of_namespace),
            Watch(STATEFULSET_SOURCE, _budgets_of_namespace),
        )

    async def observe(self, key: str, reader: Reader, moment: Moment) -> Observed | None:
        budget = reader.get(BUDGET_SOURCE, key)
        if budget is None:
            return None
        selector = _selector(budget)
        pods = tuple(
            pod
            for pod in reader.list(POD_SOURCE, budget.metadata.namespace)
            if not is_terminal(pod) and selector.matches(pod.metadata.labels)
        )
        scales: dict[str, int] = {}
        unscaled = ""
        for pod in pods:
            scale = _scale(pod, reader)
            if scale is None:
                unscaled = unscaled or pod.metadata.name
            else:
                scales[scale[0]] = scale[1]
        return Observed(budget=budget, pods=pods, scales=scales, unscaled=unscaled, now=moment.now)

    def plan(self, observed: Observed) -> list[Action]:
        return plan(observed)


def _selector(budget: Budget) -> Selector:
    return from_label_selector(budget.spec.selector)


def _scale(pod: Pod, reader: Reader) -> tuple[str, int] | None:
    """(uid of the controller that sets the scale, the scale)."""
    owner = controller_of(pod.metadata)
    if owner is None:
        return None
    where = object_key(pod.metadata.namespace, owner.name)
    match owner.kind:
        case "ReplicaSet":
            replica_set = reader.get(REPLICASET_SOURCE, where)
            if replica_set is None or replica_set.metadata.uid != owner.uid:
                return None
            above = controller_of(replica_set.metadata)
            if above is None or above.kind != "Deployment":
                return owner.uid, replica_set.spec.replicas
            deployment = reader.get(DEPLOYMENT_SOURCE, object_key(pod.metadata.namespace, above.name))
            return (above.uid, deployment.spec.replicas) if deployment is not None else None
        case "StatefulSet":
            stateful_set = reader.get(STATEFULSET_SOURCE, where)
            return (owner.uid, stateful_set.spec.replicas) if stateful_set is not None else None
        case "ReplicationController":
            controller = reader.get(REPLICATIONCONTROLLER_SOURCE, where)
            return (owner.uid, controller.spec.replicas) if controller is not None else None
        case _:
            return None


def _budgets_of_pod(pod: Pod, reader: Reader) -> Iterable[str]:
    return [
        key(budget)
        for budget in reader.list(BUDGET_SOURCE, pod.metadata.namespace)
        if _selector(budget).matches(pod.metadata.labels)
    ]


def _budgets_of_namespace(scaled: Object, reader: Reader) -> Iterable[str]:
    return [key(budget) for budget in reader.list(BUDGET_SOURCE, scaled.metadata.namespace)]


def _nothing(_replica_set: Object, _reader: Reader) -> Iterable[str]:
    """Sets are read when a budget is looked at anyway: their pods change whenever their size does."""
    return ()
