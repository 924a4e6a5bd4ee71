"""The algebra of field sets, checked against sets of paths."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.apiserver.fieldmanagement.fieldset import (
    FieldSet,
    difference,
    intersection,
    paths,
    union,
    well_formed,
    within,
)

PATHS = st.sets(
    st.lists(st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', "v:1"]), min_size=1, max_size=3).map(tuple), max_size=8
)


def tree(members: set[tuple[str, ...]]) -> FieldSet:
    """Build the set of some paths, one by one."""
    found: FieldSet = {}
    for path in members:
        below: FieldSet = {}
        for element in reversed(path):
            below = {element: below}
        found = union(found, below)
    return found


def members(fields: FieldSet, above: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    for key, below in fields.items():
        if key == ".":
            found.add(above)
        elif not below:
            found.add((*above, key))
        else:
            found |= members(below, (*above, key))
    return found


@given(PATHS)
def test_a_tree_holds_just_the_paths_it_was_made_of(one: set[tuple[str, ...]]) -> None:
    assert members(tree(one)) == one
    assert well_formed(tree(one))


@given(PATHS, PATHS)
def test_sets_of_fields_are_sets(one: set[tuple[str, ...]], other: set[tuple[str, ...]]) -> None:
    assert members(union(tree(one), tree(other))) == one | other
    assert members(difference(tree(one), tree(other))) == one - other
    assert members(intersection(tree(one), tree(other))) == one & other
    assert within(tree(one), tree(other)) == (one <= other)


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        pytest.param({"f:spec": {"f:replicas": {}}}, [".spec.replicas"], id="field"),
        pytest.param(
            {"f:ports": {'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:name": {}}}},
            ['.ports[containerPort=80,protocol="TCP"]', '.ports[containerPort=80,protocol="TCP"].name'],
            id="element-by-keys",
        ),
        pytest.param({"f:finalizers": {'v:"a/b"': {}}}, ['.finalizers[="a/b"]'], id="element-of-a-set"),
        pytest.param({"f:a": {"f:b": {}}, "f:c": {}}, [".c", ".a.b"], id="members-before-what-is-below"),
    ],
)
def test_paths_read_as_upstream_writes_them(fields: FieldSet, shown: list[str]) -> None:
    assert list(paths(fields)) == shown


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "x",
        {"spec": {}},
        {"k:x": {}},
        {"k:1": {}},
        {"v:": {}},
        {"i:a": {}},
        {"f:a": 1},
        {"f:a": {".": {"f:b": {}}}},
    ],
)
def test_what_is_no_set_is_noticed(value: Any) -> None:
    assert not well_formed(value)
