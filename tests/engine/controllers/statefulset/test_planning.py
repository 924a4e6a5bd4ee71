"""What the StatefulSet controller plans, followed step by step and under any order of events."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apimachinery.objects.meta import Object
from apimachinery.objects.resources import CONTROLLERREVISIONS, PERSISTENTVOLUMECLAIMS, PODS, STATEFULSETS
from engine.controllers.actions import Action, RequeueAfter
from engine.controllers.history import ControllerRevision
from engine.controllers.statefulset import planning
from engine.controllers.statefulset.views import StatefulSet
from engine.controllers.views import Pod
from tests.engine.controllers.objects import template
from tests.engine.controllers.world import World

CLAIMS = [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}]


def stateful_world(replicas: int = 3, **spec: Any) -> World:
    world = World()
    whole = {
        "replicas": replicas,
        "serviceName": "web",
        "selector": {"matchLabels": {"app": "web"}},
        "template": template("nginx:1"),
        **spec,
    }
    world.add(STATEFULSETS, {"metadata": {"name": "web"}, "spec": whole})
    return world


def plan(world: World) -> list[Action]:
    return planning.plan(
        planning.Observed(
            stateful_set=world.get(STATEFULSETS, "web", StatefulSet),
            pods=world.list(PODS, Pod),
            revisions=world.list(CONTROLLERREVISIONS, ControllerRevision),
            claims={claim.metadata.name: claim for claim in world.list(PERSISTENTVOLUMECLAIMS, Object)},
            now=world.now,
        )
    )


def turn(world: World) -> None:
    """One plan, and everything it says is done."""
    world.carry_out(plan(world))


def pods(world: World) -> list[str]:
    """Pods by name, those on their way out with a star."""
    return [
        pod["metadata"]["name"] + ("*" if pod["metadata"].get("deletionTimestamp") else "")
        for pod in sorted(world.objects(PODS), key=lambda pod: pod["metadata"]["name"])
    ]


def images(world: World) -> dict[str, str]:
    return {pod["metadata"]["name"]: pod["spec"]["containers"][0]["image"] for pod in world.objects(PODS)}


def start_all(world: World) -> None:
    for pod in world.objects(PODS):
        if pod["status"]["phase"] == "Pending":
            world.run(pod["metadata"]["name"])


def settle(world: World) -> None:
    """Let machines and controller work until nothing moves."""
    for _ in range(100):
        turn(world)
        start_all(world)
        for pod in world.objects(PODS):
            world.remove_leaving(pod["metadata"]["name"])
        if not [action for action in plan(world) if not isinstance(action, RequeueAfter)] and all(
            pod["status"]["phase"] == "Running" for pod in world.objects(PODS)
        ):
            return
    raise AssertionError("it never settles")


def status(world: World) -> dict[str, Any]:
    return world.objects(STATEFULSETS)[0]["status"]


def test_pods_start_one_after_the_other() -> None:
    world = stateful_world()
    turn(world)
    turn(world)
    assert pods(world) == ["web-0"]
    world.run("web-0")
    turn(world)
    assert pods(world) == ["web-0", "web-1"]
    settle(world)
    assert pods(world) == ["web-0", "web-1", "web-2"]
    assert status(world)["readyReplicas"] == 3
    assert status(world)["currentRevision"] == status(world)["updateRevision"]


def test_a_pod_waits_until_the_one_before_has_been_ready_long_enough() -> None:
    world = stateful_world(minReadySeconds=30)
    turn(world)
    world.run("web-0")
    world.pass_time(10)
    actions = plan(world)
    assert RequeueAfter(seconds=20.0) in actions
    world.carry_out(actions)
    assert pods(world) == ["web-0"]
    world.pass_time(20)
    turn(world)
    assert pods(world) == ["web-0", "web-1"]


def test_parallel_pods_start_at_once() -> None:
    world = stateful_world(podManagementPolicy="Parallel")
    turn(world)
    assert pods(world) == ["web-0", "web-1", "web-2"]


def test_pods_have_names_host_names_labels_and_claims_of_their_own() -> None:
    world = stateful_world(replicas=1, volumeClaimTemplates=CLAIMS)
    turn(world)
    (pod,) = world.objects(PODS)
    assert pod["spec"]["hostname"] == "web-0"
    assert pod["spec"]["subdomain"] == "web"
    assert pod["metadata"]["labels"] == {
        "app": "web",
        "apps.kubernetes.io/pod-index": "0",
        "statefulset.kubernetes.io/pod-name": "web-0",
        "controller-revision-hash": world.objects(CONTROLLERREVISIONS)[0]["metadata"]["name"],
    }
    assert pod["spec"]["volumes"] == [
        {"name": "data", "persistentVolumeClaim": {"claimName": "data-web-0", "readOnly": False}}
    ]
    (claim,) = world.objects(PERSISTENTVOLUMECLAIMS)
    assert claim["metadata"]["name"] == "data-web-0"
    assert claim["metadata"]["labels"] == {"app": "web"}
    assert "ownerReferences" not in claim["metadata"]


def test_ordinals_start_where_asked() -> None:
    world = stateful_world(replicas=2, ordinals={"start": 5})
    settle(world)
    assert pods(world) == ["web-5", "web-6"]


def test_pods_beyond_the_count_go_from_the_highest_and_one_at_a_time() -> None:
    world = stateful_world()
    settle(world)
    world.spec(STATEFULSETS, "web", replicas=1)
    turn(world)
    assert pods(world) == ["web-0", "web-1", "web-2*"]
    turn(world)
    assert pods(world) == ["web-0", "web-1", "web-2*"]
    world.remove_leaving("web-2")
    turn(world)
    assert pods(world) == ["web-0", "web-1*"]
    settle(world)
    assert pods(world) == ["web-0"]


def test_shrinking_waits_while_a_lower_pod_is_not_ready() -> None:
    world = stateful_world()
    settle(world)
    world.status(PODS, "web-0", conditions=[{"type": "Ready", "status": "False"}])
    world.spec(STATEFULSETS, "web", replicas=1)
    turn(world)
    assert pods(world) == ["web-0", "web-1", "web-2"]


def test_pod_that_ended_is_removed_and_made_anew_under_its_name() -> None:
    world = stateful_world(replicas=2)
    settle(world)
    first = world.objects(PODS)[0]["metadata"]["uid"]
    world.end("web-0", "Failed")
    turn(world)
    assert pods(world) == ["web-1"]
    settle(world)
    assert pods(world) == ["web-0", "web-1"]
    assert first not in {pod["metadata"]["uid"] for pod in world.objects(PODS)}


@pytest.mark.parametrize(
    ("strategy", "changed"),
    [
        pytest.param({"type": "RollingUpdate"}, {"web-0", "web-1", "web-2"}, id="all"),
        pytest.param({"rollingUpdate": {"partition": 1}}, {"web-1", "web-2"}, id="from the partition on"),
        pytest.param({"rollingUpdate": {"partition": 3}}, set(), id="none below the partition"),
        pytest.param({"type": "OnDelete"}, set(), id="only those that somebody deletes"),
    ],
)
def test_update_reaches_the_pods_that_the_strategy_names(strategy: dict[str, Any], changed: set[str]) -> None:
    world = stateful_world(updateStrategy=strategy)
    settle(world)
    world.spec(STATEFULSETS, "web", template=template("nginx:2"))
    settle(world)
    assert {name for name, image in images(world).items() if image == "nginx:2"} == changed
    assert status(world).get("updatedReplicas", 0) == len(changed)
    complete = len(changed) == 3
    assert (status(world)["currentRevision"] == status(world)["updateRevision"]) is complete


def test_pod_below_the_partition_comes_back_in_its_old_version() -> None:
    world = stateful_world(updateStrategy={"rollingUpdate": {"partition": 1}})
    settle(world)
    world.spec(STATEFULSETS, "web", template=template("nginx:2"))
    settle(world)
    world.delete(PODS, "web-0")
    settle(world)
    assert images(world) == {"web-0": "nginx:1", "web-1": "nginx:2", "web-2": "nginx:2"}


def test_deleted_pod_comes_back_in_the_new_version_where_updates_wait_for_deletion() -> None:
    world = stateful_world(updateStrategy={"type": "OnDelete"})
    settle(world)
    world.spec(STATEFULSETS, "web", template=template("nginx:2"))
    settle(world)
    world.delete(PODS, "web-1")
    settle(world)
    assert images(world)["web-1"] == "nginx:2"


def test_update_goes_from_the_highest_down_one_at_a_time() -> None:
    world = stateful_world()
    settle(world)
    world.spec(STATEFULSETS, "web", template=template("nginx:2"))
    turn(world)
    turn(world)
    assert pods(world) == ["web-0", "web-1", "web-2*"]
    world.remove_leaving("web-2")
    turn(world)
    turn(world)
    assert pods(world) == ["web-0", "web-1", "web-2"]


def test_as_many_pods_are_replaced_at_once_as_may_be_missing() -> None:
    strategy = {"rollingUpdate": {"maxUnavailable": 2}}
    world = stateful_world(podManagementPolicy="Parallel", updateStrategy=strategy)
    settle(world)
    world.spec(STATEFULSETS, "web", template=template("nginx:2"))
    turn(world)
    assert pods(world) == ["web-0", "web-1*", "web-2*"]


def test_rollback_of_an_update_that_does_not_work_replaces_the_broken_pod() -> None:
    world = stateful_world(podManagementPolicy="Parallel")
    settle(world)
    world.spec(STATEFULSETS, "web", template=template("broken"))
    turn(world)
    world.remove_leaving("web-2")
    turn(world)
    world.spec(STATEFULSETS, "web", template=template("nginx:1"))
    turn(world)
    assert pods(world) == ["web-0", "web-1", "web-2*"]
    settle(world)
    assert set(images(world).values()) == {"nginx:1"}
    assert len(world.objects(CONTROLLERREVISIONS)) == 2


@pytest.mark.parametrize(
    ("policy", "kept", "owners"),
    [
        pytest.param({}, ["data-web-0", "data-web-1"], [[], []], id="kept"),
        pytest.param({"whenDeleted": "Delete"}, ["data-web-0", "data-web-1"], [["web"], ["web"]], id="with the set"),
        pytest.param({"whenScaled": "Delete"}, ["data-web-0", "data-web-1"], [[], ["web-1"]], id="with the pod"),
        pytest.param(
            {"whenDeleted": "Delete", "whenScaled": "Delete"},
            ["data-web-0", "data-web-1"], [["web"], ["web-1"]], id="with either",
        ),
    ],
)  # fmt: skip
def test_claims_belong_to_what_takes_them_along(
    policy: dict[str, str], kept: list[str], owners: list[list[str]]
) -> None:
    world = stateful_world(replicas=2, volumeClaimTemplates=CLAIMS, persistentVolumeClaimRetentionPolicy=policy)
    settle(world)
    world.spec(STATEFULSETS, "web", replicas=1)
    settle(world)
    claims = world.objects(PERSISTENTVOLUMECLAIMS)
    assert [claim["metadata"]["name"] for claim in claims] == kept
    assert [[owner["name"] for owner in claim["metadata"].get("ownerReferences", ())] for claim in claims] == owners


def test_pod_stays_until_its_claims_have_their_owner() -> None:
    policy = {"whenScaled": "Delete"}
    world = stateful_world(replicas=2, volumeClaimTemplates=CLAIMS, persistentVolumeClaimRetentionPolicy=policy)
    settle(world)
    world.spec(STATEFULSETS, "web", replicas=1)
    turn(world)
    assert pods(world) == ["web-0", "web-1"]
    turn(world)
    assert pods(world) == ["web-0", "web-1*"]


def test_old_revisions_beyond_the_limit_are_removed() -> None:
    world = stateful_world(revisionHistoryLimit=1)
    for number in (1, 2, 3, 4):
        world.spec(STATEFULSETS, "web", template=template(f"nginx:{number}"))
        settle(world)
    assert sorted(revision["revision"] for revision in world.objects(CONTROLLERREVISIONS)) == [3, 4]


EVENTS = st.lists(
    st.tuples(st.sampled_from(["turn", "half", "run", "fail", "leave", "drop"]), st.integers(0, 5)), max_size=40
)


@settings(max_examples=60, deadline=None)
@given(EVENTS, st.sampled_from(["OrderedReady", "Parallel"]), st.integers(0, 4), st.integers(0, 4))
def test_whatever_happens_no_name_is_used_twice_and_the_set_ends_as_asked(
    events: list[tuple[str, int]], policy: str, before: int, after: int
) -> None:
    world = stateful_world(before, podManagementPolicy=policy, volumeClaimTemplates=CLAIMS)
    for number, (event, which) in enumerate(events):
        if number == len(events) // 2:
            world.spec(STATEFULSETS, "web", replicas=after, template=template("nginx:2"))
        names = sorted(pod["metadata"]["name"] for pod in world.objects(PODS))
        name = names[which % len(names)] if names else ""
        match event:
            case "turn":
                turn(world)
            case "half":
                world.carry_out(plan(world), only=which)
            case "run" if name:
                world.run(name)
            case "fail" if name:
                world.end(name, "Failed")
            case "leave" if name:
                world.remove_leaving(name)
            case "drop" if name:
                world.delete(PODS, name)
            case _:
                pass
        if policy == "OrderedReady":
            # One at a time, and none before those that stand before it run.
            phases = {pod["metadata"]["name"]: pod["status"]["phase"] for pod in world.objects(PODS)}
            made = sorted(phases.keys() - set(names))
            assert len(made) <= 1
            assert all(phases[earlier] == "Running" for new in made for earlier in phases if earlier < new)
    world.spec(STATEFULSETS, "web", replicas=after, template=template("nginx:2"))
    settle(world)
    assert images(world) == {f"web-{ordinal}": "nginx:2" for ordinal in range(after)}
    assert plan(world) == []


@pytest.mark.parametrize("policy", ["Parallel", "OrderedReady"])
def test_a_mistyped_number_of_replicas_is_not_planned_whole(policy: str) -> None:
    world = stateful_world(2**31 - 1, podManagementPolicy=policy, volumeClaimTemplates=CLAIMS)
    turn(world)
    turn(world)
    assert len(plan(world)) <= planning.BURST + 1
