"""Rules in CEL: what they see, what they say, and that they end."""

from __future__ import annotations

from typing import Any

import pytest

from engine.apiserver.cel.program import Budget, CelError, compiled, evaluate
from engine.apiserver.custom.rules import rule_errors
from engine.apiserver.custom.structural import MISSING, compile_schema

SPEC: dict[str, Any] = {
    "type": "object",
    "properties": {
        "replicas": {"type": "integer"},
        "max": {"type": "integer"},
        "engine": {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "engine is immutable"}]},
        "storage": {"type": "string"},
        "ratio": {"type": "number"},
        "until": {"type": "string", "format": "date-time"},
        "namespace": {"type": "string"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
}  # fmt: skip


def judged(spec: Any, *rules: dict[str, Any], old: Any = MISSING) -> list[str]:
    schema = compile_schema(
        {"type": "object", "properties": {"spec": {**SPEC, "x-kubernetes-validations": list(rules)}}}
    )
    before = {"spec": old} if old is not MISSING else MISSING
    return [str(error) for error in rule_errors({"spec": spec}, schema, before)]


@pytest.mark.parametrize(
    ("rule", "spec"),
    [
        pytest.param("self.replicas <= self.max", {"replicas": 2, "max": 3}, id="compare"),
        pytest.param("!has(self.max)", {"replicas": 2}, id="absent"),
        pytest.param("self.?max.orValue(7) == 7", {"replicas": 2}, id="optional"),
        pytest.param("self.ratio + 0.5 == 1.5", {"ratio": 1}, id="whole-number-is-a-double"),
        pytest.param("self.until > timestamp('2020-01-01T00:00:00Z')", {"until": "2021-01-01T00:00:00Z"}, id="time"),
        pytest.param("self.__namespace__ == 'a'", {"namespace": "a"}, id="reserved-word"),
        pytest.param("quantity(self.storage).isGreaterThan(quantity('1Gi'))", {"storage": "2Gi"}, id="quantity"),
        pytest.param("quantity(self.storage) == quantity('2048Mi')", {"storage": "2Gi"}, id="equal-quantities"),
        pytest.param("self.storage.find('[0-9]+') == '20'", {"storage": "20Gi"}, id="find"),
        pytest.param("url(self.storage).getHost() == 'a.b:80'", {"storage": "http://a.b:80/c"}, id="url"),
        pytest.param("cidr('10.0.0.0/8').containsIP(ip('10.1.1.1'))", {"replicas": 1}, id="addresses"),
        pytest.param("cel.bind(n, size(self.tags), n > 1 && n < 3)", {"tags": ["a", "b"]}, id="bind"),
        pytest.param("self.tags.isSorted() && self.tags.join('-') == 'a-b'", {"tags": ["a", "b"]}, id="lists"),
        pytest.param("self.tags.all(t, self.tags.exists_one(o, o == t))", {"tags": ["a", "b"]}, id="unique"),
    ],
)
def test_rule_that_holds_says_nothing(rule: str, spec: dict[str, Any]) -> None:
    assert judged(spec, {"rule": rule}) == []


def test_broken_rule_says_its_message_at_its_field() -> None:
    assert judged({"replicas": 5, "max": 3}, {"rule": "self.replicas <= self.max"}) == [
        'spec: Invalid value: "object": failed rule: self.replicas <= self.max'
    ]
    rule = {
        "rule": "self.replicas <= self.max",
        "messageExpression": "'at most ' + string(self.max)",
        "fieldPath": ".replicas",
        "reason": "FieldValueForbidden",
    }
    assert judged({"replicas": 5, "max": 3}, rule) == ["spec.replicas: Forbidden: at most 3"]


def test_rule_about_change_is_silent_on_create_and_speaks_on_update() -> None:
    assert judged({"engine": "pg"}) == []
    assert judged({"engine": "my"}, old={"engine": "pg"}) == ['spec.engine: Invalid value: "my": engine is immutable']


def test_optional_old_self_sees_both() -> None:
    rule = {"rule": "oldSelf.hasValue() || self.replicas == 1", "optionalOldSelf": True}
    assert judged({"replicas": 2}, rule) == [f'spec: Invalid value: "object": failed rule: {rule["rule"]}']
    assert judged({"replicas": 2}, rule, old={"replicas": 1}) == []


def test_what_an_update_leaves_alone_is_not_judged_again() -> None:
    assert judged({"replicas": 5, "max": 3}, {"rule": "self.replicas <= self.max"}, old={"replicas": 5, "max": 3}) == []


def test_missing_key_is_an_error_that_names_it() -> None:
    assert judged({"replicas": 5}, {"rule": "self.replicas <= self.max"}) == [
        'spec: Invalid value: "object": rule evaluation error: no such key: max'
    ]


def test_walks_within_walks_over_much_are_refused_before_they_start() -> None:
    tags = [str(number) for number in range(3000)]
    assert judged({"tags": tags}, {"rule": "self.tags.all(a, self.tags.all(b, a != b || a == b))"}) == [
        '<nil>: Invalid value: "": operation cancelled: actual cost limit exceeded'
    ]


def test_expression_that_is_none_names_the_place() -> None:
    with pytest.raises(CelError, match=r"ERROR: <input>:1:6: Syntax error"):
        compiled("self.")
    with pytest.raises(CelError, match="division by zero"):
        evaluate("1 / 0", {}, Budget())
