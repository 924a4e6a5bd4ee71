"""Strategic merge patch: lists by merge key, directives, order."""

import copy
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimachinery.objects import patch_merge, patch_strategic
from apimachinery.objects.patch import PatchError, PatchMalformed
from apimachinery.objects.patch_strategic import Field


class Table:
    """A schema written down as a table."""

    def __init__(self, **fields: Field) -> None:
        self._fields: Mapping[str, Field] = fields

    def field(self, name: str) -> Field | None:
        return self._fields.get(name)


PORTS = Field(merges=True, merge_key="containerPort")
CONTAINER = Table(ports=PORTS, env=Field(merges=True, merge_key="name"))
SPEC = Table(
    containers=Field(merges=True, merge_key="name", schema=CONTAINER),
    finalizers=Field(merges=True),
    affinity=Field(replaces=True),
    strategy=Field(),
)
ROOT = Table(spec=Field(schema=SPEC))


def spec(**fields: Any) -> dict[str, Any]:
    return {"spec": fields}


CASES = [
    pytest.param(
        spec(containers=[{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}]),
        spec(containers=[{"name": "b", "image": "b:2"}]),
        spec(containers=[{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:2"}]),
        id="element-merged-by-key-keeps-its-place",
    ),
    pytest.param(
        spec(containers=[{"name": "a"}]),
        spec(containers=[{"name": "b", "env": [{"name": "X", "$patch": "delete"}, {"name": "Y"}]}]),
        spec(containers=[{"name": "b", "env": [{"name": "Y"}]}, {"name": "a"}]),
        id="new-element-comes-first-and-loses-its-directives",
    ),
    pytest.param(
        spec(containers=[{"name": "a"}, {"name": "b"}]),
        spec(containers=[{"name": "a", "$patch": "delete"}]),
        spec(containers=[{"name": "b"}]),
        id="element-deleted",
    ),
    pytest.param(
        spec(containers=[{"name": "a"}, {"name": "b"}]),
        spec(containers=[{"$patch": "replace"}, {"name": "c"}]),
        spec(containers=[{"name": "c"}]),
        id="list-replaced",
    ),
    pytest.param(
        spec(strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}),
        spec(strategy={"$patch": "replace", "type": "Recreate"}),
        spec(strategy={"type": "Recreate"}),
        id="map-replaced-by-directive",
    ),
    pytest.param(
        spec(strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}),
        spec(strategy={"$retainKeys": ["type"], "type": "Recreate"}),
        spec(strategy={"type": "Recreate"}),
        id="only-retained-keys-stay",
    ),
    pytest.param(spec(strategy={"type": "x"}), spec(strategy={"$patch": "delete"}), spec(strategy={}), id="map-emptied"),
    pytest.param(spec(affinity={"a": 1}), spec(affinity={"b": 2}), spec(affinity={"b": 2}), id="map-with-strategy-replace"),
    pytest.param(spec(finalizers=["a", "b"]), spec(finalizers=["c"]), spec(finalizers=["c", "a", "b"]), id="primitives-merge"),
    pytest.param(
        spec(finalizers=["a", "b", "c"]),
        {"spec": {"$deleteFromPrimitiveList/finalizers": ["b"]}},
        spec(finalizers=["a", "c"]),
        id="primitives-deleted",
    ),
    pytest.param(
        spec(containers=[{"name": "a"}, {"name": "b"}, {"name": "c"}]),
        {"spec": {"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}], "containers": [{"name": "a", "image": "x"}]}},
        spec(containers=[{"name": "b"}, {"name": "c"}, {"name": "a", "image": "x"}]),
        id="stated-order-wins-others-keep-their-relation",
    ),
    pytest.param(
        spec(finalizers=["a", "b", "c"]),
        {"spec": {"$setElementOrder/finalizers": ["d", "c", "a"], "$deleteFromPrimitiveList/finalizers": ["b"], "finalizers": ["d"]}},
        spec(finalizers=["d", "c", "a"]),
        id="order-deletion-and-addition-of-primitives",
    ),
    pytest.param(
        spec(containers=[{"name": "a", "ports": [{"containerPort": 80}, {"containerPort": 81}]}]),
        spec(containers=[{"name": "a", "ports": [{"containerPort": 81, "protocol": "UDP"}]}]),
        spec(containers=[{"name": "a", "ports": [{"containerPort": 80}, {"containerPort": 81, "protocol": "UDP"}]}]),
        id="nested-lists",
    ),
    pytest.param(spec(args=["a"]), spec(args=["b"]), spec(args=["b"]), id="list-without-strategy-is-replaced"),
    pytest.param(spec(a=1, b=2), spec(a=None, c=None), spec(b=2), id="null-removes"),
    pytest.param({}, spec(strategy={"type": None, "x": {"$retainKeys": ["y"], "y": 1}}), spec(strategy={"x": {"y": 1}}), id="new-map-loses-nulls"),
]  # fmt: skip


@pytest.mark.parametrize(("document", "patch", "expected"), CASES)
def test_patches_merge(document: Any, patch: Any, expected: Any) -> None:
    before = copy.deepcopy(document)
    assert patch_strategic.apply(document, patch, ROOT) == expected
    assert document == before


@pytest.mark.parametrize(
    ("patch", "error", "message"),
    [
        pytest.param(spec(containers=[{"image": "x"}]), PatchError, "map: map[image:x] does not contain declared merge key: name", id="no-merge-key"),
        pytest.param(spec(strategy={"$patch": "fly"}), PatchError, "unknown patch type: fly in map: map[$patch:fly]", id="unknown-directive"),
        pytest.param(spec(containers=[{"name": "a", "$patch": "merge"}]), PatchError, "merging lists cannot yet be specified in the patch", id="merge-directive"),
        pytest.param({"spec": {"strategy": {"$retainKeys": "x"}}}, PatchMalformed, "invalid patch format of retainKeys", id="retain-no-list"),
        pytest.param({"spec": {"strategy": {"$retainKeys": ["a"], "b": 1}}}, PatchMalformed, "invalid patch format of retainKeys", id="retain-too-little"),
        pytest.param({"spec": {"$setElementOrder/containers": "x"}}, PatchMalformed, "invalid patch format of setElementOrder list", id="order-no-list"),
        pytest.param({"spec": {"$deleteFromPrimitiveList/finalizers": "x"}}, PatchMalformed, "invalid patch format of primitive list", id="deletion-no-list"),
        pytest.param([], PatchMalformed, "Invalid JSON document", id="no-map"),
    ],
)  # fmt: skip
def test_bad_patches_say_why(patch: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as raised:
        patch_strategic.apply(spec(containers=[{"name": "a"}], strategy={"type": "x"}, finalizers=["a"]), patch, ROOT)
    assert str(raised.value) == message


def test_a_patch_out_of_the_stated_order_is_refused() -> None:
    patch = {"spec": {"$setElementOrder/containers": [{"name": "a"}], "containers": [{"name": "b"}]}}
    with pytest.raises(PatchError, match="doesn't match"):
        patch_strategic.apply(spec(containers=[{"name": "a"}]), patch, ROOT)


leaves = st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2)
maps = st.recursive(
    st.dictionaries(st.text("abc", min_size=1, max_size=1), leaves, max_size=3),
    lambda below: st.dictionaries(st.text("abc", min_size=1, max_size=1), leaves | below, max_size=3),
    max_leaves=10,
)


@given(maps, maps)
def test_without_lists_and_directives_it_is_a_merge_patch(document: dict[str, Any], patch: dict[str, Any]) -> None:
    assert patch_strategic.apply(document, patch, None) == patch_merge.apply(document, patch)


named = st.dictionaries(st.sampled_from("pqrs"), st.integers(0, 3), max_size=4)


@given(named, named)
def test_lists_by_key_merge_as_maps_do(before: dict[str, int], change: dict[str, int]) -> None:
    def listed(values: dict[str, int]) -> dict[str, Any]:
        return spec(containers=[{"name": name, "image": value} for name, value in values.items()])

    merged = patch_strategic.apply(listed(before), listed(change), ROOT)
    assert {item["name"]: item["image"] for item in merged["spec"]["containers"]} == before | change
