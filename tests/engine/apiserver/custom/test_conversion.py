"""Versions that only a webhook can convert: all verbs at each version, and what is said when the webhook is at fault."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from apimachinery.client.client import Client
from apimachinery.objects.errors import StatusError
from apimachinery.objects.resources import Resource
from engine.apiserver.custom.conversion import BadConversion, answer_of
from tests.engine.apiserver.custom.test_lifecycle import DEFINITIONS, established, gone
from tests.engine.apiserver.hooks import Hooks
from tests.engine.conftest import RunningEngine

Json = dict[str, Any]
NAME = "points.geo.example.com"
V1 = Resource("geo.example.com", "v1", "points", "Point", namespaced=True)
V2 = Resource("geo.example.com", "v2", "points", "Point", namespaced=True)

DEFINITION = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: points.geo.example.com}
spec:
  group: geo.example.com
  scope: Namespaced
  names: {plural: points, singular: point, kind: Point}
  versions:
  - name: v1
    served: true
    storage: true
    selectableFields: [{jsonPath: .spec.at}]
    additionalPrinterColumns: [{name: At, type: string, jsonPath: .spec.at}]
    schema: &one
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              at: {type: string}
              unit: {type: string, default: m}
  - name: v2
    served: true
    storage: false
    subresources: {status: {}}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              x: {type: integer, maximum: 100}
              y: {type: integer}
              unit: {type: string}
          status: {type: object, x-kubernetes-preserve-unknown-fields: true}
"""


def converted(obj: Json, wanted: str) -> Json:
    """v1 has `at: "1,2"`, v2 `x: 1, y: 2`."""
    spec = dict(obj.get("spec") or {})
    if wanted.endswith("/v2"):
        x, _, y = spec.pop("at", "0,0").partition(",")
        spec |= {"x": int(x), "y": int(y), "unheard": 1}
    else:
        spec["at"] = f"{spec.pop('x', 0)},{spec.pop('y', 0)}"
    annotations = {**(obj["metadata"].get("annotations") or {}), "seen-by": "webhook"}
    metadata = {**obj["metadata"], "annotations": annotations, "finalizers": ["ignored"]}
    return {**obj, "apiVersion": wanted, "spec": spec, "metadata": metadata}


def success(asked: Json) -> Json:
    objects = [converted(obj, asked["desiredAPIVersion"]) for obj in asked["objects"]]
    return {"convertedObjects": objects, "result": {"status": "Success"}}


def definition(hooks: Hooks, **webhook: Any) -> Json:
    hooks.answers["/convert"] = success
    made = yaml.safe_load(DEFINITION)
    client = {"clientConfig": hooks.client("convert"), "conversionReviewVersions": ["v2", "v1"], **webhook}
    made["spec"]["conversion"] = {"strategy": "Webhook", "webhook": client}
    return made


def point(name: str = "a", **metadata: Any) -> Json:
    return {
        "apiVersion": "geo.example.com/v2", "kind": "Point", "metadata": {"name": name, **metadata},
        "spec": {"x": 1, "y": 2},
    }  # fmt: skip


async def defined(client: Client, hooks: Hooks, **webhook: Any) -> Json:
    await client.create(DEFINITIONS, definition(hooks, **webhook))
    return await established(client, NAME)


