"""What takes a change of the journal back, or why nothing can. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apimachinery.objects.resources import Resource
from tui.changes import Change, Deletion, Entry
from tui.patching import merge_patch, named, places, value_at, written

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recreation:
    """A deleted object to make again. `consequence` says what does not come back with it."""

    resource: Resource
    namespace: str | None
    name: str
    manifest: JSON
    consequence: str = ""


@dataclass(frozen=True, slots=True)
class Impossible:
    """`why` is a sentence for people."""

    why: str


Undo = Change | Recreation | Impossible


def undo_of(entry: Entry, current: JSON | None) -> Undo:
    """`current` is the object (or subresource) as it is now, None when there is none."""
    match entry.change:
        case Deletion():
            return _recreate(entry.change, entry.before, current)
        case Change():
            return _revert(entry.change, entry.before, entry.after, current)
        case None:
            return Impossible("Nothing was kept that could be put back.")


def _revert(change: Change, before: JSON | None, after: JSON | None, current: JSON | None) -> Undo:
    if before is None or after is None:
        return Impossible("It was not kept what was there before.")
    if current is None:
        return Impossible(f"{change.object_words} is gone.")
    patch = merge_patch(_kept(after), _kept(before))
    if not patch:
        return Impossible("It changed nothing that could be put back.")
    for place in places(patch):
        if value_at(current, place) != value_at(after, place):
            return Impossible(f"{named(place)} was changed again since; undoing would overwrite that.")
    version = (current.get("metadata") or {}).get("resourceVersion")
    if version:
        # Conditional: whatever changes between looking and writing makes the server refuse.
        patch = {**patch, "metadata": {**patch.get("metadata", {}), "resourceVersion": version}}
    return Change(
        title=f"Undo {change.title[:1].lower()}{change.title[1:]}",
        resource=change.resource,
        name=change.name,
        namespace=change.namespace,
        patch=patch,
        subresource=change.subresource,
        consequence=change.consequence if change.subresource != "scale" else "",
    )


def _kept(obj: Mapping[str, Any]) -> JSON:
    return written(obj)


_TRANSIENT = {
    "Event": "Events tell what happened; they are not made again.",
    "Namespace": "Everything in the namespace was deleted with it; that cannot be brought back from here.",
    "Node": "A machine comes back by joining it again.",
}


def _recreate(deletion: Deletion, before: JSON | None, current: JSON | None) -> Undo:
    resource = deletion.resource
    if before is None:
        return Impossible("It was not kept what it looked like.")
    meta, kind = before.get("metadata") or {}, resource.kind
    if current is not None:
        return Impossible(f"There is a {kind} {meta.get('name', '')} again already.")
    if kind in _TRANSIENT:
        return Impossible(_TRANSIENT[kind])
    controller = next((o for o in meta.get("ownerReferences") or () if o.get("controller")), None)
    if controller is not None:
        return Impossible(f"It belongs to {controller['kind']} {controller['name']}, which makes another by itself.")
    manifest: JSON = written(before) | {"apiVersion": resource.api_version, "kind": kind}
    manifest["metadata"] = {
        key: value
        for key, value in manifest["metadata"].items()
        if key not in ("deletionTimestamp", "deletionGracePeriodSeconds", "ownerReferences", "generateName")
    }
    return Recreation(
        resource=resource,
        namespace=meta.get("namespace"),
        name=meta.get("name", ""),
        manifest=_loosened(kind, manifest),
        consequence=_LOST.get(
            kind, "It is made anew: it gets another uid, and what it owned follows only if it makes that."
        ),
    )


_LOST = {
    "PersistentVolumeClaim": "The claim comes back empty: the data of its old volume does not come with it.",
    "Job": "The job runs again from the start.",
    "Pod": "The pod starts anew: what it had written inside itself is gone.",
    "Deployment": "It starts its pods anew; its history of revisions is gone.",
}


def _loosened(kind: str, manifest: JSON) -> JSON:
    """Without what ties it to what was: a pod's machine, a job's generated selector, a Service's address."""
    spec = dict(manifest.get("spec") or {})
    if kind == "Pod":
        spec.pop("nodeName", None)
    elif kind == "Job":
        spec.pop("selector", None)
        template = dict(spec.get("template") or {})
        labels = {k: v for k, v in ((template.get("metadata") or {}).get("labels") or {}).items() if not _generated(k)}
        spec["template"] = template | {"metadata": (template.get("metadata") or {}) | {"labels": labels}}
        meta = manifest["metadata"]
        kept = {k: v for k, v in (meta.get("labels") or {}).items() if not _generated(k)}
        manifest = manifest | {"metadata": meta | {"labels": kept}}
    elif kind == "PersistentVolumeClaim":
        spec.pop("volumeName", None)
    return manifest | {"spec": spec} if spec else manifest


def _generated(label: str) -> bool:
    return label in ("controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name")
