"""What the Deployment controller plans, one step at a time."""

from typing import Any

import msgspec
import pytest

from apimachinery.objects.resources import DEPLOYMENTS, REPLICASETS
from engine.controllers.actions import Action, Create, Delete, Emit, Failure, Patch, RequeueAfter, SetStatus
from engine.controllers.deployment import planning
from engine.controllers.deployment.revisions import DESIRED_REPLICAS, MAX_REPLICAS, REVISION
from engine.controllers.deployment.views import Deployment, DeploymentStatus
from engine.controllers.views import Condition, ReplicaSet, ReplicaSetStatus
from tests.engine.controllers.objects import NOW, ago, deployment, owned_by, replica_set

MINE = owned_by("Deployment", "uid-web", "web")
AVAILABLE = Condition(
    type="Available",
    status="True",
    reason="MinimumReplicasAvailable",
    message="Deployment has minimum availability.",
    last_transition_time=ago(60),
    last_update_time=ago(60),
)


def progressing(reason: str = "NewReplicaSetAvailable", status: str = "True", *, since: float = 60) -> Condition:
    return Condition(
        type="Progressing",
        status=status,
        reason=reason,
        message='ReplicaSet "web-1" has successfully progressed.',
        last_transition_time=ago(since),
        last_update_time=ago(since),
    )


def settled(replicas: int = 3, *conditions: Condition) -> DeploymentStatus:
    return DeploymentStatus(
        observed_generation=2,
        replicas=replicas,
        updated_replicas=replicas,
        ready_replicas=replicas,
        available_replicas=replicas,
        terminating_replicas=0,
        conditions=conditions or (AVAILABLE, progressing()),
    )


def noted(replicas: int, surge: int, revision: int = 1) -> dict[str, str]:
    return {REVISION: str(revision), DESIRED_REPLICAS: str(replicas), MAX_REPLICAS: str(replicas + surge)}


def own_set(name: str = "web-1", *, surge: int = 1, revision: int = 1, wanted: int = 3, **facts: Any) -> ReplicaSet:
    return replica_set(name, owner=MINE, annotations=noted(wanted, surge, revision), **facts)


def plan(wanted: Deployment, *sets: ReplicaSet, **facts: Any) -> list[Action]:
    return planning.plan(planning.Observed(deployment=wanted, replica_sets=sets, now=NOW, **facts))


def sizes(actions: list[Action]) -> dict[str, int]:
    patches = (a for a in actions if isinstance(a, Patch) and isinstance(a.body, dict))
    return {p.name: p.body["spec"]["replicas"] for p in patches if "replicas" in p.body.get("spec", {})}  # pyright: ignore


def status_of(actions: list[Action]) -> SetStatus:
    (found,) = (action for action in actions if isinstance(action, SetStatus))
    return found


def condition(actions: list[Action], kind: str) -> dict[str, Any]:
    return next(c for c in status_of(actions).status["conditions"] if c["type"] == kind)


def test_settled_deployment_plans_nothing() -> None:
    assert plan(deployment(status=settled(), annotations={REVISION: "1"}), own_set()) == []


def test_first_set_is_created_at_full_size() -> None:
    actions = plan(deployment(replicas=3))
    (creation,) = (action for action in actions if isinstance(action, Create))
    assert creation.resource == REPLICASETS
    assert creation.body["spec"]["replicas"] == 3
    assert creation.body["metadata"]["annotations"][REVISION] == "1"
    name = creation.body["metadata"]["name"]
    assert creation.succeeded is not None
    assert creation.succeeded.message == f"Scaled up replica set {name} from 0 to 3"
    assert condition(actions, "Progressing")["message"] == f'Created new replica set "{name}"'
    assert condition(actions, "Available")["status"] == "False"


def test_new_template_starts_with_the_surge() -> None:
    actions = plan(deployment(replicas=4, image="nginx:2", status=settled(4)), own_set(replicas=4, wanted=4))
    (creation,) = (action for action in actions if isinstance(action, Create))
    assert creation.body["spec"]["replicas"] == 1
    assert creation.body["metadata"]["annotations"][REVISION] == "2"
    assert condition(actions, "Progressing")["reason"] == "NewReplicaSetCreated"


def test_old_set_shrinks_once_new_pods_are_available() -> None:
    old = own_set("web-1", replicas=4, wanted=4)
    new = own_set("web-2", replicas=1, wanted=4, image="nginx:2", revision=2, age=5)
    assert sizes(plan(deployment(replicas=4, image="nginx:2"), old, new)) == {"web-1": 2}


