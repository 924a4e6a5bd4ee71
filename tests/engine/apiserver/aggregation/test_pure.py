"""Decisions of aggregation: which APIServices are made and left alone, what is merged, how a user is told."""

from __future__ import annotations

from typing import Any

import pytest

from engine.apiserver.aggregation import openapi
from engine.apiserver.aggregation.availability import before_asking
from engine.apiserver.aggregation.registration import MANAGED, Plan, Wanted, plan, wanted_of
from engine.apiserver.aggregation.serving import identity_headers
from engine.apiserver.aggregation.table import APIService, Metadata, ServiceReference, Spec
from engine.apiserver.registry.catalog import KINDS
from engine.apiserver.request import User

Json = dict[str, Any]
BUILT_IN = Wanted("apps", "v1", (17800, 15), always=False)
USERS = Wanted("example.com", "v1", (1000, 100), always=True)
METRICS = Wanted("metrics.k8s.io", "v1beta1", (100, 100), always=True, replaceable=True)


def found(one: Wanted, *, label: str = "true", service: bool = False, priority: int | None = None) -> APIService:
    group, version = one.priorities
    spec = Spec(
        group=one.group,
        version=one.version,
        group_priority_minimum=priority or group,
        version_priority=version,
        service=ServiceReference("kube-system", "server") if service else None,
    )
    return APIService(Metadata(one.name, labels={MANAGED: label} if label else {}), spec)


@pytest.mark.parametrize(
    ("wanted", "current", "done", "expected"),
    [
        pytest.param([BUILT_IN], [], False, Plan(create=(BUILT_IN,)), id="missing"),
        pytest.param([BUILT_IN], [found(BUILT_IN)], False, Plan(), id="settled"),
        pytest.param([BUILT_IN], [found(BUILT_IN, priority=1)], False, Plan(update=(BUILT_IN,)), id="changed-before-start"),
        pytest.param([BUILT_IN], [found(BUILT_IN, priority=1)], True, Plan(), id="changed-since-start"),
        pytest.param([USERS], [found(USERS, priority=1)], True, Plan(update=(USERS,)), id="always-kept"),
        pytest.param([USERS], [found(USERS, service=True)], True, Plan(update=(USERS,)), id="taken-back"),
        pytest.param([USERS], [found(USERS, label="", service=True)], False, Plan(), id="a-users-own"),
        pytest.param([METRICS], [found(METRICS, service=True)], False, Plan(), id="replaced"),
        pytest.param([], [found(USERS)], True, Plan(delete=(USERS.name,)), id="no-longer-served"),
        pytest.param([], [found(USERS, service=True)], True, Plan(), id="served-by-another-now"),
        pytest.param([], [found(USERS, label="")], True, Plan(), id="not-ours"),
    ],
)  # fmt: skip
def test_apiservices_follow_what_is_served(
    wanted: list[Wanted], current: list[APIService], done: bool, expected: Plan
) -> None:
    names = frozenset(one.name for one in wanted) if done else frozenset[str]()
    assert plan({one.name: one for one in wanted}, {one.name: one for one in current}, names) == expected


def test_every_built_in_group_has_upstreams_priority() -> None:
    wanted = wanted_of(KINDS)
    assert "v1.apiregistration.k8s.io" not in wanted
    assert wanted["v1."].spec == {"version": "v1", "groupPriorityMinimum": 18000, "versionPriority": 1}
    assert wanted["v2.autoscaling"].priorities > wanted["v1.autoscaling"].priorities
    assert [one.name for one in wanted.values() if one.always] == ["v1beta1.metrics.k8s.io"]


def test_user_is_told_in_headers_that_keep_to_their_lines() -> None:
    user = User("system:serviceaccount:a:b", ("g1", "g 2"), "u-1", {"example.com/scope%": ("x", "y")})
    assert identity_headers(user) == (
        ("X-Remote-User", "system:serviceaccount:a:b"),
        ("X-Remote-Uid", "u-1"),
        ("X-Remote-Group", "g1"),
        ("X-Remote-Group", "g 2"),
        ("X-Remote-Extra-example.com%2Fscope%25", "x"),
        ("X-Remote-Extra-example.com%2Fscope%25", "y"),
    )


def test_service_of_another_type_is_asked_without_looking_at_endpoints() -> None:
    spec = Spec(version="v1", service=ServiceReference("a", "b"))
    assert before_asking({"spec": {"type": "ExternalName"}}, [], spec) is None
    assert before_asking({"spec": {"type": "ClusterIP", "ports": [{"port": 443}]}}, [], spec) is not None


def test_definitions_of_the_same_name_are_kept_apart_only_where_they_differ() -> None:
    ours: Json = {"paths": {"/api/v1": {}}, "definitions": {"same": {"type": "string"}, "other": {"type": "string"}}}
    theirs: Json = {
        "paths": {"/apis/g/v1/x": {"get": {"$ref": "#/definitions/x"}}, "/apis/g/v10/y": {}, "/healthz": {}},
        "definitions": {
            "x": {"properties": {"a": {"$ref": "#/definitions/same"}, "b": {"items": {"$ref": "#/definitions/other"}}}},
            "same": {"type": "string"},
            "other": {"type": "integer"},
            "alone": {},
        },
    }
    openapi.merge_v2(ours, theirs, "g", "v1")
    assert set(ours["paths"]) == {"/api/v1", "/apis/g/v1/x"}
    assert ours["definitions"] == {
        "same": {"type": "string"},
        "other": {"type": "string"},
        "other_v2": {"type": "integer"},
        "x": {"properties": {"a": {"$ref": "#/definitions/same"}, "b": {"items": {"$ref": "#/definitions/other_v2"}}}},
    }