async def test_objects_are_written_and_read_at_either_version(engine: RunningEngine, hooks: Hooks) -> None:
    client = engine.client
    await defined(client, hooks)
    made = await client.create(V2, point(), "default")
    assert made["spec"] == {"x": 1, "y": 2, "unit": "m"}, "stored in v1, which has a default, and back"
    assert "finalizers" not in made["metadata"]
    assert made["metadata"]["annotations"] == {"seen-by": "webhook"}
    at_v1 = await client.get(V1, "a", "default")
    assert (at_v1["apiVersion"], at_v1["spec"]) == ("geo.example.com/v1", {"at": "1,2", "unit": "m"})
    changed = await client.update(V2, {**made, "spec": {"x": 3, "y": 4}})
    assert changed["spec"] == {"x": 3, "y": 4, "unit": "m"}
    await client.patch(V2, "a", {"spec": {"y": 5}}, "default", kind="merge")
    await client.patch(V2, "a", {"status": {"ok": True}}, "default", kind="merge", subresource="status")
    assert (await client.get(V1, "a", "default"))["spec"]["at"] == "3,5"
    applied = {**point("b"), "spec": {"x": 7}}
    await client.patch(V2, "b", applied, "default", kind="apply", field_manager="me")
    again = await client.patch(V2, "b", {**applied, "spec": {"x": 8}}, "default", kind="apply", field_manager="me")
    assert again["spec"]["x"] == 8
    listed = await client.list(V2, "default")
    assert [(item["metadata"]["name"], item["spec"]["x"]) for item in listed.items] == [("a", 3), ("b", 8)]
    asked = next(one for _, one in hooks.asked if len(one["objects"]) == 2)
    assert asked["desiredAPIVersion"] == "geo.example.com/v2"
    with pytest.raises(StatusError, match="spec.x in body should be less than or equal to 100"):
        await client.patch(V2, "a", {"spec": {"x": 101}}, "default", kind="merge")
    await client.delete(V2, "a", "default")
    await client.delete_collection(V2, "default")
    assert not (await client.list(V1, "default")).items


async def test_kubectl_and_selectors_see_the_version_they_ask_for(engine: RunningEngine, hooks: Hooks) -> None:
    await defined(engine.client, hooks)
    await engine.kubectl("apply", "-f", "-", stdin=json.dumps(point()))
    await engine.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(point("b")))
    shown = await engine.kubectl("get", "points.v1.geo.example.com")
    assert shown.out.split() == ["NAME", "AT", "a", "1,2", "b", "1,2"]
    only = await engine.kubectl("get", "points.v1.geo.example.com", "--field-selector", "spec.at=1\\,2", "-o", "name")
    assert only.out.split() == ["point.geo.example.com/a", "point.geo.example.com/b"]
    found = await engine.kubectl("get", "points.v2.geo.example.com", "a", "-o", "jsonpath={.spec.x}{.spec.y}")
    assert found.out == "12"


async def test_watch_tells_in_order_at_the_version_asked_for(engine: RunningEngine, hooks: Hooks) -> None:
    client = engine.client
    await defined(client, hooks)
    await client.create(V1, {**point(), "apiVersion": "geo.example.com/v1", "spec": {"at": "9,9"}}, "default")
    seen: list[tuple[str, Any]] = []

    async def watch() -> None:
        async for event in client.watch(V2, "default", resource_version="0"):
            seen.append((event.type, event.object.get("spec", {}).get("x")))
            if event.type == "DELETED":
                return

    watching = asyncio.ensure_future(watch())
    async with asyncio.timeout(10):
        while not seen:
            await asyncio.sleep(0.02)
        for x in range(3):
            await client.patch(V2, "a", {"spec": {"x": x}}, "default", kind="merge")
        await client.delete(V2, "a", "default")
        await watching
    assert seen == [("ADDED", 9), ("MODIFIED", 0), ("MODIFIED", 1), ("MODIFIED", 2), ("DELETED", 2)]


