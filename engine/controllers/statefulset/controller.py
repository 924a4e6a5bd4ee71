"""What the plan for a StatefulSet is made from: its pods, its revisions, its claims."""

from collections.abc import Iterable

from apimachinery.objects.meta import Object, controller_of, key, object_key
from apimachinery.objects.selectors import from_label_selector
from engine.controllers.actions import Action
from engine.controllers.controller import Moment, Reader, Watch
from engine.controllers.history import REVISION_SOURCE, ControllerRevision, revision_name
from engine.controllers.podstate import is_terminating
from engine.controllers.statefulset.identity import claim_names, ordinal_of, parent_and_ordinal
from engine.controllers.statefulset.planning import BURST, Observed, plan
from engine.controllers.statefulset.views import STATEFULSET_SOURCE, StatefulSet
from engine.controllers.storage.views import CLAIM_SOURCE
from engine.controllers.views import POD_SOURCE, Pod, orphans_of


class StatefulSetController:
    name = "statefulset"
    component = "statefulset-controller"

    def __init__(self) -> None:
        self.watches = (
            Watch(STATEFULSET_SOURCE, lambda stateful_set, _: [key(stateful_set)]),
            Watch(POD_SOURCE, _sets_of_pod),
            Watch(REVISION_SOURCE, _set_of_revision),
            Watch(CLAIM_SOURCE, _nothing),
        )

    async def observe(self, key: str, reader: Reader, moment: Moment) -> Observed | None:
        stateful_set = reader.get(STATEFULSET_SOURCE, key)
        if stateful_set is None:
            return None
        meta = stateful_set.metadata
        orphans = orphans_of(meta.namespace)
        pods = (
            *reader.by_index(POD_SOURCE, "controller", meta.uid),
            *(
                pod
                for pod in reader.by_index(POD_SOURCE, "controller", orphans)
                if parent_and_ordinal(pod.metadata.name)[0] == meta.name
            ),
        )
        name = revision_name(stateful_set, stateful_set.spec.template, stateful_set.status.collision_count)
        return Observed(
            stateful_set=stateful_set,
            pods=pods,
            revisions=(
                *reader.by_index(REVISION_SOURCE, "controller", meta.uid),
                *reader.by_index(REVISION_SOURCE, "controller", orphans),
            ),
            claims=_claims(stateful_set, pods, reader),
            name_holder=reader.get(REVISION_SOURCE, object_key(meta.namespace, name)),
            now=moment.now,
        )

    def plan(self, observed: Observed) -> list[Action]:
        return plan(observed)


def _claims(stateful_set: StatefulSet, pods: Iterable[Pod], reader: Reader) -> dict[str, Object]:
    if not stateful_set.spec.volume_claim_templates:
        return {}
    start, known = stateful_set.spec.ordinals.start, list(map(ordinal_of, pods))
    # No turn gets further than this.
    count = min(stateful_set.spec.replicas, len(known) + BURST)
    ordinals = {*range(start, start + count), *known}
    found: dict[str, Object] = {}
    for ordinal in ordinals:
        for name in claim_names(stateful_set, ordinal):
            claim = reader.get(CLAIM_SOURCE, object_key(stateful_set.metadata.namespace, name))
            if claim is not None:
                found[name] = claim
    return found


def _sets_of_pod(pod: Pod, reader: Reader) -> Iterable[str]:
    owner = controller_of(pod.metadata)
    if owner is not None:
        return [object_key(pod.metadata.namespace, owner.name)] if owner.kind == "StatefulSet" else []
    parent, ordinal = parent_and_ordinal(pod.metadata.name)
    if ordinal < 0 or is_terminating(pod):
        return []
    stateful_set = reader.get(STATEFULSET_SOURCE, object_key(pod.metadata.namespace, parent))
    if stateful_set is None:
        return []
    matches = from_label_selector(stateful_set.spec.selector).matches(pod.metadata.labels)
    return [key(stateful_set)] if matches else []


def _set_of_revision(revision: ControllerRevision, _reader: Reader) -> Iterable[str]:
    owner = controller_of(revision.metadata)
    if owner is None or owner.kind != "StatefulSet":
        return []
    return [object_key(revision.metadata.namespace, owner.name)]


def _nothing(_claim: Object, _reader: Reader) -> Iterable[str]:
    """Claims are read when a set is looked at anyway."""
    return ()
