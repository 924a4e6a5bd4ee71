"""Names and numbers of revisions, as kubectl rollout history and undo read them."""

import re

import pytest

from engine.controllers.deployment import revisions
from tests.engine.controllers.objects import deployment, raw, replica_set, template


def revision(number: int) -> dict[str, str]:
    return {revisions.REVISION: str(number)}


def test_new_set_is_the_one_with_the_template_whatever_its_hash() -> None:
    old, new = replica_set("web-1", image="nginx:1"), replica_set("web-2", image="nginx:2")
    assert revisions.find_new(deployment(image="nginx:2"), [old, new]) is new
    assert revisions.find_new(deployment(image="nginx:3"), [old, new]) is None


def test_of_two_sets_with_the_template_the_oldest_is_new() -> None:
    older, younger = replica_set("web-b", age=90), replica_set("web-a", age=10)
    assert revisions.find_new(deployment(), [younger, older]) is older


def test_hash_is_safe_in_names_and_depends_on_template_and_collisions_only() -> None:
    first = revisions.template_hash(raw(template("nginx:1")), None)
    assert re.fullmatch(r"[bcdfghjklmnpqrstvwxz2456789]{1,10}", first)
    assert first == revisions.template_hash(raw(template("nginx:1", **{"pod-template-hash": "x"})), 0)
    assert first != revisions.template_hash(raw(template("nginx:2")), None)
    assert first != revisions.template_hash(raw(template("nginx:1")), 1)


def test_hash_does_not_depend_on_the_order_of_fields() -> None:
    document = template("nginx:1")
    shuffled = dict(reversed(document.items()))
    assert revisions.template_hash(raw(document), None) == revisions.template_hash(raw(shuffled), None)


def test_new_set_carries_hash_owner_annotations_and_size() -> None:
    wanted = deployment(replicas=4, annotations={"kubernetes.io/change-cause": "why", revisions.REVISION: "3"})
    body = revisions.new_replica_set(wanted, 1, [replica_set(annotations=revision(3))])
    digest = body["metadata"]["labels"]["pod-template-hash"]
    assert body["metadata"]["name"] == f"web-{digest}"
    assert body["metadata"]["annotations"] == {
        "kubernetes.io/change-cause": "why",
        revisions.REVISION: "4",
        revisions.DESIRED_REPLICAS: "4",
        revisions.MAX_REPLICAS: "5",
    }
    assert body["spec"]["replicas"] == 1
    assert body["spec"]["selector"]["matchLabels"] == {"app": "web", "pod-template-hash": digest}
    assert body["spec"]["template"]["metadata"]["labels"] == {"app": "web", "pod-template-hash": digest}
    assert body["metadata"]["ownerReferences"][0]["uid"] == "uid-web"


def test_set_rolled_back_to_gets_the_next_number_and_remembers_its_own() -> None:
    present = {revisions.REVISION: "1", revisions.REVISION_HISTORY: "0"}
    changed = revisions.new_annotations(deployment(), present, [replica_set(annotations=revision(2))])
    assert changed == {revisions.REVISION: "3", revisions.REVISION_HISTORY: "0,1"}


def test_set_with_a_higher_number_than_the_old_ones_keeps_it() -> None:
    assert revisions.new_annotations(deployment(), revision(7), [replica_set(annotations=revision(2))]) == {}


def test_applied_configuration_is_not_copied() -> None:
    applied = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
    assert revisions.new_annotations(deployment(annotations=applied), revision(1), []) == {}


def test_oldest_revisions_beyond_the_limit_go() -> None:
    old = [replica_set(f"web-{n}", replicas=0, annotations=revision(n)) for n in (3, 1, 2)]
    gone = revisions.superfluous(deployment(history=1), old)
    assert [rs.metadata.name for rs in gone] == ["web-1", "web-2"]


@pytest.mark.parametrize("limit", [pytest.param(None, id="no limit"), pytest.param(5, id="within the limit")])
def test_history_within_the_limit_stays(limit: int | None) -> None:
    old = [replica_set(f"web-{n}", replicas=0, annotations=revision(n)) for n in (1, 2)]
    assert revisions.superfluous(deployment(history=limit), old) == []


def test_old_set_that_still_has_pods_stays() -> None:
    assert revisions.superfluous(deployment(history=0), [replica_set(replicas=1)]) == []
