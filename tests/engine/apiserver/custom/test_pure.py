"""What a schema does to values, piece by piece; and what costs nothing while nobody uses it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimachinery.objects.jsonpath import PathError, compile_path
from engine.apiserver.custom.formats import FORMATS, holds
from engine.apiserver.custom.structural import compile_schema, prune, set_defaults, translated
from engine.apiserver.custom.table import priority
from engine.apiserver.custom.values import errors_of
from engine.apiserver.schema.problems import Strict

Json = dict[str, Any]
ITEM: Json = {"type": "object", "properties": {"name": {"type": "string"}, "port": {"type": "integer", "default": 80}}}


def test_engine_starts_without_cel() -> None:
    code = "import sys, engine.main, engine.apiserver.server; print('cel' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("schema", "value", "left", "lost"),
    [
        pytest.param({"properties": {"a": {}}}, {"a": 1, "b": 2}, {"a": 1}, ["b"], id="unknown-goes"),
        pytest.param({"x-kubernetes-preserve-unknown-fields": True}, {"b": 2}, {"b": 2}, [], id="preserved"),
        pytest.param({"additionalProperties": ITEM}, {"k": {"x": 1}}, {"k": {}}, ["k.x"], id="below-any-key"),
        pytest.param({"properties": {"l": {"items": ITEM}}}, {"l": [{"y": 1}]}, {"l": [{}]}, ["l[0].y"], id="in-lists"),
        pytest.param(
            {"properties": {"t": {"x-kubernetes-embedded-resource": True}}},
            {"t": {"apiVersion": "v1", "kind": "A", "metadata": {}, "z": 1}},
            {"t": {"apiVersion": "v1", "kind": "A", "metadata": {}}},
            ["t.z"],
            id="embedded",
        ),
    ],
)
def test_pruning_drops_and_names_what_the_schema_does_not_know(
    schema: Json, value: Json, left: Json, lost: list[str]
) -> None:
    strict = Strict()
    prune(value, compile_schema(schema), "", strict)
    assert value == left
    assert strict.messages == [f'unknown field "{path}"' for path in lost]


@pytest.mark.parametrize(
    ("value", "after"),
    [
        pytest.param({}, {"port": 80}, id="absent"),
        pytest.param({"port": None}, {"port": 80}, id="null-counts-as-absent"),
        pytest.param({"port": 0}, {"port": 0}, id="zero-stays"),
        pytest.param({"name": None}, {"port": 80}, id="null-without-default-goes"),
    ],
)
def test_defaults_fill_in_what_is_not_there(value: Json, after: Json) -> None:
    set_defaults(value, compile_schema(ITEM))
    assert value == after


@pytest.mark.parametrize(
    ("schema", "value", "text"),
    [
        ({"type": "integer"}, "x", 'f: Invalid value: "string": f in body must be of type integer: "string"'),
        ({"type": "string"}, None, 'f: Invalid value: "null": f in body must be of type string: "null"'),
        ({"type": "integer", "minimum": 1}, 0, "f: Invalid value: 0: f in body should be greater than or equal to 1"),
        ({"maximum": 3, "exclusiveMaximum": True}, 3, "f: Invalid value: 3: f in body should be less than 3"),
        ({"maxLength": 2}, "abc", "f: Too long: may not be more than 2 bytes"),
        ({"minLength": 2}, "a", 'f: Invalid value: "a": f in body should be at least 2 chars long'),
        ({"pattern": "^a$"}, "a\n", 'f: Invalid value: "a\\n": f in body should match \'^a$\''),
        ({"maxItems": 1}, [1, 2], "f: Too many: 2: must have at most 1 item"),
        ({"enum": ["a"]}, "b", 'f: Unsupported value: "b": supported values: "a"'),
        ({"format": "date-time"}, "x", 'f: Invalid value: "x": f in body must be of type date-time: "x"'),
        ({"x-kubernetes-list-type": "set"}, ["a", "a"], 'f[1]: Duplicate value: "a"'),
        ({"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, {"a": 1, "b": 1},
         '<nil>: Invalid value: "": "f" must validate one and only one schema (oneOf). Found 2 valid alternatives'),
    ],
)  # fmt: skip
def test_value_that_does_not_fit_is_named_in_upstreams_words(schema: Json, value: Any, text: str) -> None:
    assert [str(error) for error in errors_of(value, compile_schema(schema), path="f")] == [text]


def test_what_an_update_leaves_alone_is_not_judged_again() -> None:
    schema = compile_schema({"properties": {"a": {"maximum": 1}, "b": {"type": "string"}}})
    assert errors_of({"a": 5, "b": "y"}, schema, {"a": 5, "b": "x"}) == []
    assert len(errors_of({"a": 6, "b": "y"}, schema, {"a": 5, "b": "x"})) == 1


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".a.b", [1]),
        (".a['c.d']", [2]),
        (r".a.c\.d", [2]),
        (".l[1].v", [20]),
        (".l[*].v", [10, 20]),
        ('.l[?(@.n=="x")].v', [10]),
        (".l[?(@.v==20)].n", ["y"]),
        (".nothing.here", []),
    ],
)
def test_path_finds_values(path: str, found: list[Any]) -> None:
    value = {"a": {"b": 1, "c.d": 2}, "l": [{"n": "x", "v": 10}, {"n": "y", "v": 20}]}
    assert compile_path(path)(value) == found


def test_text_that_is_no_path_is_refused() -> None:
    with pytest.raises(PathError):
        compile_path("spec(")


def test_versions_sort_as_kubernetes_prefers_them() -> None:
    wanted = ["v10", "v2", "v1", "v11beta2", "v10beta3", "v3beta1", "v12alpha1", "v11alpha2", "foo1", "foo10"]
    assert sorted(set(wanted), key=priority) == wanted


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda s: st.lists(s) | st.dictionaries(st.text(), s)
    )
)
def test_any_value_is_judged_without_failing_and_pruned_once(value: Any) -> None:
    schema = compile_schema(
        {
            "type": "object",
            "properties": {"a": ITEM, "l": {"type": "array", "items": ITEM}},
            "additionalProperties": None,
        }
    )
    errors_of(value, schema)
    prune(value, schema, "", Strict())
    again = Strict()
    prune(value, schema, "", again)
    assert again.messages == []


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("creditcard", "4111 1111 1111 1111", "4111 1111 1111 1112"), ("isbn10", "0-306-40615-2", "0-306-40615-3"),
        ("isbn13", "978-0-306-40615-7", "978-0-306-40615-8"), ("isbn", "978-0-306-40615-7", "x"),
        ("k8s-long-name", "a.b-c", "a..b"), ("k8s-short-name", "a-b", "a.b"), ("ssn", "123-45-6789", "123-456-789"),
        ("uuid4", "f47ac10b-58cc-4372-a567-0e02b2c3d479", "f47ac10b-58cc-3372-a567-0e02b2c3d479"),
        ("uuid3", "f47ac10b-58cc-3372-a567-0e02b2c3d479", "x"), ("mac", "01:23:45:67:89:ab", "01:23"),
        ("rgbcolor", "rgb(1,2,3)", "rgb(1,2)"), ("hexcolor", "#fff", "#ff"), ("duration", "1h30m", "1x"),
        ("unheard-of", "anything", None),
    ],
)  # fmt: skip
def test_formats_are_checked(name: str, good: str, bad: str | None) -> None:
    assert holds(name, good)
    assert bad is None or not holds(name, bad)


@given(st.text())
def test_formats_answer_for_any_text(text: str) -> None:
    for name in FORMATS:
        assert holds(name, text) in (True, False)


def test_patterns_end_where_gos_do() -> None:
    assert translated(r"^[$]\$a$") == r"^[$]\$a\Z"
