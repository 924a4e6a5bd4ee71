"""Patches against real types: merge keys come from the published definitions."""

import json
from typing import Any

import pytest

from apimachinery.objects.errors import BadRequest, Invalid, UnsupportedMediaType
from engine.apiserver.schema.decode import TypeMeta
from engine.apiserver.schema.patching import apply_patch, patch_kind

DEPLOYMENT = TypeMeta("apps", "v1", "Deployment")
POD = TypeMeta("", "v1", "Pod")


def patched(kind: Any, original: Any, patch: Any, of: TypeMeta = POD) -> Any:
    return apply_patch(kind, original, json.dumps(patch).encode(), of)[0]


def test_set_image_changes_one_container_of_a_deployment() -> None:
    original = {
        "spec": {"template": {"spec": {"containers": [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}]}}}
    }
    patch = {
        "spec": {
            "template": {
                "spec": {
                    "$setElementOrder/containers": [{"name": "a"}, {"name": "b"}],
                    "containers": [{"name": "b", "image": "b:2"}],
                }
            }
        }
    }
    result = patched("strategic", original, patch, DEPLOYMENT)
    assert [item["image"] for item in result["spec"]["template"]["spec"]["containers"]] == ["a:1", "b:2"]


@pytest.mark.parametrize(
    ("original", "patch", "expected"),
    [
        pytest.param({"status": {"conditions": [{"type": "Ready", "status": "False"}, {"type": "X"}]}}, {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}, {"status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "X"}]}}, id="conditions-by-type"),
        pytest.param({"metadata": {"finalizers": ["a"]}}, {"metadata": {"finalizers": ["b"]}}, {"metadata": {"finalizers": ["b", "a"]}}, id="finalizers-merge"),
        pytest.param({"metadata": {"ownerReferences": [{"uid": "1", "name": "x"}]}}, {"metadata": {"ownerReferences": [{"uid": "1", "$patch": "delete"}]}}, {"metadata": {"ownerReferences": []}}, id="owners-by-uid"),
        pytest.param({"spec": {"tolerations": [{"key": "a"}]}}, {"spec": {"tolerations": [{"key": "b"}]}}, {"spec": {"tolerations": [{"key": "b"}]}}, id="tolerations-are-replaced"),
        pytest.param({"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}}, {"spec": {"volumes": [{"name": "v", "$retainKeys": ["name", "secret"], "secret": {"secretName": "s"}}]}}, {"spec": {"volumes": [{"name": "v", "secret": {"secretName": "s"}}]}}, id="volume-source-is-exchanged"),
        pytest.param({"metadata": {"labels": {"a": "1", "b": "2"}}}, {"metadata": {"labels": {"a": None, "c": "3"}}}, {"metadata": {"labels": {"b": "2", "c": "3"}}}, id="labels"),
    ],
)  # fmt: skip
def test_strategic_patches_follow_the_published_merge_keys(original: Any, patch: Any, expected: Any) -> None:
    assert patched("strategic", original, patch) == expected


def test_a_patch_that_does_not_apply_is_invalid_and_its_cause_is_kept() -> None:
    with pytest.raises(Invalid, match="the server rejected our request due to an error in our request") as raised:
        patched("json", {"a": 1}, [{"op": "test", "path": "/a", "value": 2}])
    assert raised.value.details == {
        "causes": [{"reason": "UnexpectedServerResponse", "message": "testing value /a failed: test failed"}]
    }


@pytest.mark.parametrize(("kind", "text"), [("json", b"{}"), ("merge", b"{"), ("strategic", b"[]"), ("merge", b"3")])
def test_what_is_no_patch_is_a_bad_request(kind: Any, text: bytes) -> None:
    with pytest.raises(BadRequest):
        apply_patch(kind, {}, text, POD)


def test_the_content_type_names_the_patch() -> None:
    assert patch_kind("application/merge-patch+json; charset=utf-8") == "merge"
    with pytest.raises(UnsupportedMediaType):
        patch_kind("application/json")
