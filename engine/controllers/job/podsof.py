"""The pods of a Job: which to make next, and with what; which to take away."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from apimachinery.objects.resources import JOBS, PODS
from engine.controllers.actions import About, Action, Create, Delete, Json, Note
from engine.controllers.job import indexes
from engine.controllers.job.backoff import failures_before, ignored_before
from engine.controllers.job.counting import is_tracked, release
from engine.controllers.job.policies import judge
from engine.controllers.job.views import FINALIZER, INDEX, INDEX_FAILURES, INDEX_IGNORED_FAILURES, Job
from engine.controllers.podranking import pods_to_delete
from engine.controllers.podtemplate import decode_template, pod_of
from engine.controllers.views import Pod

_INDEX_VARIABLE = {
    "name": "JOB_COMPLETION_INDEX",
    "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": f"metadata.labels['{INDEX}']"}},
}


def new_pods(job: Job, count: int) -> list[Action]:
    """Pods of a Job without indexes: all alike."""
    return [_create(job, _pod(job, decode_template(job.spec.template)))] * count


def new_indexed_pod(job: Job, index: int, failed: Pod | None) -> Create:
    """`failed`: the pod of this index whose successor it is."""
    template = decode_template(job.spec.template)
    spec: Json = {**template["spec"], "hostname": f"{job.metadata.name}-{index}"}
    for field in ("containers", "initContainers"):
        if spec.get(field):
            spec[field] = [_with_index(container) for container in spec[field]]
    pod = _pod(job, {**template, "spec": spec})
    meta = pod["metadata"]
    meta["generateName"] = f"{job.metadata.name}-{index}-"
    meta["labels"][INDEX] = meta["annotations"][INDEX] = str(index)
    if job.spec.backoff_limit_per_index is not None:
        meta["annotations"] |= _failure_counts(job, failed)
    return _create(job, pod)


def pending_indexes(job: Job, pods: Iterable[Pod], over: frozenset[int], count: int) -> list[int]:
    """The lowest free indexes. `pods`: those that occupy theirs; `over`: indexes succeeded or failed for good."""
    occupied = {indexes.index_of(pod) for pod in pods}
    free = (index for index in range(job.spec.completions or 0) if index not in occupied and index not in over)
    return [index for index, _ in zip(free, range(count), strict=False)]


def surplus(job: Job, active: Sequence[Pod], over: frozenset[int], at_least: int, now: datetime) -> list[Pod]:
    """Pods to take away: those whose index is done, repeated or too high, then as many as it takes."""
    useless: list[Pod] = []
    useful: list[Pod] = []
    seen: set[int] = set()
    for pod in sorted(active, key=lambda pod: (pod.metadata.creation_timestamp or "", pod.metadata.name)):
        index = indexes.index_of(pod) if job.spec.indexed else None
        if job.spec.indexed and (
            index is None or index in seen or index >= (job.spec.completions or 0) or index in over
        ):
            useless.append(pod)
            continue
        useful.append(pod)
        if index is not None:
            seen.add(index)
    more = max(0, at_least - len(useless))
    return useless + (pods_to_delete(useful, useful, more, now) if more else [])


def delete(job: Job, pod: Pod) -> Delete:
    about = About.of(JOBS, job)
    return Delete(
        resource=PODS,
        namespace=pod.metadata.namespace,
        name=pod.metadata.name,
        uid=pod.metadata.uid,
        succeeded=Note(about=about, reason="SuccessfulDelete", message="Deleted pod: {name}"),
        failed=Note(about=about, reason="FailedDelete", message="Error deleting: {error}", type="Warning"),
    )


def delete_uncounted(job: Job, pod: Pod) -> list[Action]:
    """Take a pod away that is simply too many: it is no failure of the Job."""
    return [*([release(pod)] if is_tracked(pod) else []), delete(job, pod)]


def _failure_counts(job: Job, failed: Pod | None) -> dict[str, str]:
    """How often the index has failed before, carried from pod to pod."""
    if failed is None:
        return {INDEX_FAILURES: "0"}
    ignored = judge(job.spec.pod_failure_policy, failed, per_index=True).action == "Ignore"
    counts = {INDEX_FAILURES: str(failures_before(failed) + (not ignored))}
    if ignored_before(failed) or ignored:
        counts[INDEX_IGNORED_FAILURES] = str(ignored_before(failed) + ignored)
    return counts


def _pod(job: Job, template: Json) -> Json:
    pod = pod_of(template, JOBS, job)
    meta = pod["metadata"]
    meta["generateName"] = f"{job.metadata.name}-"
    if FINALIZER not in meta["finalizers"]:
        meta["finalizers"].append(FINALIZER)
    return pod


def _with_index(container: Json) -> Json:
    present: list[Json] = container.get("env") or []
    if any(variable.get("name") == _INDEX_VARIABLE["name"] for variable in present):
        return container
    return {**container, "env": [*present, _INDEX_VARIABLE]}


def _create(job: Job, body: Json) -> Create:
    about = About.of(JOBS, job)
    return Create(
        resource=PODS,
        namespace=job.metadata.namespace,
        body=body,
        succeeded=Note(about=about, reason="SuccessfulCreate", message="Created pod: {name}"),
        failed=Note(about=about, reason="FailedCreate", message="Error creating: {error}", type="Warning"),
    )
