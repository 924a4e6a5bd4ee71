"""What rules allow, and which rules cover which."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.apiserver.authz.rules import EVERYTHING, PolicyRule, uncovered


def rule(verbs: str, groups: str = "core", resources: str = "", names: str = "", urls: str = "") -> PolicyRule:
    return PolicyRule(
        verbs=tuple(verbs.split()),
        api_groups=tuple("" if group == "core" else group for group in groups.split()) if resources else (),
        resources=tuple(resources.split()),
        resource_names=tuple(names.split()),
        non_resource_urls=tuple(urls.split()),
    )


@pytest.mark.parametrize(
    ("held", "asked", "allowed"),
    [
        pytest.param(rule("get", resources="pods"), ("get", "", "pods"), True, id="exactly"),
        pytest.param(rule("get", resources="pods"), ("list", "", "pods"), False, id="another-verb"),
        pytest.param(rule("get", resources="pods"), ("get", "apps", "pods"), False, id="another-group"),
        pytest.param(rule("get", resources="pods"), ("get", "", "pods/log"), False, id="not-its-subresources"),
        pytest.param(rule("get", resources="pods/log"), ("get", "", "pods/log"), True, id="subresource"),
        pytest.param(rule("get", resources="*/scale"), ("get", "", "pods/scale"), True, id="subresource-of-all"),
        pytest.param(rule("get", resources="*/scale"), ("get", "", "pods"), False, id="not-the-resource-itself"),
        pytest.param(rule("*", "*", "*"), ("delete", "x.io", "things/status"), True, id="everything"),
        pytest.param(rule("get", urls="/*"), ("get", "", "pods"), False, id="paths-are-no-resources"),
    ],
)
def test_rule_concerns(held: PolicyRule, asked: tuple[str, str, str], allowed: bool) -> None:
    assert held.concerns(*asked) is allowed


@pytest.mark.parametrize(
    ("urls", "path", "allowed"),
    [
        ("/healthz", "/healthz", True),
        ("/healthz", "/healthz/ping", False),
        ("/healthz/*", "/healthz/ping", True),
        ("/healthz/*", "/healthz", False),
        ("*", "/anything", True),
        ("/metrics", "/metrics/slis", False),
    ],
)
def test_rule_allows_paths(urls: str, path: str, allowed: bool) -> None:
    assert rule("get", urls=urls).allows_path("get", path) is allowed


@pytest.mark.parametrize(
    ("held", "wanted", "missing"),
    [
        pytest.param([rule("get list", resources="pods")], rule("get", resources="pods"), [], id="part"),
        pytest.param([], rule("get list", resources="pods"),
                     ['{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}'], id="nothing-held"),
        pytest.param([rule("get", resources="pods"), rule("list", resources="pods")], rule("get list", resources="pods"),
                     [], id="together"),
        pytest.param([rule("get", resources="pods", names="a")], rule("get", resources="pods"),
                     ['{APIGroups:[""], Resources:["pods"], Verbs:["get"]}'], id="one-name-is-not-all"),
        pytest.param([rule("get", resources="pods")], rule("get", resources="pods", names="a"), [], id="all-names"),
        pytest.param([rule("get", resources="pods", names="a b")], rule("get", resources="pods", names="a c"),
                     ['{APIGroups:[""], Resources:["pods"], ResourceNames:["c"], Verbs:["get"]}'], id="another-name"),
        pytest.param([rule("get", urls="/api/*")], rule("get", urls="/api/v1 /apis"),
                     ['{NonResourceURLs:["/apis"], Verbs:["get"]}'], id="paths"),
        pytest.param([rule("get", resources="*/scale")], rule("get", resources="pods/scale"), [], id="star-subresource"),
        pytest.param([rule("get", resources="pods")], rule("*", resources="pods"),
                     ['{APIGroups:[""], Resources:["pods"], Verbs:["*"]}'], id="star-is-more-than-any-verb"),
    ],
)  # fmt: skip
def test_what_is_not_covered_is_told(held: list[PolicyRule], wanted: PolicyRule, missing: list[str]) -> None:
    assert [str(one) for one in uncovered(held, (wanted,))] == missing


WORDS = st.lists(st.sampled_from(["*", "a", "b", "c/d"]), min_size=1, max_size=3).map(tuple)
RESOURCE_RULES = st.tuples(WORDS, WORDS, WORDS).map(lambda parts: PolicyRule(*parts))
PATH_RULES = WORDS.map(lambda verbs: PolicyRule(verbs=verbs, non_resource_urls=("/x", "/y/*")))


@given(st.lists(RESOURCE_RULES | PATH_RULES, max_size=4))
def test_rules_cover_themselves_and_everything_covers_all(rules: list[Any]) -> None:
    assert uncovered(rules, rules) == []
    assert uncovered(EVERYTHING, rules) == []


@given(st.lists(RESOURCE_RULES, max_size=3), st.lists(RESOURCE_RULES, max_size=3))
def test_what_was_missing_is_covered_once_it_is_added(held: list[Any], wanted: list[Any]) -> None:
    assert uncovered([*held, *uncovered(held, wanted)], wanted) == []