async def test_moved_storage_is_converted_on_the_next_write_and_the_definition_takes_all_along(
    engine: RunningEngine, hooks: Hooks
) -> None:
    client = engine.client
    found = await defined(client, hooks)
    await client.create(V2, point(), "default")
    found["spec"]["versions"][0]["storage"], found["spec"]["versions"][1]["storage"] = False, True
    moved = await client.update(DEFINITIONS, found)
    assert moved["status"]["storedVersions"] == ["v1", "v2"]
    before = await client.get(V1, "a", "default")
    after = await client.update(V1, before)
    assert after["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]
    assert after["spec"]["at"] == "1,2"
    await client.delete(DEFINITIONS, NAME)
    await gone(client, DEFINITIONS, NAME)


Wrong = Callable[[Json], Json]


def changed_metadata(**changes: Any) -> Wrong:
    def answer(asked: Json) -> Json:
        made = success(asked)
        for obj in made["convertedObjects"]:
            obj["metadata"] = {**obj["metadata"], **changes}
        return made

    return answer


FROM = "conversion webhook for geo.example.com/v1, Kind=Point "


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        pytest.param(
            lambda _: {"result": {"status": "Failure", "message": "no way"}}, "failed: no way", id="refused"
        ),
        pytest.param(lambda _: {"result": {}}, "failed: response.result.status was '', not 'Success'", id="unsaid"),
        pytest.param(lambda _: {"uid": "x", "result": {"status": "Success"}}, "failed: expected response.uid=", id="uid"),
        pytest.param(
            lambda _: {"convertedObjects": [], "result": {"status": "Success"}},
            "returned 0 objects, expected 1", id="fewer",
        ),
        pytest.param(
            lambda asked: {"convertedObjects": asked["objects"], "result": {"status": "Success"}},
            "returned invalid object at index 0: invalid groupVersion (expected geo.example.com/v2,"
            " received geo.example.com/v1)", id="version",
        ),
        pytest.param(
            changed_metadata(name="z"), "returned invalid object: must have the same name: a != z", id="name"
        ),
        pytest.param(changed_metadata(uid="z"), "returned invalid object: must have the same UID: ", id="other"),
        pytest.param(
            changed_metadata(labels={"a": 1}),
            "returned invalid metadata: metadata.labels[a] must be a string in converted object", id="labels",
        ),
        pytest.param(
            changed_metadata(labels={"a b": "c"}), "returned invalid metadata: metadata.labels: Invalid value", id="bad"
        ),
    ],
)  # fmt: skip
async def test_wrong_answers_are_told_in_upstreams_words(
    engine: RunningEngine, hooks: Hooks, answer: Wrong, text: str
) -> None:
    client = engine.client
    await defined(client, hooks)
    await client.create(V1, {**point(), "apiVersion": "geo.example.com/v1", "spec": {"at": "1,2"}}, "default")
    hooks.answers["/convert"] = answer
    for ask in (client.get(V2, "a", "default"), client.list(V2, "default")):
        with pytest.raises(StatusError) as refused:
            await ask
        assert refused.value.message.startswith(FROM + text)
        assert refused.value.code == 500


async def test_webhook_that_is_away_leaves_the_stored_version_alone(engine: RunningEngine, hooks: Hooks) -> None:
    client = engine.client
    made = definition(hooks)
    made["spec"]["conversion"]["webhook"]["clientConfig"]["url"] = "https://127.0.0.1:1/convert"
    await client.create(DEFINITIONS, made)
    await established(client, NAME)
    stored = {**point(), "apiVersion": "geo.example.com/v1", "spec": {"at": "1,2"}}
    await client.create(V1, stored, "default")
    assert (await client.get(V1, "a", "default"))["spec"]["at"] == "1,2"
    with pytest.raises(StatusError) as refused:
        await client.get(V2, "a", "default")
    assert refused.value.message.startswith(FROM + 'failed: Post "https://127.0.0.1:1/convert?timeout=30s": ')
    with pytest.raises(StatusError, match="conversion webhook for geo.example.com/v2, Kind=Point failed"):
        await client.create(V2, point("b"), "default")
    assert [item["metadata"]["name"] for item in (await client.list(V1, "default")).items] == ["a"]


def test_older_reviews_need_no_uid_and_a_list_names_the_place() -> None:
    old = [{"apiVersion": "g/v1", "kind": "K", "metadata": {"name": name}} for name in "ab"]
    new = [{"apiVersion": "g/v2", "kind": "K", "metadata": {"name": name}} for name in "ab"]
    answer = {"response": {"convertedObjects": new, "result": {"status": "Success"}}}
    assert answer_of(json.dumps(answer).encode(), "v1beta1", "u", old, "g/v2") == new
    new[1]["kind"] = "L"
    with pytest.raises(
        BadConversion, match=r"returned invalid converted object at index 1: invalid kind \(expected K, received L"
    ):
        answer_of(json.dumps(answer).encode(), "v1beta1", "u", old, "g/v2")
    answer["response"]["convertedObjects"] = [new[0], {**new[1], "kind": "K", "metadata": None}]  # type: ignore[dict-item]
    with pytest.raises(BadConversion, match="must have the same name: b != "):
        answer_of(json.dumps(answer).encode(), "v1beta1", "u", old, "g/v2")


