"""A CronJob through hours in which its Jobs run long, fail or are deleted, and its controller dies half-way."""

from datetime import timedelta

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from apimachinery.objects.resources import CRONJOBS, JOBS
from engine.controllers.actions import Action, Emit, RequeueAfter
from engine.controllers.cronjob import planning
from engine.controllers.cronjob.views import CronJob
from engine.controllers.job.views import Job, finish_of
from tests.engine.controllers.world import World

STEPS = st.one_of(st.none(), st.integers(0, 3))


def jobs(world: World) -> list[Job]:
    return sorted(world.list(JOBS, Job), key=lambda job: job.metadata.name)


def plan(world: World) -> list[Action]:
    cron_job = world.get(CRONJOBS, "tick", CronJob)
    return planning.plan(planning.Observed(cron_job=cron_job, jobs=tuple(jobs(world)), now=world.now))


def writes(world: World) -> list[Action]:
    return [action for action in plan(world) if not isinstance(action, (RequeueAfter, Emit))]


def settle(world: World) -> None:
    for _ in range(20):
        planned = writes(world)
        if not planned:
            return
        world.carry_out(planned)
    raise AssertionError(f"never at rest: {writes(world)}")


def names(world: World) -> list[str]:
    return [job.metadata.name for job in jobs(world)]


class Ticks(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.policy = ""
        self.ever: set[str] = set()

    @initialize(policy=st.sampled_from(["Allow", "Forbid", "Replace"]), kept=st.integers(0, 3))
    def made(self, policy: str, kept: int) -> None:
        self.policy = policy
        spec = {"schedule": "*/5 * * * *", "concurrencyPolicy": policy, "jobTemplate": {"spec": {"template": {}}}}
        spec |= {"successfulJobsHistoryLimit": kept, "failedJobsHistoryLimit": kept}
        self.world.add(CRONJOBS, {"metadata": {"name": "tick"}, "spec": spec})

    @rule(seconds=st.integers(1, 700))
    def time_passes(self, seconds: int) -> None:
        self.world.pass_time(seconds)

    @rule(steps=STEPS)
    def controller(self, steps: int | None) -> None:
        before = names(self.world)
        self.world.carry_out(plan(self.world), only=steps)
        fresh = set(names(self.world)) - set(before)
        # A Job that was there once is never made again, whoever removed it.
        assert not fresh & self.ever
        self.ever |= fresh

    @rule(suspended=st.booleans())
    def suspension(self, suspended: bool) -> None:
        self.world.spec(CRONJOBS, "tick", suspend=suspended)

    @precondition(lambda self: bool(jobs(self.world)))
    @rule(which=st.integers(0, 5), kind=st.sampled_from(["Complete", "Failed", "deleted"]))
    def a_job_ends(self, which: int, kind: str) -> None:
        found = jobs(self.world)
        job = found[which % len(found)]
        if kind == "deleted":
            # Noted as started: before that, whoever deletes it may see it come again, as upstream.
            settle(self.world)
            self.ever |= set(names(self.world))
            self.world.delete(JOBS, job.metadata.name)
        elif finish_of(job) is None:
            moment = self.world.now.strftime("%Y-%m-%dT%H:%M:%SZ")
            times = {"startTime": moment, "completionTime": moment}
            self.world.status(JOBS, job.metadata.name, conditions=[{"type": kind, "status": "True"}], **times)

    @rule(steps=st.integers(0, 4))
    def death_at_any_step_leads_to_the_same_end(self, steps: int) -> None:
        smooth, broken = self.world.copy(), self.world.copy()
        broken.carry_out(plan(broken), only=steps)
        settle(smooth)
        settle(broken)
        assert names(smooth) == names(broken)

    @invariant()
    def no_two_run_where_that_is_forbidden(self) -> None:
        running = [job for job in jobs(self.world) if finish_of(job) is None]
        if self.policy == "Forbid":
            assert len(running) <= 1

    def teardown(self) -> None:
        if not self.world.objects(CRONJOBS):
            return
        self.world.spec(CRONJOBS, "tick", suspend=False)
        self.world.now = self.world.now.replace(minute=0, second=1, microsecond=0) + timedelta(hours=1)
        settle(self.world)
        if self.policy != "Forbid":
            due = self.world.now.replace(second=0)
            assert f"tick-{int(due.timestamp()) // 60}" in names(self.world)
        running = [job for job in jobs(self.world) if finish_of(job) is None]
        assert self.policy == "Allow" or len(running) <= 1
        assert writes(self.world) == []


TestTicks = Ticks.TestCase
TestTicks.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
