"""Texts of objects, edited texts as patches, who else writes a field."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.editing import NotUsable, changed_meanwhile, patch_of, text_of
from tui.patching import foreign_owners, merge_patch

JSON = dict[str, Any]
PAGE: JSON = {
    "apiVersion": "v1", "kind": "ConfigMap",
    "metadata": {"name": "page", "namespace": "shop", "resourceVersion": "7", "uid": "u",
                 "managedFields": [{"manager": "helm", "fieldsV1": {"f:data": {"f:greeting": {}}}},
                                   {"manager": "pilothouse", "fieldsV1": {"f:data": {"f:colour": {}}}}]},
    "data": {"greeting": "ahoy", "colour": "blue"},
}  # fmt: skip
LOGIN: JSON = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "login"},
    "data": {"password": "aHVudGVyMg==", "key": "/wD+"},
}


def test_the_text_leaves_out_what_the_server_keeps_for_itself() -> None:
    text = text_of({**PAGE, "status": {"x": 1}})
    assert "greeting: ahoy" in text
    for word in ("resourceVersion", "uid", "managedFields", "status"):
        assert word not in text


def test_an_edited_text_becomes_a_patch_of_just_what_changed() -> None:
    text = text_of(PAGE).replace("ahoy", "farewell").replace("  colour: blue\n", "")
    assert patch_of(PAGE, text) == {"data": {"greeting": "farewell", "colour": None}}
    assert patch_of(PAGE, text_of(PAGE)) == {}


def test_secrets_are_edited_readable_and_written_encoded() -> None:
    text = text_of(LOGIN)
    assert "password: hunter2" in text
    assert "key: /wD+" in text
    assert patch_of(LOGIN, text.replace("hunter2", "hunter3")) == {"data": {"password": "aHVudGVyMw=="}}
    assert patch_of(LOGIN, text.replace("  password: hunter2", "  other: x")) == {
        "data": {"password": None, "other": "eA=="}
    }


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        pytest.param("data:", "data: [", "line ", id="syntax"),
        pytest.param("kind: ConfigMap", "kind: Secret", "kind cannot be changed", id="kind"),
        pytest.param("name: page", "name: other", "metadata.name cannot be changed", id="name"),
        pytest.param(text_of(PAGE), "hello", "this is not an object", id="no object"),
    ],
)
def test_a_text_that_cannot_be_used_is_refused_with_the_reason(old: str, new: str, why: str) -> None:
    with pytest.raises(NotUsable, match=why):
        patch_of(PAGE, text_of(PAGE).replace(old, new))


def test_what_others_changed_in_the_same_place_meanwhile_is_named() -> None:
    latest = {**PAGE, "data": {"greeting": "moin", "colour": "red"}}
    assert changed_meanwhile(PAGE, latest, {"data": {"greeting": "farewell"}}) == ["data.greeting"]


def test_other_managers_of_a_changed_field_are_named() -> None:
    assert foreign_owners(PAGE, {"data": {"greeting": "x"}}, "pilothouse") == "data.greeting was written by helm"
    assert foreign_owners(PAGE, {"data": {"colour": "x"}}, "pilothouse") == ""


_leaves = st.integers(0, 2)
_inner = st.dictionaries(st.sampled_from("ab"), _leaves, max_size=2)
_objects = st.dictionaries(st.sampled_from("abc"), _leaves | _inner, max_size=3)


def _applied(into: JSON, patch: JSON) -> JSON:
    result = dict(into)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            old = result.get(key)
            result[key] = _applied(old if isinstance(old, dict) else {}, value)
        else:
            result[key] = value
    return result


@given(before=_objects, after=_objects)
def test_a_merge_patch_leads_from_the_one_to_the_other(before: JSON, after: JSON) -> None:
    assert _applied(before, merge_patch(before, after)) == after
