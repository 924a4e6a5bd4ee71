"""What the Job controller plans, followed step by step and under any order of events."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apimachinery.objects.resources import JOBS, PODS
from engine.controllers.actions import Action, Create, RequeueAfter
from engine.controllers.job import planning
from engine.controllers.job.views import FINALIZER, INDEX, Job
from engine.controllers.views import Pod
from tests.engine.controllers.world import Json, World

TEMPLATE: Json = {
    "metadata": {"labels": {"app": "work"}},
    "spec": {"containers": [{"name": "c", "image": "busybox"}], "restartPolicy": "Never"},
}
INDEXED = {"completionMode": "Indexed"}


def job_world(**spec: Any) -> World:
    world = World()
    selector = {"matchLabels": {"app": "work"}}
    whole = {"parallelism": 1, "completions": 1, "selector": selector, "template": TEMPLATE, **spec}
    world.add(JOBS, {"metadata": {"name": "work"}, "spec": whole})
    return world


def plan(world: World) -> list[Action]:
    jobs = world.list(JOBS, Job)
    observed = planning.Observed(job=jobs[0] if jobs else None, pods=world.list(PODS, Pod), now=world.now)
    return planning.plan(observed)


def turn(world: World, times: int = 1) -> None:
    for _ in range(times):
        world.carry_out(plan(world))


def quiet(world: World) -> None:
    """Plans until nothing is to be done but to wait."""
    for _ in range(20):
        actions = plan(world)
        if all(isinstance(action, RequeueAfter) for action in actions):
            return
        world.carry_out(actions)
    raise AssertionError(f"it never rests: {plan(world)}")


def status(world: World) -> Json:
    return world.objects(JOBS)[0]["status"]


def active(world: World) -> list[Json]:
    return [
        pod
        for pod in world.objects(PODS)
        if pod["status"]["phase"] in ("Pending", "Running") and not pod["metadata"].get("deletionTimestamp")
    ]


def end_all(world: World, phase: str = "Succeeded", exit_code: int = 0) -> None:
    for pod in active(world):
        world.end(pod["metadata"]["name"], phase, exit_code)


def conditions(world: World) -> dict[str, tuple[str, str]]:
    """(reason, message) of the conditions that hold."""
    return {
        c["type"]: (c["reason"], c["message"]) for c in status(world).get("conditions", ()) if c["status"] == "True"
    }


def indexes(world: World) -> list[int]:
    return sorted(int(pod["metadata"]["annotations"][INDEX]) for pod in active(world))


DONE = ("CompletionsReached", "Reached expected number of succeeded pods")


def test_pod_is_counted_in_three_durable_steps() -> None:
    world = job_world()
    quiet(world)
    (pod,) = active(world)
    assert pod["metadata"]["finalizers"] == [FINALIZER]
    assert status(world)["active"] == 1
    assert status(world)["startTime"] == "2026-01-01T12:00:00Z"
    world.end(pod["metadata"]["name"])
    turn(world)
    assert status(world)["uncountedTerminatedPods"] == {"succeeded": [pod["metadata"]["uid"]]}
    assert "succeeded" not in status(world)
    assert "Complete" not in conditions(world)
    turn(world)
    assert world.objects(PODS)[0]["metadata"].get("finalizers", []) == []
    turn(world)
    assert status(world)["succeeded"] == 1
    assert status(world)["uncountedTerminatedPods"] == {}
    assert conditions(world) == {"SuccessCriteriaMet": DONE, "Complete": DONE}
    assert status(world)["completionTime"]
    assert plan(world) == []


def test_as_many_pods_run_as_parallelism_and_the_rest_of_the_work_allow() -> None:
    world = job_world(parallelism=3, completions=5)
    quiet(world)
    assert len(active(world)) == 3
    end_all(world)
    quiet(world)
    assert len(active(world)) == 2
    end_all(world)
    quiet(world)
    assert (status(world)["succeeded"], "Complete" in conditions(world)) == (5, True)


def test_work_queue_ends_with_its_last_pod_once_one_succeeded() -> None:
    world = job_world(parallelism=2, completions=None)
    quiet(world)
    first, second = (pod["metadata"]["name"] for pod in active(world))
    world.end(first)
    quiet(world)
    assert len(active(world)) == 1
    assert "Complete" not in conditions(world)
    world.end(second)
    quiet(world)
    assert "Complete" in conditions(world)


def test_indexed_pods_know_their_index() -> None:
    world = job_world(parallelism=2, completions=3, **INDEXED)
    quiet(world)
    pod = next(pod for pod in active(world) if pod["metadata"]["annotations"][INDEX] == "1")
    assert pod["metadata"]["labels"][INDEX] == "1"
    assert pod["metadata"]["generateName"] == "work-1-"
    assert pod["spec"]["hostname"] == "work-1"
    (variable,) = pod["spec"]["containers"][0]["env"]
    assert variable["name"] == "JOB_COMPLETION_INDEX"
    world.end(pod["metadata"]["name"])
    quiet(world)
    assert status(world)["completedIndexes"] == "1"
    assert indexes(world) == [0, 2]
    end_all(world)
    quiet(world)
    assert (status(world)["completedIndexes"], status(world)["succeeded"]) == ("0-2", 3)


def test_index_that_two_pods_finish_counts_once() -> None:
    world = job_world(parallelism=2, completions=2, **INDEXED)
    quiet(world)
    zero = next(pod for pod in active(world) if pod["metadata"]["annotations"][INDEX] == "0")
    copy = {**zero, "metadata": {**zero["metadata"], "name": "twin"}, "status": {"phase": "Succeeded"}}
    world.end(zero["metadata"]["name"])
    world.add(PODS, copy)
    quiet(world)
    assert (status(world)["completedIndexes"], status(world)["succeeded"]) == ("0", 1)


def test_failures_are_replaced_after_growing_waits_until_the_limit() -> None:
    world = job_world(backoffLimit=2)
    waits: list[float] = []
    for _ in range(2):
        quiet(world)
        end_all(world, "Failed", 1)
        quiet(world)
        (wait,) = (action.seconds for action in plan(world) if isinstance(action, RequeueAfter))
        waits.append(wait)
        assert active(world) == []
        world.pass_time(wait)
    assert waits == [10, 20]
    quiet(world)
    end_all(world, "Failed", 1)
    quiet(world)
    failed = ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
    assert conditions(world) == {"FailureTarget": failed, "Failed": failed}
    assert status(world)["failed"] == 3
    assert plan(world) == []


def test_failed_job_waits_for_its_other_pods_to_end() -> None:
    world = job_world(parallelism=2, completions=2, backoffLimit=0, podReplacementPolicy="Failed")
    quiet(world)
    first, second = (pod["metadata"]["name"] for pod in active(world))
    world.end(first, "Failed", 1)
    quiet(world)
    assert set(conditions(world)) == {"FailureTarget"}
    assert active(world) == []
    world.remove_leaving(second)
    quiet(world)
    assert set(conditions(world)) == {"FailureTarget", "Failed"}


def test_job_past_its_deadline_fails() -> None:
    world = job_world(activeDeadlineSeconds=60)
    quiet(world)
    assert RequeueAfter(seconds=60.0) in plan(world)
    world.pass_time(60)
    quiet(world)
    assert conditions(world)["FailureTarget"] == ("DeadlineExceeded", "Job was active longer than specified deadline")


def test_suspended_job_loses_its_pods_without_failing_and_goes_on_when_resumed() -> None:
    world = job_world(parallelism=2, completions=2)
    quiet(world)
    world.spec(JOBS, "work", suspend=True)
    quiet(world)
    assert active(world) == []
    assert conditions(world) == {"Suspended": ("JobSuspended", "Job suspended")}
    for pod in world.objects(PODS):
        world.remove_leaving(pod["metadata"]["name"])
    world.pass_time(60)
    world.spec(JOBS, "work", suspend=False)
    quiet(world)
    assert len(active(world)) == 2
    assert conditions(world) == {}
    assert status(world)["startTime"] == "2026-01-01T12:01:00Z"
    assert "failed" not in status(world)
    assert world.events == ["Suspended", "Resumed"]


def test_job_made_suspended_starts_nothing() -> None:
    world = job_world(suspend=True)
    quiet(world)
    assert world.objects(PODS) == []
    assert "startTime" not in status(world)


@pytest.mark.parametrize(
    ("rule", "exit_code", "pod_conditions", "expected"),
    [
        pytest.param(
            {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}, 42, [],
            ("PodFailurePolicy", "Container c for pod default/{pod} failed with exit code 42 matching FailJob rule at index 0"),
            id="exit code ends the job",
        ),
        pytest.param(
            {"action": "FailJob", "onExitCodes": {"operator": "NotIn", "values": [42]}}, 42, [], None, id="other code"
        ),
        pytest.param(
            {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42], "containerName": "other"}}, 42, [],
            None, id="other container",
        ),
        pytest.param(
            {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}, 1,
            [{"type": "DisruptionTarget", "status": "True"}],
            ("PodFailurePolicy", "Pod default/{pod} has condition DisruptionTarget matching FailJob rule at index 0"),
            id="condition ends the job",
        ),
    ],
)  # fmt: skip
def test_failure_policy_may_end_the_job_at_once(
    rule: Json, exit_code: int, pod_conditions: list[Json], expected: tuple[str, str] | None
) -> None:
    world = job_world(podFailurePolicy={"rules": [rule]})
    quiet(world)
    name = active(world)[0]["metadata"]["name"]
    world.end(name, "Failed", exit_code)
    if pod_conditions:
        world.status(PODS, name, conditions=pod_conditions)
    quiet(world)
    if expected is None:
        assert conditions(world) == {}
    else:
        assert conditions(world)["Failed"] == (expected[0], expected[1].format(pod=name))


def test_ignored_failure_does_not_count() -> None:
    rule = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    world = job_world(podFailurePolicy={"rules": [rule]}, backoffLimit=0)
    quiet(world)
    name = active(world)[0]["metadata"]["name"]
    world.end(name, "Failed", 137)
    world.status(PODS, name, conditions=[{"type": "DisruptionTarget", "status": "True"}])
    quiet(world)
    world.pass_time(600)
    quiet(world)
    assert len(active(world)) == 1
    assert "failed" not in status(world)


def test_pod_on_its_way_out_is_replaced_only_once_it_ended_where_asked_for() -> None:
    world = job_world(podReplacementPolicy="Failed")
    quiet(world)
    name = active(world)[0]["metadata"]["name"]
    world.delete(PODS, name)
    quiet(world)
    assert active(world) == []
    assert status(world)["terminating"] == 1
    world.remove_leaving(name)
    quiet(world)
    world.pass_time(600)
    quiet(world)
    assert len(active(world)) == 1
    assert status(world)["failed"] == 1


def test_each_index_has_failures_of_its_own() -> None:
    world = job_world(parallelism=3, completions=3, backoffLimit=100, backoffLimitPerIndex=1, **INDEXED)
    quiet(world)
    bad = next(pod for pod in active(world) if pod["metadata"]["annotations"][INDEX] == "1")
    for pod in active(world):
        if pod is not bad:
            world.end(pod["metadata"]["name"])
    world.end(bad["metadata"]["name"], "Failed", 1)
    quiet(world)
    assert active(world) == []
    world.pass_time(10)
    quiet(world)
    (again,) = active(world)
    assert again["metadata"]["annotations"]["batch.kubernetes.io/job-index-failure-count"] == "1"
    end_all(world, "Failed", 1)
    quiet(world)
    assert status(world)["failedIndexes"] == "1"
    assert status(world)["completedIndexes"] == "0,2"
    assert status(world)["failed"] == 2
    assert conditions(world)["Failed"] == ("FailedIndexes", "Job has failed indexes")


def test_too_many_failed_indexes_end_the_job() -> None:
    world = job_world(
        parallelism=3,
        completions=9,
        backoffLimitPerIndex=0,
        maxFailedIndexes=1,
        backoffLimit=99,
        podReplacementPolicy="Failed",
        **INDEXED,
    )
    quiet(world)
    for pod in active(world)[:2]:
        world.end(pod["metadata"]["name"], "Failed", 1)
    quiet(world)
    assert conditions(world)["FailureTarget"][0] == "MaxFailedIndexesExceeded"
    assert status(world)["failedIndexes"] == "0,1"


def test_rule_may_fail_an_index_at_its_first_failure() -> None:
    rule = {"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [7]}}
    policy = {"rules": [rule]}
    world = job_world(completions=2, backoffLimitPerIndex=5, backoffLimit=99, podFailurePolicy=policy, **INDEXED)
    quiet(world)
    end_all(world, "Failed", 7)
    quiet(world)
    assert status(world)["failedIndexes"] == "0"
    assert indexes(world) == [1]


@pytest.mark.parametrize(
    ("rule", "done", "met"),
    [
        pytest.param({"succeededIndexes": "0,2"}, [0, 2], True, id="all named"),
        pytest.param({"succeededIndexes": "0,2"}, [0, 1], False, id="not all named"),
        pytest.param({"succeededIndexes": "0-2", "succeededCount": 1}, [1], True, id="some of the named"),
        pytest.param({"succeededCount": 2}, [1, 3], True, id="any"),
        pytest.param({"succeededCount": 2}, [1], False, id="too few"),
    ],
)
def test_success_policy_ends_the_job_early(rule: Json, done: list[int], met: bool) -> None:
    world = job_world(parallelism=4, completions=4, successPolicy={"rules": [rule]}, **INDEXED)
    quiet(world)
    for pod in active(world):
        if int(pod["metadata"]["annotations"][INDEX]) in done:
            world.end(pod["metadata"]["name"])
    quiet(world)
    assert ("SuccessCriteriaMet" in conditions(world)) is met
    if met:
        assert conditions(world)["SuccessCriteriaMet"] == ("SuccessPolicy", "Matched rules at index 0")
        for pod in world.objects(PODS):
            world.remove_leaving(pod["metadata"]["name"])
        quiet(world)
        assert conditions(world)["Complete"] == ("SuccessPolicy", "Matched rules at index 0")


def test_restarts_in_place_count_against_the_limit() -> None:
    template = {**TEMPLATE, "spec": {**TEMPLATE["spec"], "restartPolicy": "OnFailure"}}
    world = job_world(backoffLimit=3, template=template)
    quiet(world)
    name = active(world)[0]["metadata"]["name"]
    world.status(PODS, name, phase="Running", containerStatuses=[{"name": "c", "restartCount": 2}])
    quiet(world)
    assert conditions(world) == {}
    world.status(PODS, name, containerStatuses=[{"name": "c", "restartCount": 3}])
    quiet(world)
    assert conditions(world)["FailureTarget"][0] == "BackoffLimitExceeded"


def test_finished_job_is_deleted_when_its_time_is_over() -> None:
    world = job_world(ttlSecondsAfterFinished=30)
    quiet(world)
    end_all(world)
    quiet(world)
    assert RequeueAfter(seconds=30.0) in plan(world)
    world.pass_time(30)
    turn(world)
    assert world.objects(JOBS) == []


def test_pods_of_a_job_that_is_gone_are_let_go() -> None:
    world = job_world(parallelism=2, completions=2)
    quiet(world)
    world.delete(JOBS, "work")
    quiet(world)
    assert all(not pod["metadata"].get("finalizers") for pod in world.objects(PODS))


def test_job_that_another_controller_manages_is_left_alone() -> None:
    assert plan(job_world(managedBy="example.com/queue")) == []


def test_lower_parallelism_takes_pods_away_without_failures() -> None:
    world = job_world(parallelism=3, completions=9)
    quiet(world)
    world.spec(JOBS, "work", parallelism=1)
    quiet(world)
    assert len(active(world)) == 1
    assert "failed" not in status(world)


def test_creations_are_made_in_one_go_up_to_a_bound() -> None:
    world = job_world(parallelism=2000, completions=2000)
    assert sum(isinstance(action, Create) for action in plan(world)) == 500


EVENTS = st.lists(
    st.tuples(st.sampled_from(["turn", "half", "succeed", "fail", "drop", "leave", "wait"]), st.integers(0, 7)),
    max_size=50,
)


@settings(max_examples=80, deadline=None)
@given(EVENTS, st.integers(1, 4), st.integers(1, 5), st.booleans())
def test_no_completion_is_lost_or_counted_twice_whatever_happens(
    events: list[tuple[str, int]], parallelism: int, completions: int, indexed: bool
) -> None:
    world = job_world(
        parallelism=parallelism, completions=completions, backoffLimit=1000, **(INDEXED if indexed else {})
    )
    succeeded: set[str] = set()
    for event, which in [*events, *[("turn", 0), ("succeed", 0), ("turn", 0), ("leave", 0), ("wait", 0)] * 40]:
        pods = sorted(world.objects(PODS), key=lambda pod: pod["metadata"]["name"])
        pod = pods[which % len(pods)] if pods else None
        running = [p for p in pods if p["status"]["phase"] in ("Pending", "Running")]
        match event:
            case "turn":
                turn(world)
            case "half":
                world.carry_out(plan(world), only=which)
            case "succeed" if running:
                chosen = running[which % len(running)]
                world.end(chosen["metadata"]["name"])
                # One that is leaving and has lost its finalizer may go unseen: it was not wanted any more.
                if chosen["metadata"].get("finalizers") and not chosen["metadata"].get("deletionTimestamp"):
                    succeeded.add(chosen["metadata"]["annotations"][INDEX] if indexed else chosen["metadata"]["uid"])
            case "fail" if running:
                world.end(running[which % len(running)]["metadata"]["name"], "Failed", 1)
            case "drop" if pod:
                world.delete(PODS, pod["metadata"]["name"])
            case "leave" if pod:
                world.remove_leaving(pod["metadata"]["name"])
            case "wait":
                world.pass_time(700)
            case _:
                pass
        found = status(world)
        uncounted = found.get("uncountedTerminatedPods", {}).get("succeeded", [])
        known = found.get("succeeded", 0) + (0 if indexed else len(uncounted))
        assert known <= completions
    assert status(world)["succeeded"] == completions
    assert len(succeeded) <= completions
    assert "Complete" in conditions(world)
    assert not any(pod["metadata"].get("finalizers") for pod in world.objects(PODS))
