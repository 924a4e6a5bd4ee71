"""JSON patch: RFC 6902's own examples, upstream's error texts, and that nothing is changed in place."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimachinery.objects import patch_json
from apimachinery.objects.patch import PatchError, PatchMalformed


@pytest.mark.parametrize(
    ("document", "operations", "expected"),
    [
        pytest.param({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux"}], {"foo": "bar", "baz": "qux"}, id="A1-member"),
        pytest.param({"foo": ["bar", "baz"]}, [{"op": "add", "path": "/foo/1", "value": "qux"}], {"foo": ["bar", "qux", "baz"]}, id="A2-element"),
        pytest.param({"baz": "qux", "foo": "bar"}, [{"op": "remove", "path": "/baz"}], {"foo": "bar"}, id="A3-remove-member"),
        pytest.param({"foo": ["bar", "qux", "baz"]}, [{"op": "remove", "path": "/foo/1"}], {"foo": ["bar", "baz"]}, id="A4-remove-element"),
        pytest.param({"baz": "qux"}, [{"op": "replace", "path": "/baz", "value": "boo"}], {"baz": "boo"}, id="A5-replace"),
        pytest.param(
            {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
            [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
            {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
            id="A6-move",
        ),
        pytest.param(
            {"foo": ["all", "grass", "cows", "eat"]},
            [{"op": "move", "from": "/foo/1", "path": "/foo/3"}],
            {"foo": ["all", "cows", "eat", "grass"]},
            id="A7-move-element",
        ),
        pytest.param(
            {"baz": "qux", "foo": ["a", 2, "c"]},
            [{"op": "test", "path": "/baz", "value": "qux"}, {"op": "test", "path": "/foo/1", "value": 2}],
            {"baz": "qux", "foo": ["a", 2, "c"]},
            id="A8-test",
        ),
        pytest.param({"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": 10}], {"/": 9, "~1": 10}, id="A14-escape"),
        pytest.param({"foo": ["bar"]}, [{"op": "add", "path": "/foo/-", "value": ["abc"]}], {"foo": ["bar", ["abc"]]}, id="A16-append"),
        pytest.param({"a": {"b": [1]}}, [{"op": "copy", "from": "/a/b", "path": "/c"}], {"a": {"b": [1]}, "c": [1]}, id="copy"),
        pytest.param({"a": 1}, [{"op": "test", "path": "/gone", "value": None}], {"a": 1}, id="absent-equals-null"),
        pytest.param({"a": [1, 2, 3]}, [{"op": "remove", "path": "/a/-1"}], {"a": [1, 2]}, id="position-from-the-end"),
        pytest.param({"a": 1}, [{"op": "replace", "path": "", "value": {"b": 2}}], {"b": 2}, id="whole-document"),
    ],
)  # fmt: skip
def test_operations_apply(document: Any, operations: Any, expected: Any) -> None:
    before = copy.deepcopy(document)
    assert patch_json.apply(document, operations) == expected
    assert document == before


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        pytest.param({"op": "add", "path": "/no/way", "value": 1}, 'add operation does not apply: doc is missing path: "/no/way": missing value', id="add"),
        pytest.param({"op": "remove", "path": "/no"}, "error in remove for path: '/no': Unable to remove nonexistent key: no: missing value", id="remove"),
        pytest.param({"op": "remove", "path": "/list/9"}, "error in remove for path: '/list/9': Unable to access invalid index: 9: invalid index detected", id="remove-element"),
        pytest.param({"op": "replace", "path": "/no", "value": 1}, "replace operation does not apply: doc is missing key: /no: missing value", id="replace"),
        pytest.param({"op": "move", "from": "/no", "path": "/b"}, "move operation does not apply: doc is missing from path: /no: missing value", id="move"),
        pytest.param({"op": "test", "path": "/flag", "value": 1}, "testing value /flag failed: test failed", id="true-is-not-1"),
        pytest.param({"op": "fly", "path": "/a"}, "Unexpected kind: fly", id="unknown"),
    ],
)  # fmt: skip
def test_operations_that_do_not_apply_say_why(operation: Any, message: str) -> None:
    with pytest.raises(PatchError) as raised:
        patch_json.apply({"a": 1, "flag": True, "list": [1]}, [operation])
    assert str(raised.value) == message


@pytest.mark.parametrize("operations", [{}, "x", [1], [{"op": "add"}] * 10_001])
def test_what_is_no_patch_is_malformed(operations: Any) -> None:
    with pytest.raises(PatchMalformed):
        patch_json.apply({}, operations)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab/~", max_size=3),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text("ab/~-1", max_size=2), below, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text("ab/~", max_size=2), json_values, max_size=4), json_values)
def test_add_then_test_then_remove_gives_the_document_back(document: dict[str, Any], value: Any) -> None:
    operations = [
        {"op": "add", "path": "/new~0~1key", "value": value},
        {"op": "test", "path": "/new~0~1key", "value": value},
        {"op": "remove", "path": "/new~0~1key"},
    ]
    assert patch_json.apply(document, operations) == document
