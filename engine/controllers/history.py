"""ControllerRevisions: the templates that a DaemonSet or StatefulSet has had, numbered (upstream's history package).

`kubectl rollout history|undo` read them and write their `data` back as a strategic merge patch.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from apimachinery.objects.meta import Object
from apimachinery.objects.resources import CONTROLLERREVISIONS, Resource
from engine.controllers.actions import Action, Create, Delete, Json, Patch
from engine.controllers.controller import Source
from engine.controllers.ownership import owner_reference
from engine.controllers.podtemplate import decode_template
from engine.controllers.templatehash import digest
from engine.controllers.views import by_controller

HASH_LABEL = "controller-revision-hash"
REVISION_HASH_LABEL = "controller.kubernetes.io/hash"


class RevisionSpec(msgspec.Struct, frozen=True):
    template: Json = {}


class RevisionData(msgspec.Struct, frozen=True):
    spec: RevisionSpec = RevisionSpec()


class ControllerRevision(Object, frozen=True):
    data: RevisionData = RevisionData()
    revision: int = 0

    @property
    def template(self) -> Json:
        whole = {name: value for name, value in self.data.spec.template.items() if name != "$patch"}
        return {**whole, "metadata": whole.get("metadata") or {}, "spec": whole.get("spec") or {}}

    @property
    def hash(self) -> str:
        labels = self.metadata.labels
        return labels.get(HASH_LABEL) or labels.get(REVISION_HASH_LABEL) or self.metadata.name.rpartition("-")[2]


REVISION_SOURCE = Source(CONTROLLERREVISIONS, ControllerRevision, {"controller": by_controller})


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """`update` holds the present template; `old` the others, oldest number first. `actions` make it so."""

    update: ControllerRevision
    old: Sequence[ControllerRevision]
    actions: list[Action] = field(default_factory=list[Action])
    collision: bool = False
    """The name of the revision to be made is taken by another template: count the collision, look again."""


def in_order(revisions: Iterable[ControllerRevision]) -> list[ControllerRevision]:
    return sorted(revisions, key=lambda r: (r.revision, r.metadata.creation_timestamp or "", r.metadata.name))


def history_of(
    resource: Resource,
    owner: Object,
    template: msgspec.Raw,
    held: Iterable[ControllerRevision],
    *,
    collisions: int | None,
    hash_label: str,
    name_holder: ControllerRevision | None = None,
) -> History:
    """The revisions of `owner`, with one for its present template: found, raised to the top, or made.

    `name_holder`: whatever revision bears the name that a new one would get.
    """
    wanted = decode_template(template)
    ordered = in_order(held)
    equal = [revision for revision in ordered if revision.template == wanted]
    if equal:
        found = equal[-1]
        old = [revision for revision in ordered if revision is not found]
        highest = max((revision.revision for revision in old), default=0)
        if found.revision > highest:
            return History(update=found, old=old)
        raised = msgspec.structs.replace(found, revision=highest + 1)
        return History(update=raised, old=old, actions=[_raise(found, highest + 1)])
    number = ordered[-1].revision + 1 if ordered else 1
    made = _new(resource, owner, template, number=number, collisions=collisions, hash_label=hash_label)
    fresh = msgspec.convert(made, ControllerRevision)
    if name_holder is not None:
        return History(update=fresh, old=ordered, collision=True)
    create = Create(resource=CONTROLLERREVISIONS, namespace=owner.metadata.namespace, body=made)
    return History(update=fresh, old=ordered, actions=[create])


def revision_name(owner: Object, template: msgspec.Raw, collisions: int | None) -> str:
    """What a revision for this template is called."""
    return f"{owner.metadata.name}-{digest(decode_template(template), collisions)}"


def superfluous(
    old: Sequence[ControllerRevision], limit: int, live: frozenset[str], names: frozenset[str] = frozenset()
) -> list[Action]:
    """Deletions of the oldest revisions beyond the limit that no pod has: by hash in `live`, by name in `names`."""
    unused = [r for r in old if r.hash not in live and r.metadata.name not in names]
    surplus = len(old) - limit if not names else len(unused) - limit
    return [
        Delete(
            resource=CONTROLLERREVISIONS,
            namespace=revision.metadata.namespace,
            name=revision.metadata.name,
            uid=revision.metadata.uid,
        )
        for revision in unused[: max(0, surplus)]
        if revision.metadata.deletion_timestamp is None
    ]


def _new(
    resource: Resource, owner: Object, template: msgspec.Raw, *, number: int, collisions: int | None, hash_label: str
) -> Json:
    decoded = decode_template(template)
    name_hash = digest(decoded, collisions)
    return {
        "apiVersion": CONTROLLERREVISIONS.api_version,
        "kind": CONTROLLERREVISIONS.kind,
        "metadata": {
            "name": f"{owner.metadata.name}-{name_hash}",
            "namespace": owner.metadata.namespace,
            "labels": {**(decoded["metadata"].get("labels") or {}), hash_label: name_hash},
            "annotations": dict(owner.metadata.annotations),
            "ownerReferences": [owner_reference(resource, owner)],
        },
        "data": {"spec": {"template": {**decoded, "$patch": "replace"}}},
        "revision": number,
    }


def _raise(revision: ControllerRevision, number: int) -> Patch:
    meta = revision.metadata
    return Patch(
        resource=CONTROLLERREVISIONS,
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        resource_version=meta.resource_version,
        body={"revision": number},
    )