def owned(obj: Json) -> dict[tuple[str, str], Json]:
    """By manager and version the fields of the spec that are owned."""
    entries = obj["metadata"]["managedFields"]
    return {
        (entry["manager"], entry["apiVersion"].rpartition("/")[2]): entry["fieldsV1"].get("f:spec", {})
        for entry in entries
    }


async def test_fields_are_owned_in_the_version_of_who_owns_them(engine: RunningEngine, hooks: Hooks) -> None:
    client = engine.client
    await defined(client, hooks)
    first = {"apiVersion": "geo.example.com/v1", "kind": "Point", "metadata": {"name": "a"}, "spec": {"at": "1,2"}}
    await client.patch(V1, "a", first, "default", kind="apply", field_manager="old")
    # Another version says the same otherwise: nobody loses anything.
    same = {**point(), "spec": {"x": 1, "y": 2}}
    got = await client.patch(V2, "a", same, "default", kind="apply", field_manager="new")
    assert owned(got) == {("old", "v1"): {"f:at": {}}, ("new", "v2"): {"f:x": {}, "f:y": {}}}
    # A change of x is one of `at`, which somebody else has.
    with pytest.raises(StatusError, match=r'conflict with "old": \.spec\.at'):
        await client.patch(V2, "a", {**same, "spec": {"x": 3, "y": 2}}, "default", kind="apply", field_manager="new")
    with pytest.raises(
        StatusError, match=r'Apply failed with 2 conflicts: conflicts with "new":\n- .spec.x\n- .spec.y'
    ):
        await client.patch(V1, "a", {**first, "spec": {"at": "4,5"}}, "default", kind="apply", field_manager="old")
    await client.patch(V2, "a", {"spec": {"y": 9}}, "default", kind="merge", field_manager="person")
    got = await client.get(V2, "a", "default")
    assert owned(got) == {("new", "v2"): {"f:x": {}}, ("person", "v2"): {"f:y": {}}}
    # Who moves on to another version drops what it had in the old one.
    await client.patch(V1, "a", {"spec": {"at": "1,9", "unit": "km"}}, "default", kind="merge", field_manager="person")
    with_unit = {**first, "spec": {"unit": "km"}}
    await client.patch(V1, "a", with_unit, "default", kind="apply", field_manager="mover")
    await client.patch(V2, "a", {**point(), "spec": {"x": 1}}, "default", kind="apply", field_manager="mover")
    got = await client.get(V2, "a", "default")
    assert got["spec"] == {"x": 1, "y": 9, "unit": "km"}, "the person owns the unit too"
    assert owned(got)["mover", "v2"] == {"f:x": {}}


async def test_what_was_applied_in_another_version_goes_with_it(engine: RunningEngine, hooks: Hooks) -> None:
    client = engine.client
    made = definition(hooks)
    for version in made["spec"]["versions"]:
        spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
        spec["note"] = {"type": "string"}
    await client.create(DEFINITIONS, made)
    await established(client, NAME)
    first = {"apiVersion": "geo.example.com/v1", "kind": "Point", "metadata": {"name": "a"}}
    await client.patch(
        V1, "a", {**first, "spec": {"at": "1,2", "note": "n"}}, "default", kind="apply", field_manager="me"
    )
    got = await client.patch(V2, "a", point(), "default", kind="apply", field_manager="me")
    assert got["spec"] == {"x": 1, "y": 2, "unit": "m"}
    assert owned(got) == {("me", "v2"): {"f:x": {}, "f:y": {}}}
    # A version that is served no more: what was owned in it is owned by nobody.
    await client.patch(V2, "a", {"spec": {"note": "v2"}}, "default", kind="merge", field_manager="other")
    made = await client.get(DEFINITIONS, NAME)
    made["spec"]["versions"][1]["served"] = False
    await client.update(DEFINITIONS, made)

    async def unserved() -> bool:
        try:
            await client.get(V2, "a", "default")
        except StatusError as error:
            return error.code == 404
        return False

    async with asyncio.timeout(20):
        while not await unserved():
            await asyncio.sleep(0.01)
    await client.patch(V1, "a", {"spec": {"at": "7,7"}}, "default", kind="merge", field_manager="last")
    assert owned(await client.get(V1, "a", "default")) == {("last", "v1"): {"f:at": {}}}
