"""What the plan for a Job is made from: its pods; those of a Job that is gone, too."""

from collections.abc import Iterable

from apimachinery.objects.meta import controller_of, key, object_key, split_key
from apimachinery.objects.selectors import from_label_selector
from engine.controllers.actions import Action
from engine.controllers.controller import Moment, Reader, Watch
from engine.controllers.job.counting import is_tracked
from engine.controllers.job.planning import Observed, plan
from engine.controllers.job.views import JOB_NAME_LABEL, JOB_SOURCE
from engine.controllers.podstate import is_terminating
from engine.controllers.views import POD_SOURCE, Pod, orphans_of


class JobController:
    name = "job"
    component = "job-controller"

    def __init__(self) -> None:
        self.watches = (
            Watch(JOB_SOURCE, lambda job, _: [key(job)]),
            Watch(POD_SOURCE, _jobs_of_pod),
        )

    async def observe(self, key: str, reader: Reader, moment: Moment) -> Observed | None:
        job = reader.get(JOB_SOURCE, key)
        if job is None:
            left = _left_behind(key, reader)
            return Observed(job=None, pods=left, now=moment.now) if left else None
        meta = job.metadata
        managed = tuple(reader.by_index(POD_SOURCE, "controller", meta.uid))
        orphans = tuple(reader.by_index(POD_SOURCE, "controller", orphans_of(meta.namespace)))
        return Observed(job=job, pods=managed + orphans, now=moment.now)

    def plan(self, observed: Observed) -> list[Action]:
        return plan(observed)


def _left_behind(key: str, reader: Reader) -> tuple[Pod, ...]:
    namespace, _ = split_key(key)
    return tuple(pod for pod in reader.list(POD_SOURCE, namespace) if is_tracked(pod) and _job_of(pod) == key)


def _job_of(pod: Pod) -> str | None:
    """The Job that a pod belongs to or, its owner being gone, belonged to."""
    owner = controller_of(pod.metadata)
    if owner is not None:
        return object_key(pod.metadata.namespace, owner.name) if owner.kind == "Job" else None
    name = pod.metadata.labels.get(JOB_NAME_LABEL)
    return object_key(pod.metadata.namespace, name) if name else None


def _jobs_of_pod(pod: Pod, reader: Reader) -> Iterable[str]:
    if controller_of(pod.metadata) is not None or is_tracked(pod):
        job = _job_of(pod)
        return [job] if job is not None else []
    if is_terminating(pod) or not pod.metadata.labels:
        return []
    return [
        key(job)
        for job in reader.list(JOB_SOURCE, pod.metadata.namespace)
        if from_label_selector(job.spec.selector).matches(pod.metadata.labels)
    ]
