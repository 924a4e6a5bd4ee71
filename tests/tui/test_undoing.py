"""What takes a change back, and when nothing can: by table."""

from typing import Any

import pytest

from apimachinery.objects.resources import DEPLOYMENTS, JOBS, NAMESPACES, PODS, Resource
from tui.changes import Change, Deletion, Entry
from tui.undoing import Impossible, Recreation, undo_of

JSON = dict[str, Any]


def scaled(replicas: int, version: str = "7", **more: Any) -> JSON:
    meta = {"name": "web", "namespace": "default", "resourceVersion": version}
    return {"metadata": meta, "spec": {"replicas": replicas, **more}, "status": {"readyReplicas": replicas}}


CHANGE = Change(
    title="Scale to 5", resource=DEPLOYMENTS, name="web", namespace="default", patch={"spec": {"replicas": 5}}
)


def entry(before: JSON | None, after: JSON | None) -> Entry:
    return Entry(at=0, title=CHANGE.title, what="", before=before, after=after, change=CHANGE)


def test_a_change_is_taken_back_by_a_patch_that_holds_for_the_seen_version_only() -> None:
    undo = undo_of(entry(scaled(3), scaled(5)), scaled(5, version="9"))
    assert isinstance(undo, Change)
    assert undo.patch == {"spec": {"replicas": 3}, "metadata": {"resourceVersion": "9"}}
    assert undo.title == "Undo scale to 5"


def test_a_field_that_was_added_is_taken_away_again() -> None:
    undo = undo_of(entry(scaled(3), scaled(3, paused=True)), scaled(3, paused=True))
    assert isinstance(undo, Change)
    assert undo.patch == {"spec": {"paused": None}, "metadata": {"resourceVersion": "7"}}


@pytest.mark.parametrize(
    ("made", "current", "why"),
    [
        pytest.param(entry(scaled(3), scaled(5)), None, "deployment/web in default is gone.", id="gone"),
        pytest.param(entry(scaled(3), scaled(5)), scaled(8), "spec.replicas was changed again since", id="changed since"),
        pytest.param(entry(None, scaled(5)), scaled(5), "not kept", id="nothing kept"),
        pytest.param(entry(scaled(5), scaled(5, version="8")), scaled(5), "changed nothing", id="nothing changed"),
        pytest.param(Entry(at=0, title="Trigger", what=""), None, "Nothing was kept", id="no change"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_back_is_said(made: Entry, current: JSON | None, why: str) -> None:
    undo = undo_of(made, current)
    assert isinstance(undo, Impossible)
    assert why in undo.why


def deleted(resource: Resource, obj: JSON) -> Entry:
    meta = obj["metadata"]
    deletion = Deletion(resource=resource, objects=((meta.get("namespace"), meta["name"], "u1"),))
    return Entry(at=0, title="Delete", what="", before=obj, change=deletion)


BARE = {
    "name": "it",
    "namespace": "default",
    "uid": "u1",
    "resourceVersion": "5",
    "creationTimestamp": "2026-01-01T00:00:00Z",
}


def test_a_deleted_object_is_made_again_without_what_the_server_had_given_it() -> None:
    obj = {
        "metadata": {**BARE, "labels": {"app": "it"}},
        "spec": {"nodeName": "m1", "containers": []},
        "status": {"phase": "Running"},
    }
    undo = undo_of(deleted(PODS, obj), None)
    assert isinstance(undo, Recreation)
    assert undo.manifest == {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": []},
                             "metadata": {"name": "it", "namespace": "default", "labels": {"app": "it"}}}  # fmt: skip
    assert "gone" in undo.consequence


def test_a_deleted_job_comes_back_without_its_generated_selector() -> None:
    labels = {"controller-uid": "x", "app": "it"}
    obj = {
        "metadata": {**BARE, "labels": labels},
        "spec": {"selector": {}, "template": {"metadata": {"labels": labels}}},
    }
    undo = undo_of(deleted(JOBS, obj), None)
    assert isinstance(undo, Recreation)
    assert undo.manifest["spec"] == {"template": {"metadata": {"labels": {"app": "it"}}}}
    assert undo.manifest["metadata"]["labels"] == {"app": "it"}


@pytest.mark.parametrize(
    ("resource", "meta", "current", "why"),
    [
        pytest.param(PODS, {"ownerReferences": [{"kind": "ReplicaSet", "name": "web-1", "controller": True}]}, None,
                     "belongs to ReplicaSet web-1", id="controlled"),
        pytest.param(PODS, {}, {"metadata": BARE}, "There is a Pod it again already.", id="there again"),
        pytest.param(NAMESPACES, {}, None, "cannot be brought back", id="namespace"),
    ],
)  # fmt: skip
def test_deletions_that_cannot_be_taken_back_are_said(
    resource: Resource, meta: JSON, current: JSON | None, why: str
) -> None:
    undo = undo_of(deleted(resource, {"metadata": {**BARE, **meta}}), current)
    assert isinstance(undo, Impossible)
    assert why in undo.why
