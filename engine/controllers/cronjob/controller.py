"""What the plan for a CronJob is made from: the Jobs that it manages."""

from collections.abc import Iterable

from apimachinery.objects.meta import controller_of, key, object_key
from engine.controllers.actions import Action
from engine.controllers.controller import Moment, Reader, Watch
from engine.controllers.cronjob.planning import Observed, plan
from engine.controllers.cronjob.views import CRONJOB_SOURCE
from engine.controllers.job.views import JOB_SOURCE, Job


class CronJobController:
    name = "cronjob"
    component = "cronjob-controller"

    def __init__(self) -> None:
        self.watches = (
            Watch(CRONJOB_SOURCE, lambda cron_job, _: [key(cron_job)]),
            Watch(JOB_SOURCE, _cron_job_of),
        )

    async def observe(self, key: str, reader: Reader, moment: Moment) -> Observed | None:
        cron_job = reader.get(CRONJOB_SOURCE, key)
        if cron_job is None:
            return None
        jobs = tuple(reader.by_index(JOB_SOURCE, "controller", cron_job.metadata.uid))
        return Observed(cron_job=cron_job, jobs=jobs, now=moment.now)

    def plan(self, observed: Observed) -> list[Action]:
        return plan(observed)


def _cron_job_of(job: Job, _reader: Reader) -> Iterable[str]:
    owner = controller_of(job.metadata)
    if owner is None or owner.kind != "CronJob":
        return []
    return [object_key(job.metadata.namespace, owner.name)]