def test_old_set_gives_way_only_as_far_as_the_unavailable_share_while_new_pods_start() -> None:
    old = own_set("web-1", replicas=4, wanted=4)
    new = own_set("web-2", replicas=1, available=0, wanted=4, image="nginx:2", revision=2, age=5)
    assert sizes(plan(deployment(replicas=4, image="nginx:2", unavailable=1), old, new)) == {"web-1": 3}
    assert sizes(plan(deployment(replicas=4, image="nginx:2", unavailable=0), old, new)) == {}


def test_unhealthy_old_pods_go_first() -> None:
    broken = own_set("web-1", replicas=3, available=0, wanted=3)
    new = own_set("web-2", replicas=1, available=0, wanted=3, image="nginx:2", revision=2, age=5)
    assert sizes(plan(deployment(replicas=3, image="nginx:2", unavailable=1), broken, new)) == {"web-1": 2}


def test_pods_already_doomed_by_a_smaller_size_do_not_count_as_available() -> None:
    """A set scaled from 4 to 3 still reports 4: counting them would take one pod too many away."""
    stale = ReplicaSetStatus(replicas=4, ready_replicas=4, available_replicas=4, observed_generation=1)
    old = own_set("web-1", replicas=3, wanted=4, status=stale)
    new = own_set("web-2", replicas=2, wanted=4, image="nginx:2", revision=2, age=5)
    assert sizes(plan(deployment(replicas=4, image="nginx:2", surge=1, unavailable=1), old, new)) == {"web-1": 1}


def test_recreation_waits_for_the_last_old_pod() -> None:
    wanted = deployment(replicas=3, image="nginx:2", recreate=True)
    old = own_set(replicas=3, surge=0)
    assert sizes(plan(wanted, old, old_pods_running=frozenset(["uid-web-1"]))) == {"web-1": 0}
    empty = own_set(replicas=0, surge=0)
    waiting = plan(wanted, empty, old_pods_running=frozenset(["uid-web-1"]))
    assert not any(isinstance(action, Create) for action in waiting)
    (creation,) = (a for a in plan(wanted, empty) if isinstance(a, Create))
    assert creation.body["spec"]["replicas"] == 3


def test_paused_deployment_takes_a_new_size_but_no_new_template() -> None:
    wanted = deployment(replicas=5, image="nginx:2", paused=True, status=settled())
    actions = plan(wanted, own_set(replicas=3))
    assert sizes(actions) == {"web-1": 5}
    assert not any(isinstance(action, Create) for action in actions)
    assert condition(actions, "Progressing")["reason"] == "DeploymentPaused"
    assert condition(actions, "Progressing")["status"] == "Unknown"


def test_resumed_deployment_says_so() -> None:
    status = settled(3, AVAILABLE, progressing("DeploymentPaused", "Unknown"))
    actions = plan(deployment(status=msgspec.structs.replace(status, replicas=2)), own_set(replicas=3, available=2))
    assert condition(actions, "Progressing")["reason"] in ("DeploymentResumed", "ReplicaSetUpdated")


def test_new_size_in_the_middle_of_a_rollout_is_spread_in_proportion() -> None:
    """Upstream's own example: 10 replicas, surge 3, at 8 old and 5 new; scaled to 15."""
    old = own_set("web-1", replicas=8, wanted=10, surge=3)
    new = own_set("web-2", replicas=5, available=0, wanted=10, surge=3, image="nginx:2", revision=2, age=5)
    wanted = deployment(replicas=15, image="nginx:2", surge=3, unavailable=2)
    assert sizes(plan(wanted, old, new)) == {"web-1": 11, "web-2": 7}


def test_scaling_notes_the_new_size_on_every_active_set() -> None:
    old = own_set("web-1", replicas=8, wanted=10, surge=3)
    new = own_set("web-2", replicas=5, wanted=10, surge=3, image="nginx:2", revision=2, age=5)
    patches = [a for a in plan(deployment(replicas=15, image="nginx:2", surge=3), old, new) if isinstance(a, Patch)]
    assert len(patches) == 2
    for patch in patches:
        assert patch.body["metadata"]["annotations"] == {DESIRED_REPLICAS: "15", MAX_REPLICAS: "18"}  # pyright: ignore


def test_scaling_of_a_settled_deployment_moves_its_one_set() -> None:
    assert sizes(plan(deployment(replicas=7, status=settled()), own_set(replicas=3))) == {"web-1": 7}


