"""Deployments' rollouts: how far they are, what each revision was, what going back would change. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from apimachinery.objects.resources import DAEMONSETS, DEPLOYMENTS, STATEFULSETS
from tui.changes import Change
from tui.document import Line
from tui.kinds.sections import meta_of
from tui.yamltext import diff_lines

JSON = dict[str, Any]
REVISION = "deployment.kubernetes.io/revision"
CHANGE_CAUSE = "kubernetes.io/change-cause"
RESTARTED = "kubectl.kubernetes.io/restartedAt"
_HASH = "pod-template-hash"


@dataclass(frozen=True, slots=True)
class RolloutStatus:
    text: str
    done: bool = False
    failed: bool = False


def rollout_status(deployment: JSON) -> RolloutStatus:
    """In the words of `kubectl rollout status` (kubectl/pkg/polymorphichelpers/rollout_status.go)."""
    meta, spec, status = meta_of(deployment), deployment.get("spec") or {}, deployment.get("status") or {}
    name = meta.get("name", "")
    if meta.get("generation", 0) > status.get("observedGeneration", 0):
        return RolloutStatus("Waiting for deployment spec update to be observed...")
    for condition in status.get("conditions") or ():
        if condition.get("type") == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            return RolloutStatus(f'deployment "{name}" exceeded its progress deadline', failed=True)
    wanted = spec.get("replicas", 1)
    updated, total = status.get("updatedReplicas", 0), status.get("replicas", 0)
    available = status.get("availableReplicas", 0)
    waiting = f'Waiting for deployment "{name}" rollout to finish: '
    if updated < wanted:
        return RolloutStatus(f"{waiting}{updated} out of {wanted} new replicas have been updated...")
    if total > updated:
        return RolloutStatus(f"{waiting}{total - updated} old replicas are pending termination...")
    if available < updated:
        return RolloutStatus(f"{waiting}{available} of {updated} updated replicas are available...")
    return RolloutStatus(f'deployment "{name}" successfully rolled out', done=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One ReplicaSet of a deployment. `template` is without the hash label that the controller adds."""

    number: int
    name: str
    images: tuple[str, ...]
    template: JSON
    cause: str = ""
    wanted: int = 0
    there: int = 0
    ready: int = 0
    created: str = ""
    current: bool = False


def revisions(deployment: JSON, replica_sets: Iterable[JSON]) -> list[Revision]:
    """The deployment's own ReplicaSets, newest revision first."""
    uid = meta_of(deployment).get("uid")
    current = _number(meta_of(deployment))
    found = [
        _revision(replica_set, current)
        for replica_set in replica_sets
        if any(o.get("controller") and o.get("uid") == uid for o in meta_of(replica_set).get("ownerReferences") or ())
    ]
    return sorted(found, key=lambda revision: -revision.number)


def _revision(replica_set: JSON, current: int) -> Revision:
    meta, spec, status = meta_of(replica_set), replica_set.get("spec") or {}, replica_set.get("status") or {}
    template = clean_template(spec.get("template") or {})
    number = _number(meta)
    return Revision(
        number=number,
        name=meta.get("name", ""),
        images=tuple(c.get("image", "") for c in (template.get("spec") or {}).get("containers") or ()),
        template=template,
        cause=(meta.get("annotations") or {}).get(CHANGE_CAUSE, ""),
        wanted=spec.get("replicas", 0),
        there=status.get("replicas", 0),
        ready=status.get("readyReplicas", 0),
        created=meta.get("creationTimestamp", ""),
        current=number == current,
    )


def _number(meta: JSON) -> int:
    text = (meta.get("annotations") or {}).get(REVISION, "0")
    return int(text) if text.isdigit() else 0


def clean_template(template: JSON) -> JSON:
    meta = dict(template.get("metadata") or {})
    labels = {key: value for key, value in (meta.get("labels") or {}).items() if key != _HASH}
    return {**template, "metadata": {**{k: v for k, v in meta.items() if k != "creationTimestamp"}, "labels": labels}}


def template_diff(before: JSON, after: JSON) -> list[Line]:
    return diff_lines(clean_template(before), clean_template(after), context=2)


_RESOURCES = {"StatefulSet": STATEFULSETS, "DaemonSet": DAEMONSETS}


def _of(deployment: JSON) -> dict[str, Any]:
    meta = meta_of(deployment)
    return {
        "resource": _RESOURCES.get(deployment.get("kind", ""), DEPLOYMENTS),
        "name": meta.get("name", ""),
        "namespace": meta.get("namespace"),
    }


def undo(deployment: JSON, revision: Revision) -> Change:
    """Put an old revision's template back, as `kubectl rollout undo --to-revision` does."""
    patch: list[JSON] = [{"op": "replace", "path": "/spec/template", "value": revision.template}]
    return Change(
        title=f"Undo to revision {revision.number}",
        patch=patch,
        kind="json",
        consequence=replaces_pods(deployment),
        **_of(deployment),
    )


def restart(deployment: JSON, now: str) -> Change:
    """`kubectl rollout restart`: a new template that differs only in a time stamp."""
    patch = {"spec": {"template": {"metadata": {"annotations": {RESTARTED: now}}}}}
    return Change(title="Restart", patch=patch, consequence=replaces_pods(deployment), **_of(deployment))


def pause(deployment: JSON, *, paused: bool) -> Change:
    consequence = (
        "Changes of the pod template will wait until the rollout is resumed."
        if paused
        else "Waiting changes roll out now."
    )
    patch = {"spec": {"paused": True if paused else None}}
    return Change(
        title="Pause rollout" if paused else "Resume rollout", patch=patch, consequence=consequence, **_of(deployment)
    )


def set_images(deployment: JSON, images: dict[str, str]) -> Change:
    """New images by container name; a strategic patch merges containers by their names."""
    template: JSON = {"spec": {"containers": [{"name": name, "image": image} for name, image in images.items()]}}
    return Change(
        title="Set image",
        patch={"spec": {"template": template}},
        kind="strategic",
        consequence=replaces_pods(deployment),
        **_of(deployment),
    )


def replaces_pods(deployment: JSON) -> str:
    """What a changed template leads to, in one sentence."""
    spec = deployment.get("spec") or {}
    wanted = spec.get("replicas", (deployment.get("status") or {}).get("desiredNumberScheduled", 1))
    if spec.get("paused"):
        return "The rollout is paused: nothing happens until it is resumed."
    if wanted == 0:
        return "No pod runs: nothing is replaced."
    pods = "1 pod" if wanted == 1 else f"{wanted} pods"
    if (spec.get("strategy") or {}).get("type") == "Recreate":
        return f"Ends {pods} at once, then starts new ones: there will be a gap."
    return f"Replaces {pods}, a few at a time."
