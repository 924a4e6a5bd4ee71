"""What the CronJob controller plans."""

from typing import Any

import pytest

from apimachinery.objects.resources import CRONJOBS, JOBS
from engine.controllers.actions import Action, Create, Delete, RequeueAfter
from engine.controllers.cronjob import planning
from engine.controllers.cronjob.views import CronJob
from engine.controllers.job.views import Job
from tests.engine.controllers.world import Json, World

TEMPLATE = {"metadata": {"labels": {"app": "tick"}, "annotations": {"a": "b"}}, "spec": {"template": {}}}


def cron_world(schedule: str = "*/5 * * * *", **spec: Any) -> World:
    world = World()
    whole = {"schedule": schedule, "jobTemplate": TEMPLATE, **spec}
    world.add(CRONJOBS, {"metadata": {"name": "tick"}, "spec": whole})
    return world


def plan(world: World) -> list[Action]:
    cron_job = world.get(CRONJOBS, "tick", CronJob)
    return planning.plan(planning.Observed(cron_job=cron_job, jobs=world.list(JOBS, Job), now=world.now))


def turn(world: World, times: int = 3) -> None:
    for _ in range(times):
        world.carry_out(plan(world))


def jobs(world: World) -> list[str]:
    return [job["metadata"]["name"] for job in world.objects(JOBS)]


def end(world: World, name: str, kind: str = "Complete") -> None:
    moment = world.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    times = {"startTime": moment, **({"completionTime": moment} if kind == "Complete" else {})}
    world.status(JOBS, name, conditions=[{"type": kind, "status": "True"}], **times)


def status(world: World) -> Json:
    return world.objects(CRONJOBS)[0]["status"]


def test_nothing_starts_before_its_time() -> None:
    world = cron_world()
    world.pass_time(290)
    assert plan(world) == [RequeueAfter(seconds=10.1)]


def test_due_job_is_named_for_its_minute_and_noted_once_it_is_there() -> None:
    world = cron_world()
    world.pass_time(301)
    turn(world, 1)
    (job,) = world.objects(JOBS)
    assert job["metadata"]["name"] == "tick-29454485"
    assert job["metadata"]["labels"] == {"app": "tick"}
    assert job["metadata"]["annotations"] == {
        "a": "b", "batch.kubernetes.io/cronjob-scheduled-timestamp": "2026-01-01T12:05:00Z"
    }  # fmt: skip
    assert job["metadata"]["ownerReferences"][0]["kind"] == "CronJob"
    assert "lastScheduleTime" not in status(world)
    turn(world)
    assert jobs(world) == ["tick-29454485"]
    assert status(world)["lastScheduleTime"] == "2026-01-01T12:05:00Z"
    assert [ref["name"] for ref in status(world)["active"]] == ["tick-29454485"]


def test_time_of_the_schedule_is_written_in_its_zone() -> None:
    world = cron_world("0 14 * * *", timeZone="Europe/Berlin")
    world.pass_time(3601)
    turn(world)
    (job,) = world.objects(JOBS)
    assert (
        job["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"] == "2026-01-01T14:00:00+01:00"
    )


def test_end_of_a_job_is_told_and_noted() -> None:
    world = cron_world()
    world.pass_time(301)
    turn(world)
    world.pass_time(20)
    end(world, "tick-29454485")
    turn(world)
    assert "active" not in status(world)
    assert status(world)["lastSuccessfulTime"] == "2026-01-01T12:05:21Z"
    assert world.events == ["SawCompletedJob"]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        pytest.param("Allow", ["tick-29454485", "tick-29454490"], id="both run"),
        pytest.param("Forbid", ["tick-29454485"], id="the next one waits"),
        pytest.param("Replace", ["tick-29454490"], id="the next one takes its place"),
    ],
)
def test_job_that_still_runs_when_the_next_is_due(policy: str, expected: list[str]) -> None:
    world = cron_world(concurrencyPolicy=policy)
    world.pass_time(301)
    turn(world)
    world.pass_time(300)
    turn(world)
    assert jobs(world) == expected
    assert [ref["name"] for ref in status(world)["active"]] == expected


def test_job_held_up_by_the_one_before_starts_when_that_ends() -> None:
    world = cron_world(concurrencyPolicy="Forbid")
    world.pass_time(301)
    turn(world)
    world.pass_time(310)
    turn(world)
    assert "JobAlreadyActive" in world.events
    end(world, "tick-29454485")
    turn(world)
    assert jobs(world) == ["tick-29454485", "tick-29454490"]


def test_of_many_missed_starts_only_the_last_is_made_up_for() -> None:
    world = cron_world("* * * * *")
    world.pass_time(600 * 60 + 1)
    turn(world)
    assert jobs(world) == ["tick-29455080"]
    assert "TooManyMissedTimes" in world.events


def test_start_later_than_the_deadline_allows_is_left_out() -> None:
    world = cron_world("0 * * * *", startingDeadlineSeconds=60)
    world.pass_time(3600 + 120)
    turn(world)
    assert jobs(world) == []
    world.pass_time(3600 - 90)
    turn(world)
    assert jobs(world) == ["tick-29454600"]


def test_suspended_one_starts_nothing_but_keeps_count() -> None:
    world = cron_world()
    world.pass_time(301)
    turn(world)
    world.spec(CRONJOBS, "tick", suspend=True)
    world.pass_time(600)
    end(world, "tick-29454485")
    turn(world)
    assert jobs(world) == ["tick-29454485"]
    assert "active" not in status(world)
    assert plan(world) == []


def test_oldest_ended_jobs_beyond_the_limits_are_deleted() -> None:
    world = cron_world(successfulJobsHistoryLimit=2, failedJobsHistoryLimit=1)
    for number in range(6):
        world.pass_time(300)
        turn(world)
        end(world, jobs(world)[-1], "Failed" if number % 2 else "Complete")
    world.pass_time(1)
    turn(world)
    assert jobs(world) == ["tick-29454495", "tick-29454505", "tick-29454510"]


def test_job_that_somebody_deleted_is_not_started_again() -> None:
    world = cron_world()
    world.pass_time(301)
    turn(world)
    world.delete(JOBS, "tick-29454485")
    turn(world)
    assert jobs(world) == []
    assert "MissingJob" in world.events


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        pytest.param({"schedule": "never"}, "UnparseableSchedule", id="schedule"),
        pytest.param({"timeZone": "Mars/Olympus"}, "UnknownTimeZone", id="zone"),
    ],
)
def test_what_cannot_be_understood_is_told(spec: Json, reason: str) -> None:
    world = cron_world(**spec)
    turn(world, 1)
    assert world.events == [reason]


def test_replaced_job_is_deleted_before_its_pods() -> None:
    world = cron_world(concurrencyPolicy="Replace")
    world.pass_time(301)
    turn(world)
    world.pass_time(300)
    (deletion,) = (action for action in plan(world) if isinstance(action, Delete))
    assert deletion.propagation == "Background"
    assert sum(isinstance(action, Create) for action in plan(world)) == 1
