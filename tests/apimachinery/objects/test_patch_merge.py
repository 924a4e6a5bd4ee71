"""JSON merge patch: the table of RFC 7386, appendix A, and that `diff` is its inverse."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimachinery.objects import patch_merge


@pytest.mark.parametrize(
    ("document", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merges_as_the_rfc_says(document: Any, patch: Any, expected: Any) -> None:
    assert patch_merge.apply(document, patch) == expected


values = st.recursive(
    st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text("abc", max_size=1), below, max_size=3),
    max_leaves=12,
)
documents = st.dictionaries(st.text("abc", max_size=1), values, max_size=4)


@given(documents, documents)
def test_a_diff_applied_gives_what_was_compared_with(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert patch_merge.apply(before, patch_merge.diff(before, after)) == after


@given(documents, documents)
def test_a_patch_applied_twice_changes_nothing_more(document: dict[str, Any], patch: dict[str, Any]) -> None:
    once = patch_merge.apply(document, patch)
    assert patch_merge.apply(once, patch) == once
