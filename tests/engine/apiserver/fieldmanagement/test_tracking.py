"""Owners after creates, updates and applies: what upstream's structured-merge-diff makes of the same objects."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimachinery.objects.errors import Conflict
from engine.apiserver.fieldmanagement import owners, tracking
from engine.apiserver.fieldmanagement.fieldset import within
from engine.apiserver.fieldmanagement.owners import Stamp, applier, updater
from engine.apiserver.fieldmanagement.problems import Untyped
from engine.apiserver.fieldmanagement.shapes import shape_of

Json = dict[str, Any]

DEPLOYMENT = shape_of("apps", "v1", "Deployment")
CONFIGMAP = shape_of("", "v1", "ConfigMap")
UNKNOWN = shape_of("example.com", "v1", "Game")
T1, T2, T3 = "2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z", "2026-01-01T00:00:03Z"


def apply(name: str, time: str = T1) -> Stamp:
    return Stamp(applier(name, ""), time)


def update(name: str, time: str = T1, version: str = "v1") -> Stamp:
    return Stamp(updater(name, version, ""), time)


def config_map(**data: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data}


def deployment(*containers: Json, **spec: Any) -> Json:
    template = {"spec": {"containers": list(containers)}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "a"},
        "spec": {**spec, "template": template},
    }


def containers_of(obj: Json) -> list[Json]:
    return obj["spec"]["template"]["spec"]["containers"]


def fields_of(entries: list[Json], manager: str) -> Json:
    return next((e["fieldsV1"] for e in entries if e["manager"] == manager), {})


EMPTY = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}


def test_who_creates_owns_all_but_what_the_server_says() -> None:
    obj = config_map(x="1")
    obj["metadata"] |= {"namespace": "default", "uid": "1", "labels": {"a": "b"}, "generation": 1}
    assert tracking.created(CONFIGMAP, obj, update("kubectl-create")) == [
        {
            "manager": "kubectl-create",
            "operation": "Update",
            "apiVersion": "v1",
            "time": T1,
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:metadata": {"f:labels": {".": {}, "f:a": {}}}, "f:data": {".": {}, "f:x": {}}},
        }
    ]


def test_updated_fields_pass_to_who_changed_them_and_removed_ones_to_nobody() -> None:
    first = tracking.created(CONFIGMAP, config_map(x="1", y="1", z="1"), update("a"))
    then = tracking.updated(
        CONFIGMAP, config_map(x="1", y="1", z="1"), config_map(x="2", y="1"), first, update("b", T2)
    )
    assert fields_of(then, "a") == {"f:data": {".": {}, "f:y": {}}}
    assert fields_of(then, "b") == {"f:data": {"f:x": {}}}


def test_an_update_that_changes_nothing_leaves_the_entries_alone() -> None:
    first = tracking.created(CONFIGMAP, config_map(x="1"), update("a"))
    assert tracking.updated(CONFIGMAP, config_map(x="1"), config_map(x="1"), first, update("b", T2)) is first


def test_applied_fields_of_keyed_lists_sets_maps_and_atomic_values_are_told_apart() -> None:
    config = deployment(
        {"name": "web", "image": "nginx", "ports": [{"containerPort": 80}], "args": ["-v"]},
        replicas=2,
        selector={"matchLabels": {"app": "web"}},
    )
    config["metadata"] |= {"finalizers": ["a/b"], "labels": {}}
    _, entries = tracking.applied(
        DEPLOYMENT, {**EMPTY, "apiVersion": "apps/v1"}, config, None, apply("me"), force=False
    )
    web = {
        ".": {},
        "f:name": {},
        "f:image": {},
        "f:args": {},
        "f:ports": {'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}},
    }
    assert entries[0]["fieldsV1"] == {
        "f:metadata": {"f:finalizers": {'v:"a/b"': {}}, "f:labels": {}},
        "f:spec": {
            "f:replicas": {},
            "f:selector": {},
            "f:template": {"f:spec": {"f:containers": {'k:{"name":"web"}': web}}},
        },
    }
    assert (entries[0]["operation"], entries[0]["apiVersion"]) == ("Apply", "apps/v1")


def test_changing_what_another_owns_is_refused_in_upstreams_words() -> None:
    live = deployment({"name": "web", "image": "nginx:1"}, replicas=1)
    before = tracking.created(DEPLOYMENT, live, update("kubectl-client-side-apply", version="apps/v1"))
    config = deployment({"name": "web", "image": "nginx:1"}, replicas=2)
    with pytest.raises(Conflict) as refused:
        tracking.applied(DEPLOYMENT, live, config, before, apply("me"), force=False)
    assert refused.value.message == (
        'Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using apps/v1: .spec.replicas'
    )
    assert refused.value.details == {
        "causes": [
            {
                "reason": "FieldManagerConflict",
                "message": 'conflict with "kubectl-client-side-apply" using apps/v1',
                "field": ".spec.replicas",
            }
        ]
    }


def test_several_conflicts_are_listed_by_manager() -> None:
    live = deployment({"name": "web", "image": "nginx:1"}, replicas=1)
    before = tracking.created(DEPLOYMENT, live, update("a", version="apps/v1"))
    config = deployment({"name": "web", "image": "nginx:2"}, replicas=2)
    with pytest.raises(Conflict) as refused:
        tracking.applied(DEPLOYMENT, live, config, before, apply("me"), force=False)
    assert refused.value.message == (
        'Apply failed with 2 conflicts: conflicts with "a" using apps/v1:\n'
        '- .spec.replicas\n- .spec.template.spec.containers[name="web"].image'
    )


def test_force_takes_the_field_over() -> None:
    live, config = config_map(x="1", y="1"), config_map(x="2")
    before = tracking.created(CONFIGMAP, live, update("a"))
    merged, entries = tracking.applied(CONFIGMAP, live, config, before, apply("me", T2), force=True)
    assert merged["data"] == {"x": "2", "y": "1"}
    assert fields_of(entries, "me") == {"f:data": {"f:x": {}}}
    assert fields_of(entries, "a") == {"f:data": {".": {}, "f:y": {}}}


def test_equal_values_are_owned_by_both_and_stay_until_the_last_lets_go() -> None:
    live, one = tracking.applied(CONFIGMAP, EMPTY, config_map(x="1", y="1"), None, apply("a"), force=False)
    live, both = tracking.applied(CONFIGMAP, live, config_map(x="1"), one, apply("b", T2), force=False)
    live, left = tracking.applied(CONFIGMAP, live, config_map(z="1"), both, apply("a", T3), force=False)
    assert live["data"] == {"x": "1", "z": "1"}
    live, _ = tracking.applied(CONFIGMAP, live, {**EMPTY}, left, apply("b", T3), force=False)
    assert live["data"] == {"z": "1"}


def test_what_the_applier_stops_sending_goes_but_not_what_others_added() -> None:
    first = deployment(
        {"name": "web", "image": "nginx", "env": [{"name": "A", "value": "1"}]}, {"name": "side", "image": "x"}
    )
    live, entries = tracking.applied(
        DEPLOYMENT, {**EMPTY, "apiVersion": "apps/v1"}, first, None, apply("me"), force=False
    )
    other = copy.deepcopy(live)
    containers_of(other)[0]["env"].append({"name": "B", "value": "2"})
    other["spec"]["paused"] = True
    entries = tracking.updated(DEPLOYMENT, live, other, entries, update("you", T2, "apps/v1"))
    then, _ = tracking.applied(
        DEPLOYMENT, other, deployment({"name": "web", "image": "nginx"}), entries, apply("me", T3), force=False
    )
    assert containers_of(then) == [{"name": "web", "image": "nginx", "env": [{"name": "B", "value": "2"}]}]
    assert then["spec"]["paused"] is True


def test_the_same_configuration_again_changes_not_even_the_time() -> None:
    live, entries = tracking.applied(CONFIGMAP, EMPTY, config_map(x="1"), None, apply("me", T1), force=False)
    again, same = tracking.applied(CONFIGMAP, live, config_map(x="1"), entries, apply("me", T2), force=False)
    assert again == live
    assert same is entries


def test_kubectl_moves_from_client_side_apply_without_conflicts() -> None:
    noted = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"x":"1"}}'
    live = config_map(x="1")
    live["metadata"] = {"name": "a", "annotations": {tracking.LAST_APPLIED: noted}}
    before = tracking.created(CONFIGMAP, live, update("kubectl-client-side-apply"))
    merged, entries = tracking.applied(CONFIGMAP, live, config_map(x="2"), before, apply("kubectl", T2), force=False)
    assert merged["data"] == {"x": "2"}
    assert '"x":"2"' in merged["metadata"]["annotations"][tracking.LAST_APPLIED]
    assert fields_of(entries, "kubectl") == {"f:data": {"f:x": {}}}
    with pytest.raises(Conflict):
        tracking.applied(CONFIGMAP, live, config_map(x="2"), before, apply("another", T2), force=False)


@pytest.mark.parametrize(
    ("containers", "text"),
    [
        pytest.param(
            [{"image": "x"}],
            ".spec.template.spec.containers: element 0: associative list with keys has an element that omits key field"
            ' "name" (and doesn\'t have default value)',
            id="without-its-key",
        ),
        pytest.param(
            [{"name": "a"}, {"name": "a"}],
            '.spec.template.spec.containers: duplicate entries for key [name="a"]',
            id="twice-the-same",
        ),
    ],
)
def test_elements_that_cannot_be_told_apart_are_refused(containers: list[Json], text: str) -> None:
    with pytest.raises(Untyped) as refused:
        tracking.applied(DEPLOYMENT, EMPTY, deployment(*containers), None, apply("me"), force=False)
    assert str(refused.value) == text


def test_a_list_with_twins_is_tracked_as_one() -> None:
    env = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    old, new = deployment({"name": "web"}), deployment({"name": "web", "env": env})
    changed = deployment({"name": "web", "env": env[:1]})
    entries = tracking.updated(DEPLOYMENT, old, new, None, update("me", version="apps/v1"))
    assert fields_of(entries, "me")["f:spec"]["f:template"]["f:spec"]["f:containers"]['k:{"name":"web"}'] == {
        "f:env": {}
    }
    assert tracking.updated(DEPLOYMENT, new, changed, entries, update("me", version="apps/v1"))


def test_objects_of_unknown_types_are_tracked_key_by_key() -> None:
    obj = {"apiVersion": "example.com/v1", "kind": "Game", "metadata": {"name": "a"}, "spec": {"map": "x", "mods": [1]}}
    entries = tracking.created(UNKNOWN, obj, update("me", version="example.com/v1"))
    assert entries[0]["fieldsV1"] == {"f:spec": {".": {}, "f:map": {}, "f:mods": {}}}


@pytest.mark.parametrize(
    ("live", "config", "merged"),
    [
        pytest.param("ab", "ab", "ab", id="same"),
        pytest.param("ab", "ba", "ba", id="order-of-the-configuration"),
        pytest.param("axb", "ab", "axb", id="own-between-shared"),
        pytest.param("ab", "acb", "acb", id="new-between-shared"),
        pytest.param("xab", "ba", "xba", id="own-first"),
        pytest.param("abx", "c", "abxc", id="nothing-shared"),
    ],
)
def test_merged_lists_keep_order(live: str, config: str, merged: str) -> None:
    def named(letters: str) -> Json:
        return deployment(*({"name": letter} for letter in letters))

    found, _ = tracking.applied(DEPLOYMENT, named(live), named(config), None, apply("me"), force=False)
    assert "".join(c["name"] for c in containers_of(found)) == merged


def test_the_oldest_updaters_share_an_entry_when_there_are_many() -> None:
    obj, entries = config_map(), None
    for number in range(13):
        changed = config_map(**obj["data"], **{f"k{number:02}": "1"})
        entries = tracking.updated(
            CONFIGMAP, obj, changed, entries, update(f"m{number:02}", f"2026-01-01T00:00:{number:02}Z")
        )
        obj = changed
    assert entries is not None
    assert len(entries) == 10
    assert set(fields_of(entries, "ancient-changes")["f:data"]) == {"f:k00", "f:k01", "f:k02", "f:k03"}


DATA = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("12"))


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), DATA, st.booleans()), max_size=8))
def test_after_any_applies_each_applied_field_holds_what_one_of_its_owners_wants(
    steps: list[tuple[str, Json, bool]],
) -> None:
    obj: Json = EMPTY
    entries: Any = None
    wanted: dict[str, Json] = {}
    for manager, data, force in steps:
        try:
            obj, entries = tracking.applied(CONFIGMAP, obj, config_map(**data), entries, apply(manager), force=force)
        except Conflict:
            continue
        wanted[manager] = data
        assert {key: obj.get("data", {}).get(key) for key in data} == data
    found = owners.read(entries) or {}
    named = {key: set[str]() for key in "abcd"}
    for owner, owned in found.items():
        for key in owned.fields.get("f:data", {}):
            if key != ".":
                named[key[2:]].add(owner.manager)
    for key, managers in named.items():
        assert bool(managers) == (key in (obj.get("data") or {}))
        assert all(wanted[manager][key] == obj["data"][key] for manager in managers)


@given(DATA, DATA)
def test_updates_own_just_what_differs(old: Json, new: Json) -> None:
    entries = tracking.updated(CONFIGMAP, config_map(**old), config_map(**new), None, update("me"))
    fields = fields_of(entries or [], "me").get("f:data", {})
    assert {key[2:] for key in fields if key != "."} == {key for key in new if new[key] != old.get(key)}
    assert within({"f:data": fields} if fields else {}, {"f:data": {".": {}, **{f"f:{key}": {} for key in new}}})
