"""What the ReplicaSet controller plans."""

from typing import Any

import msgspec
import pytest

from apimachinery.objects.resources import PODS, REPLICASETS
from engine.controllers import replicaset
from engine.controllers.actions import Action, Create, Delete, Failure, Patch, RequeueAfter, SetStatus
from engine.controllers.views import Condition, Pod, ReplicaSet, ReplicaSetStatus
from tests.engine.controllers.objects import NOW, owned_by, pod, replica_set

MINE = owned_by("ReplicaSet", "uid-web-1", "web-1")


def plan(rs: ReplicaSet, *pods: Pod, failure: Failure | None = None) -> list[Action]:
    return replicaset.plan(replicaset.Observed(replica_set=rs, pods=pods, now=NOW, failure=failure))


def labelled(name: str, **facts: Any) -> Pod:
    return pod(name, owner=MINE, labels={"app": "web", "pod-template-hash": "web-1"}, **facts)


def deleted(actions: list[Action]) -> list[str]:
    return [action.name for action in actions if isinstance(action, Delete)]


def status_of(actions: list[Action]) -> dict[str, Any]:
    (found,) = (action for action in actions if isinstance(action, SetStatus))
    return found.status


def test_settled_set_plans_nothing() -> None:
    assert plan(replica_set(replicas=2), labelled("a"), labelled("b")) == []


def test_missing_pods_are_created_from_the_template() -> None:
    creations = [action for action in plan(replica_set(replicas=3), labelled("a")) if isinstance(action, Create)]
    assert len(creations) == 2
    body = creations[0].body
    assert creations[0].resource == PODS
    assert body["metadata"]["generateName"] == "web-1-"
    assert body["metadata"]["labels"] == {"app": "web", "pod-template-hash": "web-1"}
    assert body["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "name": "web-1",
            "uid": "uid-web-1",
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    assert body["spec"] == {"containers": [{"name": "c", "image": "nginx:1"}]}
    assert creations[0].succeeded is not None
    assert creations[0].succeeded.reason == "SuccessfulCreate"


@pytest.mark.parametrize(
    "gone",
    [
        pytest.param({"deleting": True}, id="terminating"),
        pytest.param({"phase": "Failed"}, id="failed"),
        pytest.param({"phase": "Succeeded"}, id="succeeded"),
    ],
)
def test_pod_that_is_gone_or_going_is_replaced(gone: dict[str, Any]) -> None:
    actions = plan(replica_set(replicas=1), labelled("a", **gone))
    assert sum(isinstance(action, Create) for action in actions) == 1


def test_surplus_pods_are_deleted_by_rank_and_uid() -> None:
    actions = plan(replica_set(replicas=1), labelled("a"), labelled("b", ready=False))
    (deletion,) = (action for action in actions if isinstance(action, Delete))
    assert (deletion.name, deletion.uid) == ("b", "uid-b")


def test_at_most_five_hundred_pods_are_made_in_one_go() -> None:
    assert sum(isinstance(action, Create) for action in plan(replica_set(replicas=2000))) == 500


def test_matching_orphan_is_adopted_and_counts() -> None:
    orphan = pod("orphan", labels={"app": "web", "pod-template-hash": "web-1"})
    actions = plan(replica_set(replicas=1), orphan)
    (adoption,) = (action for action in actions if isinstance(action, Patch))
    assert adoption.uid == "uid-orphan"
    assert adoption.body["metadata"]["ownerReferences"][0]["uid"] == "uid-web-1"  # pyright: ignore
    assert not any(isinstance(action, Create) for action in actions)


def test_pod_whose_labels_no_longer_match_is_released_and_replaced() -> None:
    actions = plan(replica_set(replicas=1), pod("strayed", owner=MINE, labels={"app": "other"}))
    (release,) = (action for action in actions if isinstance(action, Patch))
    assert release.body == {"metadata": {"ownerReferences": [{"$patch": "delete", "uid": "uid-web-1"}]}}
    assert sum(isinstance(action, Create) for action in actions) == 1


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param({"labels": {"app": "other"}}, id="labels differ"),
        pytest.param({"deleting": True}, id="on its way out"),
        pytest.param({"owner": owned_by("ReplicaSet", "uid-other")}, id="managed by another"),
    ],
)
def test_foreign_pod_is_left_alone(facts: dict[str, Any]) -> None:
    actions = plan(replica_set(replicas=0), pod("foreign", **facts))
    assert not any(isinstance(action, (Patch, Delete)) for action in actions)


def test_set_that_is_being_deleted_makes_deletes_and_adopts_nothing() -> None:
    going = replica_set(replicas=2, deleting=True)
    actions = plan(going, pod("orphan"), labelled("a", ready=False))
    assert all(isinstance(action, SetStatus) for action in actions)


def test_status_counts_labelled_ready_available_and_terminating_pods() -> None:
    rs = replica_set(replicas=3, min_ready_seconds=30, status=ReplicaSetStatus())
    pods = [
        labelled("old"),
        labelled("fresh", ready_for=10),
        pod("unready", owner=MINE, ready=False),
        labelled("gone", deleting=True),
    ]
    status = status_of(plan(rs, *pods))
    assert status == {
        "replicas": 3,
        "fullyLabeledReplicas": 2,
        "readyReplicas": 2,
        "availableReplicas": 1,
        "terminatingReplicas": 1,
        "observedGeneration": 1,
        "conditions": None,
    }


def test_status_write_rests_on_the_version_observed() -> None:
    (write,) = plan(replica_set(replicas=1, available=0), labelled("a"))
    assert isinstance(write, SetStatus)
    assert write.resource == REPLICASETS
    assert write.resource_version == "5"


def test_set_comes_back_when_the_next_pod_becomes_available() -> None:
    rs = replica_set(replicas=2, available=0, min_ready_seconds=30)
    actions = plan(rs, labelled("a", ready_for=10), labelled("b", ready_for=25))
    assert RequeueAfter(seconds=5) in actions


def test_refused_creation_shows_as_replica_failure_until_the_count_is_right() -> None:
    refused = Failure(verb="create", message='pods "web-1-" is forbidden: exceeded quota')
    status = status_of(plan(replica_set(replicas=1, status=ReplicaSetStatus()), failure=refused))
    (condition,) = status["conditions"]
    assert condition["type"] == "ReplicaFailure"
    assert condition["reason"] == "FailedCreate"
    assert condition["message"] == refused.message

    failed = Condition(type="ReplicaFailure", status="True", reason="FailedCreate", message=refused.message)
    healthy = replica_set(replicas=1)
    still = msgspec.structs.replace(healthy, status=msgspec.structs.replace(healthy.status, conditions=(failed,)))
    assert status_of(plan(still, labelled("a")))["conditions"] is None


def test_metadata_of_the_template_reaches_the_pod() -> None:
    rs = replica_set(replicas=1)
    whole = {"metadata": {"labels": {"app": "web"}, "annotations": {"a": "b"}, "name": "ignored"}, "spec": {}}
    spec = msgspec.structs.replace(rs.spec, template=msgspec.Raw(msgspec.json.encode(whole)))
    creation = next(a for a in plan(msgspec.structs.replace(rs, spec=spec)) if isinstance(a, Create))
    assert creation.body["metadata"]["annotations"] == {"a": "b"}
    assert "name" not in creation.body["metadata"]