def test_undo_finds_the_old_set_and_gives_it_the_next_revision() -> None:
    first = own_set("web-1", replicas=0, revision=1)
    second = own_set("web-2", replicas=3, image="nginx:2", revision=2, age=5)
    actions = plan(deployment(image="nginx:1", status=settled(), annotations={REVISION: "2"}), first, second)
    (patch,) = (a for a in actions if isinstance(a, Patch) and a.name == "web-1")
    assert patch.body["metadata"]["annotations"][REVISION] == "3"  # pyright: ignore
    assert patch.body["spec"]["replicas"] == 1  # pyright: ignore
    assert status_of(actions).annotations == {REVISION: "3"}


def test_completed_rollout_says_so_and_cleans_the_history() -> None:
    old = own_set("web-1", replicas=0, revision=1)
    new = own_set("web-2", image="nginx:2", revision=2, age=5)
    status = settled(3, AVAILABLE, progressing("ReplicaSetUpdated"))
    actions = plan(deployment(image="nginx:2", history=0, status=status, annotations={REVISION: "2"}), old, new)
    assert condition(actions, "Progressing")["message"] == 'ReplicaSet "web-2" has successfully progressed.'
    assert [(a.resource, a.name) for a in actions if isinstance(a, Delete)] == [(REPLICASETS, "web-1")]


def test_rollout_without_progress_is_late_after_its_deadline() -> None:
    stuck = DeploymentStatus(
        observed_generation=2, replicas=1, updated_replicas=1, unavailable_replicas=1, terminating_replicas=0,
        conditions=(progressing("NewReplicaSetCreated", since=601),),
    )  # fmt: skip
    wanted = deployment(replicas=1, status=stuck, annotations={REVISION: "1"})
    actions = plan(wanted, own_set(replicas=1, available=0, wanted=1))
    verdict = condition(actions, "Progressing")
    assert (verdict["status"], verdict["reason"]) == ("False", "ProgressDeadlineExceeded")
    assert verdict["message"] == 'ReplicaSet "web-1" has timed out progressing.'


def test_waiting_rollout_comes_back_at_its_deadline() -> None:
    stuck = DeploymentStatus(
        observed_generation=2, replicas=1, updated_replicas=1, unavailable_replicas=1, terminating_replicas=0,
        conditions=(progressing("NewReplicaSetCreated", since=100),),
    )  # fmt: skip
    wanted = deployment(replicas=1, status=stuck, annotations={REVISION: "1"})
    assert RequeueAfter(seconds=501) in plan(wanted, own_set(replicas=1, available=0, wanted=1))


def test_name_taken_by_another_template_counts_a_collision() -> None:
    actions = plan(deployment(), name_holder=replica_set("web-x", image="other", owner=MINE))
    assert [type(action) for action in actions] == [SetStatus]
    assert status_of(actions).status["collisionCount"] == 1


def test_refused_creation_shows_in_the_condition() -> None:
    actions = plan(deployment(), failure=Failure(verb="create", message="no"))
    verdict = condition(actions, "Progressing")
    assert (verdict["status"], verdict["reason"], verdict["message"]) == ("False", "ReplicaSetCreateError", "no")


def test_failure_of_a_set_shows_on_the_deployment() -> None:
    failure = Condition(type="ReplicaFailure", status="True", reason="FailedCreate", message="quota")
    status = ReplicaSetStatus(observed_generation=1, conditions=(failure,))
    actions = plan(deployment(), own_set(replicas=3, status=status))
    assert condition(actions, "ReplicaFailure")["message"] == "quota"


def test_deployment_that_is_going_only_reports() -> None:
    actions = plan(deployment(image="nginx:2", deleting=True), own_set())
    assert [type(action) for action in actions] == [SetStatus]


def test_selector_of_everything_is_refused_with_a_warning() -> None:
    wanted = deployment()
    spec = msgspec.structs.replace(wanted.spec, selector={})
    actions = plan(msgspec.structs.replace(wanted, spec=spec))
    assert isinstance(actions[0], Emit)
    assert actions[0].note.reason == "SelectingAll"
    assert not any(isinstance(action, Create) for action in actions)


def test_orphan_set_with_matching_labels_is_adopted() -> None:
    actions = plan(deployment(status=settled()), replica_set(annotations=noted(3, 1)))
    adoption = next(a for a in actions if isinstance(a, Patch))
    assert adoption.resource == REPLICASETS
    assert adoption.body["metadata"]["ownerReferences"][0]["kind"] == DEPLOYMENTS.kind  # pyright: ignore


@pytest.mark.parametrize("seconds", [0, 30])
def test_readiness_time_follows_the_deployment(seconds: int) -> None:
    actions = plan(deployment(min_ready_seconds=seconds), own_set(min_ready_seconds=10))
    (patch,) = (a for a in actions if isinstance(a, Patch))
    assert patch.body["spec"]["minReadySeconds"] == seconds  # pyright: ignore
