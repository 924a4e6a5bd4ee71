"""What the plan for a DaemonSet is made from: its pods, its revisions, all machines."""

from collections.abc import Iterable, Mapping

from apimachinery.objects.meta import controller_of, key, object_key
from apimachinery.objects.selectors import from_label_selector
from engine.controllers.actions import Action
from engine.controllers.controller import Moment, Reader, Watch
from engine.controllers.daemonset.backoff import ReplacementBackoff
from engine.controllers.daemonset.placement import target_of
from engine.controllers.daemonset.planning import Observed, plan
from engine.controllers.daemonset.views import DAEMONSET_SOURCE, DaemonSet
from engine.controllers.history import REVISION_SOURCE, ControllerRevision, revision_name
from engine.controllers.podstate import is_terminating
from engine.controllers.views import NODE_SOURCE, POD_SOURCE, Node, Pod, orphans_of


class DaemonSetController:
    name = "daemonset"
    component = "daemonset-controller"

    def __init__(self) -> None:
        self._backoff = ReplacementBackoff()
        self._machines: dict[str, tuple[object, ...]] = {}
        self.watches = (
            Watch(DAEMONSET_SOURCE, lambda daemon_set, _: [key(daemon_set)]),
            Watch(POD_SOURCE, _sets_of_pod),
            Watch(REVISION_SOURCE, _set_of_revision),
            Watch(NODE_SOURCE, self._sets_of_node),
        )

    async def observe(self, key: str, reader: Reader, moment: Moment) -> Observed | None:
        daemon_set = reader.get(DAEMONSET_SOURCE, key)
        if daemon_set is None:
            return None
        meta = daemon_set.metadata
        managed = tuple(reader.by_index(POD_SOURCE, "controller", meta.uid))
        orphans = orphans_of(meta.namespace)
        name = revision_name(daemon_set, daemon_set.spec.template, daemon_set.status.collision_count)
        return Observed(
            daemon_set=daemon_set,
            pods=managed + tuple(reader.by_index(POD_SOURCE, "controller", orphans)),
            revisions=(
                *reader.by_index(REVISION_SOURCE, "controller", meta.uid),
                *reader.by_index(REVISION_SOURCE, "controller", orphans),
            ),
            nodes=tuple(reader.list(NODE_SOURCE)),
            name_holder=reader.get(REVISION_SOURCE, object_key(meta.namespace, name)),
            held_back=self._held_back(daemon_set, managed, moment.steady),
            now=moment.now,
        )

    def plan(self, observed: Observed) -> list[Action]:
        return plan(observed)

    def _held_back(self, daemon_set: DaemonSet, pods: Iterable[Pod], steady: float) -> Mapping[str, float]:
        meta = daemon_set.metadata
        return {
            pod.metadata.uid: self._backoff.seconds_left(
                (meta.uid, meta.generation, target_of(pod)), pod.metadata.uid, steady
            )
            for pod in pods
            if pod.status.phase == "Failed" and not is_terminating(pod)
        }

    def _sets_of_node(self, node: Node, reader: Reader) -> Iterable[str]:
        """All sets, but only if something changed by which they choose machines; heartbeats do not count."""
        traits = (node.metadata.labels, node.spec.taints, node.metadata.deletion_timestamp)
        if reader.get(NODE_SOURCE, node.metadata.name) is None:
            self._machines.pop(node.metadata.name, None)
        elif self._machines.get(node.metadata.name) == traits:
            return []
        else:
            self._machines[node.metadata.name] = traits
        return [key(daemon_set) for daemon_set in reader.list(DAEMONSET_SOURCE)]


def _sets_of_pod(pod: Pod, reader: Reader) -> Iterable[str]:
    owner = controller_of(pod.metadata)
    if owner is not None:
        return [object_key(pod.metadata.namespace, owner.name)] if owner.kind == "DaemonSet" else []
    if is_terminating(pod) or not pod.metadata.labels:
        return []
    return [
        key(daemon_set)
        for daemon_set in reader.list(DAEMONSET_SOURCE, pod.metadata.namespace)
        if from_label_selector(daemon_set.spec.selector).matches(pod.metadata.labels)
    ]


def _set_of_revision(revision: ControllerRevision, _reader: Reader) -> Iterable[str]:
    owner = controller_of(revision.metadata)
    if owner is None or owner.kind != "DaemonSet":
        return []
    return [object_key(revision.metadata.namespace, owner.name)]
